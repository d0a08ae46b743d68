//! In which pieces a statement runs for many rows: it is prepared for some numbers of rows
//! only, because each of them is a statement to the server.

use crate::Engine;

/// The most rows in one piece.
pub(crate) const MOST: usize = 128;

const COARSE: &[usize] = &[128, 96, 64, 48, 32, 24, 16, 8, 4, 3, 2, 1];
// No number needs more than two pieces: a round trip costs more than a statement to keep.
const FINE: &[usize] = &[
    128, 112, 96, 80, 64, 56, 48, 40, 32, 24, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1,
];

/// Rows, and for how many rows the statement is written; the last one fills what is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece<'r, T> {
    pub(crate) rows: &'r [T],
    pub(crate) size: usize,
}

/// For statements to which the same row twice is as good as once.
pub(crate) fn filled<T>(rows: &[T]) -> Vec<Piece<'_, T>> {
    let piece = |rows: &'_ [T]| {
        let size = COARSE.iter().rev().find(|&&size| size >= rows.len());
        size.copied().unwrap_or(MOST)
    };
    rows.chunks(MOST)
        .map(|rows| Piece {
            rows,
            size: piece(rows),
        })
        .collect()
}

/// For statements that must have each row once; the largest pieces first.
pub(crate) fn exact<T>(engine: Engine, rows: &[T]) -> Vec<Piece<'_, T>> {
    // sqlx keeps 100 statements a SQLite connection, and a piece costs little there.
    let sizes = match engine {
        Engine::Sqlite => COARSE,
        Engine::MySql => FINE,
    };
    let mut rest = rows;
    let next = || {
        let size = sizes.iter().copied().find(|&size| size <= rest.len())?;
        let (rows, left) = rest.split_at(size);
        rest = left;
        Some(Piece { rows, size })
    };
    std::iter::from_fn(next).collect()
}

/// For statements without a part that repeats.
pub(crate) fn single<T>(rows: &[T]) -> Vec<Piece<'_, T>> {
    rows.chunks(1).map(|rows| Piece { rows, size: 1 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pieces: &[Piece<'_, usize>]) -> Vec<usize> {
        pieces
            .iter()
            .flat_map(|piece| piece.rows.to_vec())
            .collect()
    }

    #[test]
    fn pieces_lose_nothing() {
        for count in 0..=300 {
            let rows: Vec<usize> = (0..count).collect();
            for engine in [Engine::Sqlite, Engine::MySql] {
                let pieces = exact(engine, &rows);
                assert_eq!(all(&pieces), rows);
                assert!(pieces.iter().all(|piece| piece.rows.len() == piece.size));
            }
            let pieces = filled(&rows);
            assert_eq!(all(&pieces), rows);
            assert_eq!(pieces.len(), count.div_ceil(MOST));
            assert!(pieces.iter().all(|piece| piece.rows.len() <= piece.size));
            assert_eq!(all(&single(&rows)), rows);
        }
    }

    #[test]
    fn a_batch_on_mysql_needs_at_most_two_pieces() {
        for count in 1..=MOST {
            assert!(exact(Engine::MySql, &vec![0; count]).len() <= 2, "{count}");
        }
    }
}
