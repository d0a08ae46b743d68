//! One batch: the guards, who won, what the winners change, COMMIT.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use sqlx::{AnyConnection, AssertSqlSafe, Executor, Row as _};

use super::Pending;
use crate::value::{Statement, bind};
use crate::write::{Effect, Guard, Phase};
use crate::{Engine, Query, Value};

/// The most writes in one batch.
pub(crate) const MOST: usize = 128;

// Statements are prepared for these numbers of rows only; a batch is cut into them.
const SIZES: [usize; 12] = [128, 96, 64, 48, 32, 24, 16, 8, 4, 3, 2, 1];

/// What became of one write of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Written by this batch, or by an earlier submission of the same write.
    Done,
    /// Another write has the key.
    Conflict,
}

/// Why a batch came to nothing.
#[derive(Debug)]
pub(crate) enum Broken {
    /// No connection could be made: nothing is written.
    Connect(sqlx::Error),
    /// An error before COMMIT was sent: nothing is written.
    Before(sqlx::Error),
    /// An effect did not find what it changes: nothing is written.
    Mismatch(String),
    /// COMMIT was sent; nobody knows.
    Commit(sqlx::Error),
}

impl From<sqlx::Error> for Broken {
    fn from(error: sqlx::Error) -> Self {
        Self::Before(error)
    }
}

/// The texts of repeated statements, made once.
#[derive(Default)]
pub(crate) struct Texts(HashMap<(usize, usize, bool), Arc<str>>);

/// A connection with a batch under way.
pub(crate) struct Batch<'a> {
    pub(crate) engine: Engine,
    pub(crate) connection: &'a mut AnyConnection,
    pub(crate) texts: &'a mut Texts,
    /// Set as COMMIT is sent: from then on its fate may be unknown.
    pub(crate) committing: &'a mut bool,
}

impl Batch<'_> {
    /// Makes the writes, all that win or none; the outcomes come in their order.
    pub(crate) async fn commit(mut self, writes: &[Pending]) -> Result<Vec<Outcome>, Broken> {
        if let Some(begin) = self.engine.begin() {
            self.connection.execute(sqlx::raw_sql(begin)).await?;
        }
        let stored = self.guard(writes).await?;
        let won: Vec<&Pending> = writes
            .iter()
            .filter(|pending| stored.contains(&pending.write.id))
            .collect();
        self.effects(&won).await?;
        *self.committing = true;
        let committed = self.connection.execute(sqlx::raw_sql("COMMIT")).await;
        committed.map_err(Broken::Commit)?;
        Ok(writes
            .iter()
            .map(|pending| outcome(pending, &stored))
            .collect())
    }

    // Inserts the guards and answers the write ids that stand at their keys now.
    async fn guard(&mut self, writes: &[Pending]) -> Result<HashSet<i64>, Broken> {
        let mut groups: BTreeMap<_, (&Guard, Vec<&Pending>)> = BTreeMap::new();
        for pending in writes {
            let guard = pending.write.guard;
            // By name first, so that every committer takes the tables in the same order.
            let place = (guard.insert.name(), std::ptr::from_ref(guard).addr());
            groups
                .entry(place)
                .or_insert((guard, Vec::new()))
                .1
                .push(pending);
        }
        let mut stored = HashSet::new();
        for (guard, mut group) in groups.into_values() {
            // In key order, so that two committers take their locks in the same order.
            group.sort_by(|a, b| a.write.key().cmp(b.write.key()));
            let rows = group
                .iter()
                .map(|pending| with_id(pending))
                .collect::<Vec<_>>();
            self.repeat(guard.insert, true, &rows).await?;
            let keys = group
                .iter()
                .map(|p| p.write.key().cloned().collect())
                .collect::<Vec<_>>();
            self.winners(guard.winner, &keys, &mut stored).await?;
        }
        Ok(stored)
    }

    async fn winners(
        &mut self,
        query: &'static Query,
        keys: &[Vec<Value>],
        stored: &mut HashSet<i64>,
    ) -> Result<(), Broken> {
        for chunk in self.cut(query, keys) {
            let statement = self.statement(query, false, chunk);
            for row in statement.fetch_all(&mut *self.connection).await? {
                stored.insert(row.try_get("write_id")?);
            }
        }
        Ok(())
    }

    async fn effects(&mut self, won: &[&Pending]) -> Result<(), Broken> {
        let mut groups: BTreeMap<_, (&'static Query, Vec<Vec<Value>>)> = BTreeMap::new();
        for effect in won.iter().flat_map(|pending| &pending.write.effects) {
            let Effect { phase, query, row } = effect;
            let place = (*phase, query.name(), query.address());
            groups
                .entry(place)
                .or_insert((query, Vec::new()))
                .1
                .push(row.clone());
        }
        for ((phase, name, _), (query, mut rows)) in groups {
            // In key order, for the same reason as the guards.
            rows.sort();
            let changed = self.repeat(query, false, &rows).await?;
            if phase == Phase::Update && changed != rows.len() as u64 {
                let wanted = rows.len();
                return Err(Broken::Mismatch(format!(
                    "{name} changed {changed} of {wanted} rows"
                )));
            }
        }
        Ok(())
    }

    // Runs a statement for all rows, in as few pieces as its prepared sizes allow.
    async fn repeat(
        &mut self,
        query: &'static Query,
        guard: bool,
        rows: &[Vec<Value>],
    ) -> Result<u64, Broken> {
        let mut changed = 0;
        for chunk in self.cut(query, rows) {
            let statement = self.statement(query, guard, chunk);
            changed += statement
                .execute(&mut *self.connection)
                .await?
                .rows_affected();
        }
        Ok(changed)
    }

    // A query without a part that repeats runs row by row.
    fn cut<'r, T>(
        &self,
        query: &Query,
        rows: &'r [T],
    ) -> impl Iterator<Item = &'r [T]> + use<'r, T> {
        let most = if query.repeats(self.engine) { MOST } else { 1 };
        cut(rows, most)
    }

    fn statement(&mut self, query: &'static Query, guard: bool, rows: &[Vec<Value>]) -> Statement {
        let engine = self.engine;
        let text = self
            .texts
            .0
            .entry((query.address(), rows.len(), guard))
            .or_insert_with(|| {
                let text = query.repeated(engine, rows.len());
                let text = text.unwrap_or_else(|| query.sql(engine).to_owned());
                let keep = if guard { engine.keep_existing() } else { "" };
                [text.trim_end(), keep].concat().into()
            });
        let statement = sqlx::query(AssertSqlSafe(Arc::clone(text)));
        rows.iter()
            .fold(statement, |statement, row| bind(statement, row))
    }
}

fn with_id(pending: &Pending) -> Vec<Value> {
    let mut row = pending.write.row.clone();
    row.push(Value::Int(pending.write.id));
    row
}

fn outcome(pending: &Pending, stored: &HashSet<i64>) -> Outcome {
    let known = stored.contains(&pending.write.id)
        || stored.iter().any(|&id| pending.write.is_same_write(id));
    if known {
        Outcome::Done
    } else {
        Outcome::Conflict
    }
}

// Cuts rows into pieces of prepared sizes up to `most`, the largest first.
fn cut<T>(rows: &[T], most: usize) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let size = SIZES
            .into_iter()
            .find(|&size| size <= rest.len().min(most))?;
        let (piece, left) = rest.split_at(size);
        rest = left;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_of_prepared_sizes_and_lose_nothing() {
        for count in 0..=300 {
            let rows: Vec<usize> = (0..count).collect();
            let pieces: Vec<&[usize]> = cut(&rows, MOST).collect();
            assert_eq!(pieces.concat(), rows);
            assert!(pieces.iter().all(|piece| SIZES.contains(&piece.len())));
        }
    }
}
