//! What this crate's tests share: a database with one table of notes to guard writes with.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use seam::{Clock as _, Ids as _, ManualClock, SystemIds};
use store::feed::Event;
use store::{Db, Engine, Guard, Query, Write, row};
use testkit::TestDb;
use tokio::time::{Instant, sleep};

const INSERT: &str = "INSERT INTO notes (id, write_id) VALUES /*[,*/(?, ?)/*]*/";
const WINNER: &str = "SELECT write_id FROM notes WHERE /*[OR*/(id = ?)/*]*/";
static NOTES_INSERT: Query = Query::new("notes/insert", INSERT, INSERT);
static NOTES_WINNER: Query = Query::new("notes/winner", WINNER, WINNER);
static NOTE: Guard = Guard {
    insert: &NOTES_INSERT,
    winner: &NOTES_WINNER,
    key: &[0],
};

/// A database for one test and the clock it goes by.
pub(crate) struct World {
    pub(crate) test_db: TestDb,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) db: Db,
}

impl World {
    pub(crate) async fn new(engine: Engine) -> Self {
        let (test_db, clock) = (TestDb::create(engine).await, testkit::clock());
        let db = test_db.open(&[], clock.clone()).await;
        test_db
            .run("CREATE TABLE notes (id BIGINT PRIMARY KEY, write_id BIGINT NOT NULL)")
            .await;
        Self { test_db, clock, db }
    }

    /// Another process's handle where the engine allows one.
    pub(crate) async fn other(&self) -> Db {
        match self.test_db.engine() {
            Engine::Sqlite => self.db.clone(),
            Engine::MySql => self.test_db.open(&[], self.clock.clone()).await,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Owes something from now on.
    pub(crate) async fn arm(&self, kind: i16, subject: i64) {
        self.db
            .submit(note().arm(kind, (subject, 0), self.now()))
            .await
            .unwrap();
    }
}

/// A write that always wins.
pub(crate) fn note() -> Write {
    Write::new("notes/add", &NOTE, row![SystemIds.positive()])
}

/// Publishes version `version` of `key`; the payload says so.
pub(crate) async fn publish(db: &Db, key: i64, version: i64) {
    let event = Event {
        aggregate: "note",
        key,
        key_text: key.to_string(),
        part: 0,
        version,
        kind: "test.Note",
        payload: version.to_be_bytes().to_vec(),
        traceparent: String::new(),
        at: db.clock().now(),
    };
    db.submit(note().publish(event)).await.unwrap();
}

/// Waits until `holds`; fails after a while.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < give_up, "in vain: {what}");
        sleep(Duration::from_millis(2)).await;
    }
}
