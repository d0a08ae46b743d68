//! Named queries: a file each, its first line its name, so that the slow log says which.
//!
//! A file holds the statement for one row. A part that repeats for many rows stands
//! between `/*[SEPARATOR*/` and `/*]*/`:
//! `VALUES /*[,*/(?, ?)/*]*/`, `WHERE /*[OR*/(a = ? AND b = ?)/*]*/`.

use crate::Engine;

/// A statement, by name.
#[derive(Debug)]
pub struct Query {
    name: &'static str,
    sqlite: &'static str,
    mysql: &'static str,
}

const OPEN: &str = "/*[";
const OPENED: &str = "*/";
const CLOSE: &str = "/*]*/";

impl Query {
    /// A query from its two texts; [`queries!`](crate::queries) reads them from files.
    pub const fn new(name: &'static str, sqlite: &'static str, mysql: &'static str) -> Self {
        Self {
            name,
            sqlite,
            mysql,
        }
    }

    /// Its file's path below `queries/`, without ending.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The statement for one row.
    pub fn sql(&self, engine: Engine) -> &'static str {
        match engine {
            Engine::Sqlite => self.sqlite,
            Engine::MySql => self.mysql,
        }
    }

    // Told apart by address: a service may name a query as this crate does.
    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// True if it has a part that repeats.
    pub(crate) fn repeats(&self, engine: Engine) -> bool {
        self.sql(engine).contains(OPEN)
    }

    /// The statement for `rows` rows, if it has a part that repeats.
    pub fn repeated(&self, engine: Engine, rows: usize) -> Option<String> {
        let (before, rest) = self.sql(engine).split_once(OPEN)?;
        let (separator, rest) = rest.split_once(OPENED)?;
        let (part, after) = rest.split_once(CLOSE)?;
        let parts = vec![part; rows].join(&format!(" {separator} "));
        Some([before, &parts, after].concat())
    }
}

/// Declares queries read from `queries/<table>/<verb>.sql`, or, marked `split`, from
/// `<verb>.sqlite.sql` and `<verb>.mysql.sql`; and `ALL`, the list of them.
#[macro_export]
macro_rules! queries {
    ($($constant:ident = $name:literal $($split:ident)?;)*) => {
        $(pub(crate) static $constant: $crate::Query = $crate::queries!(@one $name $($split)?);)*
        /// Every query of this crate; a test prepares each on both engines.
        pub static ALL: &[&$crate::Query] = &[$(&$constant),*];
    };
    (@one $name:literal) => {
        $crate::Query::new(
            $name,
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/queries/", $name, ".sql")),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/queries/", $name, ".sql")),
        )
    };
    (@one $name:literal split) => {
        $crate::Query::new(
            $name,
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/queries/", $name, ".sqlite.sql")),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/queries/", $name, ".mysql.sql")),
        )
    };
}

queries! {
    OBLIGATIONS_ARM = "obligations/arm" split;
    OBLIGATIONS_END = "obligations/end";
    OBLIGATIONS_CLAIM = "obligations/claim" split;
    OBLIGATIONS_CLAIMED = "obligations/claimed";
    OBLIGATIONS_POSTPONE = "obligations/postpone";
    OBLIGATIONS_DROP = "obligations/drop";
    OBLIGATIONS_OF = "obligations/of";
    OBLIGATIONS_BACKLOG = "obligations/backlog";
    OBLIGATIONS_FORGET = "obligations/forget";
    OUTBOX_INSERT = "outbox/insert";
    FEED_PENDING_INSERT = "feed_pending/insert";
    FEED_PENDING_LIST = "feed_pending/list";
    FEED_PENDING_END = "feed_pending/end";
    FEED_BATCHES_INSERT = "feed_batches/insert";
    FEED_BATCHES_WINNER = "feed_batches/winner";
    FEED_BATCHES_LAST = "feed_batches/last";
    FEED_INSERT = "feed/insert";
    FEED_READ = "feed/read";
    FEED_CURSORS_OPEN = "feed_cursors/open" split;
    FEED_CURSORS_GET = "feed_cursors/get";
    FEED_CURSORS_LEASE = "feed_cursors/lease";
    FEED_CURSORS_ACK = "feed_cursors/ack";
    PARKED_INSERT = "parked/insert";
    PARKED_WINNER = "parked/winner";
    PARKED_OF = "parked/of";
    PARKED_END = "parked/end";
    FEED_CURSORS_FORGET = "feed_cursors/forget";
    LEASES_FORGET = "leases/forget";
    LEASES_OPEN = "leases/open" split;
    LEASES_TAKE = "leases/take";
    LEASES_RENEW = "leases/renew";
    LEASES_RELEASE = "leases/release";
}

#[cfg(test)]
mod tests {
    use super::*;

    static MANY: Query = Query::new("t/i", "INSERT INTO t (a) VALUES /*[,*/(?)/*]*/ x", "");

    #[test]
    fn the_marked_part_repeats() {
        let sql = MANY.repeated(Engine::Sqlite, 3).unwrap();
        assert_eq!(sql, "INSERT INTO t (a) VALUES (?) , (?) , (?) x");
        assert_eq!(MANY.repeated(Engine::MySql, 3), None);
    }

    #[test]
    fn every_file_begins_with_its_name() {
        for query in ALL {
            for engine in [Engine::Sqlite, Engine::MySql] {
                let first = query.sql(engine).lines().next();
                assert_eq!(first, Some(format!("-- {}", query.name()).as_str()));
            }
        }
    }
}
