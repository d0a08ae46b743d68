//! What is written: one order's step. A log row decides, the state row moves, an entry is
//! added, an obligation is armed anew.

use futures::future::join_all;
use jiff::Timestamp;
use store::{CommitError, Db, Guard, Migration, Query, Write, row};

pub(crate) static MIGRATIONS: &[Migration] = &[Migration {
    version: 100,
    name: "0100_bench",
    sqlite: "
        CREATE TABLE states (account BIGINT NOT NULL PRIMARY KEY, version BIGINT NOT NULL,
            status SMALLINT NOT NULL, note VARCHAR(64) NOT NULL, write_id BIGINT NOT NULL);
        CREATE TABLE log (account BIGINT NOT NULL, version BIGINT NOT NULL,
            cause VARCHAR(64) NOT NULL, at BIGINT NOT NULL, write_id BIGINT NOT NULL,
            PRIMARY KEY (account, version)) WITHOUT ROWID;
        CREATE TABLE entries (account BIGINT NOT NULL, version BIGINT NOT NULL,
            amount BIGINT NOT NULL, PRIMARY KEY (account, version)) WITHOUT ROWID;",
    mysql: "
        CREATE TABLE states (account BIGINT NOT NULL PRIMARY KEY, version BIGINT NOT NULL,
            status SMALLINT NOT NULL, note VARCHAR(64) NOT NULL, write_id BIGINT NOT NULL);
        CREATE TABLE log (account BIGINT NOT NULL, version BIGINT NOT NULL,
            cause VARCHAR(64) NOT NULL, at BIGINT NOT NULL, write_id BIGINT NOT NULL,
            PRIMARY KEY (account, version));
        CREATE TABLE entries (account BIGINT NOT NULL, version BIGINT NOT NULL,
            amount BIGINT NOT NULL, PRIMARY KEY (account, version));",
}];

const fn both(name: &'static str, sql: &'static str) -> Query {
    Query::new(name, sql, sql)
}

static OPEN: Query = both(
    "states/open",
    "INSERT INTO states (account, version, status, note, write_id) VALUES /*[,*/(?, ?, ?, ?, ?)/*]*/",
);
static OPENED: Query = both(
    "states/opened",
    "SELECT write_id FROM states WHERE /*[OR*/(account = ?)/*]*/",
);
pub(crate) static LOG: Query = both(
    "log/insert",
    "INSERT INTO log (account, version, cause, at, write_id) VALUES /*[,*/(?, ?, ?, ?, ?)/*]*/",
);
pub(crate) static LOGGED: Query = both(
    "log/winner",
    "SELECT write_id FROM log WHERE /*[OR*/(account = ? AND version = ?)/*]*/",
);
pub(crate) static MOVE: Query = Query::new(
    "states/move",
    "WITH v (account, version, status) AS (VALUES /*[,*/(?, ?, ?)/*]*/)
    UPDATE states SET status = v.status, version = v.version
    FROM v WHERE states.account = v.account AND states.version = v.version - 1",
    "UPDATE states s JOIN (/*[UNION ALL*/SELECT ? AS account, ? AS version, ? AS status/*]*/) v
    ON s.account = v.account AND s.version = v.version - 1
    SET s.status = v.status, s.version = v.version",
);
pub(crate) static ENTRY: Query = both(
    "entries/insert",
    "INSERT INTO entries (account, version, amount) VALUES /*[,*/(?, ?, ?)/*]*/",
);

static NEW: Guard = Guard {
    insert: &OPEN,
    winner: &OPENED,
    key: &[0],
};
static STEP: Guard = Guard {
    insert: &LOG,
    winner: &LOGGED,
    key: &[0, 1],
};

/// An account and where its only writer is with it.
pub(crate) struct Account {
    number: i64,
    version: i64,
    steps: u32,
}

/// A step to be written.
#[derive(Clone, Copy)]
pub(crate) struct Change {
    pub(crate) account: i64,
    pub(crate) version: i64,
}

impl Account {
    /// The next step; so many in a hundred are stale and must come to nothing.
    pub(crate) fn next(&mut self, stale: u32) -> (Change, bool) {
        self.steps += 1;
        let every = 100_u32.checked_div(stale).unwrap_or(u32::MAX);
        let is_stale = self.version > 1 && self.steps.is_multiple_of(every);
        self.version += i64::from(!is_stale);
        (
            Change {
                account: self.number,
                version: self.version,
            },
            is_stale,
        )
    }
}

/// Opens `count` accounts from `first` on.
pub(crate) async fn accounts(db: &Db, first: u32, count: u32) -> Vec<Account> {
    let opened = (first..first + count).map(|number| async move {
        db.submit(Write::new("open", &NEW, row![number, 1, 0, ""]))
            .await
            .expect("it opens");
        Account {
            number: i64::from(number),
            version: 1,
            steps: number,
        }
    });
    join_all(opened).await
}

/// Submits a step; false is a conflict.
pub(crate) async fn submit(db: &Db, Change { account, version }: Change) -> bool {
    let due = Timestamp::UNIX_EPOCH;
    let write = Write::new("step", &STEP, row![account, version, "bench", 1])
        .update(&MOVE, row![account, version, 1])
        .insert(&ENTRY, row![account, version, 100])
        .arm(1, (account, 0), due);
    match db.submit(write).await {
        Ok(()) => true,
        Err(CommitError::Conflict { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}
