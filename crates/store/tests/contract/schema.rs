//! A small business of the tests' own: accounts with a log, entries beside them, and
//! labels whose key is a text.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use seam::ManualClock;
use store::{CommitError, Db, Engine, Guard, Migration, Query, Row, StoreError, Write, row};
use testkit::TestDb;

/// The schema, for the engines' different table options.
pub(crate) static MIGRATIONS: &[Migration] = &[Migration {
    version: 100,
    name: "0100_accounts",
    sqlite: "
        CREATE TABLE accounts (account BIGINT NOT NULL PRIMARY KEY, version BIGINT NOT NULL,
            balance BIGINT NOT NULL, note VARCHAR(64), seal BLOB, write_id BIGINT NOT NULL);
        CREATE TABLE account_log (account BIGINT NOT NULL, version BIGINT NOT NULL,
            delta BIGINT NOT NULL, write_id BIGINT NOT NULL, PRIMARY KEY (account, version));
        CREATE TABLE entries (account BIGINT NOT NULL, version BIGINT NOT NULL, item INT NOT NULL,
            PRIMARY KEY (account, version, item), CHECK (item >= 0));
        CREATE TABLE labels (label VARCHAR(64) NOT NULL PRIMARY KEY, version BIGINT NOT NULL,
            note VARCHAR(64), write_id BIGINT NOT NULL);",
    mysql: "
        CREATE TABLE accounts (account BIGINT NOT NULL PRIMARY KEY, version BIGINT NOT NULL,
            balance BIGINT NOT NULL, note VARCHAR(64), seal VARBINARY(64), write_id BIGINT NOT NULL)
            ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
        CREATE TABLE account_log (account BIGINT NOT NULL, version BIGINT NOT NULL,
            delta BIGINT NOT NULL, write_id BIGINT NOT NULL, PRIMARY KEY (account, version))
            ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
        CREATE TABLE entries (account BIGINT NOT NULL, version BIGINT NOT NULL, item INT NOT NULL,
            PRIMARY KEY (account, version, item), CHECK (item >= 0))
            ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
        CREATE TABLE labels (label VARCHAR(64) NOT NULL PRIMARY KEY, version BIGINT NOT NULL,
            note VARCHAR(64), write_id BIGINT NOT NULL)
            ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;",
}];

const fn both(name: &'static str, sql: &'static str) -> Query {
    Query::new(name, sql, sql)
}

pub(crate) static OPEN: Query = both(
    "accounts/open",
    "-- accounts/open
    INSERT INTO accounts (account, version, balance, note, seal, write_id)
    VALUES /*[,*/(?, ?, ?, ?, ?, ?)/*]*/",
);
pub(crate) static OPENED: Query = both(
    "accounts/opened",
    "-- accounts/opened
    SELECT write_id FROM accounts WHERE /*[OR*/(account = ?)/*]*/",
);
pub(crate) static MOVE: Query = Query::new(
    "accounts/move",
    "-- accounts/move
    WITH v (account, version, delta, note, seal) AS (VALUES /*[,*/(?, ?, ?, ?, ?)/*]*/)
    UPDATE accounts SET balance = balance + v.delta, version = v.version, note = v.note,
        seal = v.seal
    FROM v WHERE accounts.account = v.account AND accounts.version = v.version - 1",
    "-- accounts/move
    UPDATE accounts a JOIN (/*[UNION ALL*/SELECT ? AS account, ? AS version, ? AS delta,
        ? AS note, ? AS seal/*]*/) v
    ON a.account = v.account AND a.version = v.version - 1
    SET a.balance = a.balance + v.delta, a.version = v.version, a.note = v.note, a.seal = v.seal",
);
pub(crate) static LOG: Query = both(
    "account_log/insert",
    "-- account_log/insert
    INSERT INTO account_log (account, version, delta, write_id) VALUES /*[,*/(?, ?, ?, ?)/*]*/",
);
pub(crate) static LOGGED: Query = both(
    "account_log/winner",
    "-- account_log/winner
    SELECT write_id FROM account_log WHERE /*[OR*/(account = ? AND version = ?)/*]*/",
);
pub(crate) static ENTRY: Query = both(
    "entries/insert",
    "-- entries/insert
    INSERT INTO entries (account, version, item) VALUES /*[,*/(?, ?, ?)/*]*/",
);
pub(crate) static LABEL: Query = both(
    "labels/insert",
    "-- labels/insert
    INSERT INTO labels (label, version, note, write_id) VALUES /*[,*/(?, ?, ?, ?)/*]*/",
);
pub(crate) static LABELLED: Query = both(
    "labels/winner",
    "-- labels/winner
    SELECT write_id FROM labels WHERE /*[OR*/(label = ?)/*]*/",
);
pub(crate) static RELABEL: Query = Query::new(
    "labels/move",
    "-- labels/move
    WITH v (label, version, note) AS (VALUES /*[,*/(?, ?, ?)/*]*/)
    UPDATE labels SET version = v.version, note = v.note
    FROM v WHERE labels.label = v.label AND labels.version = v.version - 1",
    "-- labels/move
    UPDATE labels l JOIN (/*[UNION ALL*/SELECT ? AS label, ? AS version, ? AS note/*]*/) v
    ON l.label = v.label AND l.version = v.version - 1
    SET l.version = v.version, l.note = v.note",
);
pub(crate) static ACCOUNTS: Query = both(
    "accounts/all",
    "-- accounts/all
    SELECT account, version, balance, note, seal, write_id FROM accounts ORDER BY account",
);
pub(crate) static LOGS: Query = both(
    "account_log/all",
    "-- account_log/all
    SELECT account, version, delta, write_id FROM account_log ORDER BY account, version",
);
pub(crate) static ENTRIES: Query = both(
    "entries/all",
    "-- entries/all
    SELECT account, version, item FROM entries ORDER BY account, version, item",
);
pub(crate) static LABELS: Query = both(
    "labels/all",
    "-- labels/all
    SELECT label, version, note FROM labels ORDER BY label",
);

/// The queries above that repeat, for the prepare test.
pub(crate) static ALL: &[&Query] = &[
    &OPEN, &OPENED, &MOVE, &LOG, &LOGGED, &ENTRY, &LABEL, &LABELLED, &RELABEL, &ACCOUNTS, &LOGS,
    &ENTRIES, &LABELS,
];

pub(crate) static NEW_ACCOUNT: Guard = Guard {
    insert: &OPEN,
    winner: &OPENED,
    key: &[0],
};
pub(crate) static CHANGE: Guard = Guard {
    insert: &LOG,
    winner: &LOGGED,
    key: &[0, 1],
};
pub(crate) static NEW_LABEL: Guard = Guard {
    insert: &LABEL,
    winner: &LABELLED,
    key: &[0],
};

/// What every account owes in these tests.
pub(crate) const KIND: i16 = 7;

/// A database with the schema.
pub(crate) struct World {
    pub(crate) test: TestDb,
    pub(crate) db: Db,
    pub(crate) clock: Arc<ManualClock>,
}

/// Opens one on `engine`.
pub(crate) async fn world(engine: Engine) -> World {
    let (test, clock) = (TestDb::create(engine).await, testkit::clock());
    let db = test.open(MIGRATIONS, clock.clone()).await;
    World { test, db, clock }
}

/// The tests' noon, and seconds after it.
pub(crate) fn at(seconds: i64) -> Timestamp {
    let noon: Timestamp = "2026-11-20T04:00:00Z".parse().unwrap();
    noon + std::time::Duration::from_secs(seconds.unsigned_abs() % 1_000_000)
}

/// Opens an account at version 1 with nothing on it, and owes it.
pub(crate) fn open(account: i64) -> Write {
    let row = row![account, 1, 0, None::<String>, None::<Vec<u8>>];
    Write::new("account/open", &NEW_ACCOUNT, row).arm(KIND, (account, 0), at(account))
}

/// Moves an account to `version`, with an entry beside it.
pub(crate) fn change(account: i64, version: i64, delta: i64) -> Write {
    Write::new("account/change", &CHANGE, row![account, version, delta])
        .update(
            &MOVE,
            row![account, version, delta, "moved", vec![0_u8, 255]],
        )
        .insert(&ENTRY, row![account, version, 1])
}

/// The accounts: number → (version, balance).
pub(crate) async fn accounts(db: &Db) -> BTreeMap<i64, (i64, i64)> {
    let rows = db.fetch_all(&ACCOUNTS, row![]).await.unwrap();
    rows.iter()
        .map(|row| {
            (
                int(row, "account"),
                (int(row, "version"), int(row, "balance")),
            )
        })
        .collect()
}

/// The log: (account, version) → delta.
pub(crate) async fn log(db: &Db) -> BTreeMap<(i64, i64), i64> {
    let rows = db.fetch_all(&LOGS, row![]).await.unwrap();
    rows.iter()
        .map(|row| {
            (
                (int(row, "account"), int(row, "version")),
                int(row, "delta"),
            )
        })
        .collect()
}

/// The entries: (account, version).
pub(crate) async fn entries(db: &Db) -> Vec<(i64, i64)> {
    let rows = db.fetch_all(&ENTRIES, row![]).await.unwrap();
    rows.iter()
        .map(|row| (int(row, "account"), int(row, "version")))
        .collect()
}

pub(crate) fn int(row: &Row, column: &'static str) -> i64 {
    row.int(column).unwrap()
}

/// Submits in the first lane, with the outcome told as `submit` tells it.
pub(crate) async fn submit_first(db: &Db, write: Write) -> Result<(), CommitError> {
    let name = write.name();
    match db.wins_first(write).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(CommitError::Conflict { write: name }),
        Err(StoreError::Commit(error)) => Err(error),
        Err(error) => panic!("{error}"),
    }
}
