//! Commits whose fate is not known: the same write again is Done once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use seam::SystemIds;
use sqlx::{AnyConnection, Connection, Executor};
use store::{CommitError, Db, DbSettings, Engine, Refusal, Write, obligation};
use testkit::proxy::{COMMIT, Cut};
use testkit::{MariaDb, Proxy, TestDb};

use crate::schema::{KIND, MIGRATIONS, accounts, at, change, entries, log, open};
use crate::smoke::refusal;

const SHORT: Duration = Duration::from_millis(400);
const LONG: Duration = Duration::from_mins(1);

/// A database with account 1, behind a proxy that watches for `needle`.
struct Behind {
    test: TestDb,
    proxy: Proxy,
    db: Db,
}

impl Behind {
    async fn start(test: TestDb, needle: &str, patience: Duration) -> Self {
        let direct = test.open(MIGRATIONS, testkit::clock()).await;
        direct.submit(open(1)).await.unwrap();
        direct.close().await;
        let proxy = Proxy::start(test.server(), needle).await;
        let settings = DbSettings {
            patience,
            queue: 1_000,
            ..test.through(&proxy)
        };
        let opened = Db::open(&settings, MIGRATIONS, testkit::clock(), Arc::new(SystemIds));
        let db = opened.await.unwrap();
        Self { test, proxy, db }
    }

    async fn commits(patience: Duration) -> Self {
        Self::start(TestDb::create(Engine::MySql).await, COMMIT, patience).await
    }

    /// Submits `paid` and loses the answer to its COMMIT.
    async fn lose_the_answer(&self, meanwhile: impl FnOnce()) -> Result<(), CommitError> {
        self.proxy.hold();
        let submitted = tokio::spawn({
            let db = self.db.clone();
            async move { db.submit(paid()).await }
        });
        self.proxy.held().await;
        meanwhile();
        self.proxy.release();
        submitted.await.unwrap()
    }

    async fn paid_once(&self) {
        assert_eq!(accounts(&self.db).await[&1], (2, 30));
        assert_eq!(log(&self.db).await, [((1, 2), 30)].into());
        assert_eq!(entries(&self.db).await, [(1, 2)]);
        let owed = obligation::of(&self.db, 1).await.unwrap();
        assert_eq!(
            owed.iter().map(|owed| owed.due_at).collect::<Vec<_>>(),
            [at(900)]
        );
    }

    async fn not_paid(&self) {
        assert_eq!(accounts(&self.db).await[&1], (1, 0));
        assert_eq!(log(&self.db).await, [].into());
        assert_eq!(entries(&self.db).await, []);
    }
}

// Done twice it would be refused (its entry is there) or owe something else.
fn paid() -> Write {
    change(1, 2, 30).arm(KIND, (1, 0), at(900))
}

fn unknown(outcome: Result<(), CommitError>) -> Write {
    match outcome {
        Err(CommitError::Unknown(write)) => *write,
        other => panic!("not unknown: {other:?}"),
    }
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_done_once() {
    for lost in [1, 3] {
        let behind = Behind::commits(LONG).await;
        let before = behind.proxy.passed();
        behind.proxy.cut(Cut::After, lost);
        behind.db.submit(paid()).await.unwrap();
        assert_eq!(
            (behind.proxy.left(), behind.proxy.passed()),
            (0, before + lost + 1)
        );
        behind.paid_once().await;
    }
}

#[tokio::test]
async fn a_commit_that_never_arrives_is_made_again_and_done_once() {
    let behind = Behind::commits(LONG).await;
    let before = behind.proxy.passed();
    behind.proxy.cut(Cut::Before, 2);
    behind.db.submit(paid()).await.unwrap();
    assert_eq!(
        (behind.proxy.left(), behind.proxy.passed()),
        (0, before + 3)
    );
    behind.paid_once().await;
}

#[tokio::test]
async fn a_lost_commit_in_a_batch_leaves_its_conflicts_conflicts() {
    let behind = Behind::commits(LONG).await;
    behind.proxy.cut(Cut::After, 1);
    let db = &behind.db;
    let (first, others) = tokio::join!(
        db.submit(paid()),
        join_all([db.submit(paid()), db.submit(open(1)), db.submit(open(2))])
    );
    first.unwrap();
    let reasons: Vec<_> = others
        .iter()
        .map(|outcome| outcome.as_ref().err().map(CommitError::reason))
        .collect();
    assert_eq!(
        reasons,
        [Some("WRITE_CONFLICT"), Some("WRITE_CONFLICT"), None]
    );
    behind.paid_once().await;
}

#[tokio::test]
async fn a_connection_lost_before_commit_means_nothing_and_is_made_good() {
    let test = TestDb::create(Engine::MySql).await;
    let behind = Behind::start(test, "account_log/winner", LONG).await;
    behind.proxy.cut(Cut::Before, 1);
    behind.db.submit(paid()).await.unwrap();
    assert_eq!((behind.proxy.left(), behind.proxy.passed()), (0, 2));
    behind.paid_once().await;
}

#[tokio::test]
async fn a_server_away_for_longer_than_patience_makes_it_unknown_until_it_is_submitted_again() {
    let behind = Behind::commits(SHORT).await;
    let write = unknown(behind.lose_the_answer(|| behind.proxy.down(true)).await);
    assert_eq!(write.name(), "account/change");
    let still_away = behind.db.submit(change(1, 3, 1)).await;
    assert!(matches!(refusal(still_away), Refusal::Unavailable(_)));
    behind.proxy.down(false);
    behind.db.submit(write).await.unwrap();
    behind.paid_once().await;
    behind.db.submit(change(1, 3, 1)).await.unwrap();
}

#[tokio::test]
async fn a_commit_that_is_not_answered_is_unknown_in_bounded_time() {
    let behind = Behind::commits(SHORT).await;
    behind.proxy.hold();
    let begun = Instant::now();
    let write = unknown(behind.db.submit(paid()).await);
    assert!(begun.elapsed() < SHORT * 10, "{:?}", begun.elapsed());
    behind.db.submit(write).await.unwrap();
    behind.paid_once().await;
}

#[tokio::test]
async fn a_server_that_accepts_and_never_answers_refuses_in_bounded_time() {
    let behind = Behind::commits(SHORT).await;
    behind.proxy.silent(true);
    let begun = Instant::now();
    let first = tokio::spawn({
        let db = behind.db.clone();
        async move { db.submit(paid()).await }
    });
    // A second's worth of requests, more than the queue holds.
    let mut waves = Vec::new();
    for wave in 0..5 {
        let db = behind.db.clone();
        waves.push(tokio::spawn(async move {
            join_all((0..400).map(|n| db.submit(open(100 + wave * 400 + n)))).await
        }));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(matches!(
        refusal(first.await.unwrap()),
        Refusal::Unavailable(_)
    ));
    let outcomes: Vec<_> = join_all(waves)
        .await
        .into_iter()
        .flat_map(Result::unwrap)
        .collect();
    // Each wave waits its patience, not that of every batch before it.
    assert!(begun.elapsed() < SHORT * 7, "{:?}", begun.elapsed());
    let refused: Vec<_> = outcomes.into_iter().map(refusal).collect();
    assert!(refused.contains(&Refusal::QueueFull));
    assert!(
        refused
            .iter()
            .any(|why| matches!(why, Refusal::Unavailable(_)))
    );
    behind.proxy.silent(false);
    behind.db.submit(open(99)).await.unwrap();
    behind.not_paid().await;
    assert_eq!(
        accounts(&behind.db).await.into_keys().collect::<Vec<_>>(),
        [1, 99]
    );
}

#[tokio::test]
async fn a_row_that_others_hold_delays_only_the_writes_that_want_it() {
    let test = TestDb::create(Engine::MySql).await;
    let behind = Behind::start(test, COMMIT, Duration::from_secs(2)).await;
    join_all((2..16).map(|account| behind.db.submit(open(account)))).await;
    let mut other = AnyConnection::connect(behind.test.url()).await.unwrap();
    other.execute("BEGIN").await.unwrap();
    other
        .execute("SELECT * FROM accounts WHERE account = 7 FOR UPDATE")
        .await
        .unwrap();
    let changes = (1..16).map(|account| behind.db.submit(change(account, 2, 1)));
    let outcomes = join_all(changes).await;
    for (account, outcome) in (1..).zip(outcomes) {
        match outcome {
            Ok(()) => assert_ne!(account, 7),
            refused => {
                assert_eq!(account, 7);
                assert!(matches!(refusal(refused), Refusal::Unavailable(_)));
            }
        }
    }
    other.execute("ROLLBACK").await.unwrap();
    behind.db.submit(change(7, 2, 1)).await.unwrap();
}

#[tokio::test]
async fn a_write_is_done_once_when_the_server_is_killed_between_commit_and_its_answer() {
    let mut server = MariaDb::start().await;
    let behind = Behind::start(TestDb::on(&server.url()).await, COMMIT, SHORT).await;
    let write = unknown(behind.lose_the_answer(|| server.kill()).await);
    server.start_again().await;
    behind.db.submit(write).await.unwrap();
    behind.paid_once().await;
}

#[tokio::test]
async fn the_committer_waits_for_a_killed_server_and_finds_out_by_itself() {
    let mut server = MariaDb::start().await;
    let behind = Behind::start(TestDb::on(&server.url()).await, COMMIT, LONG).await;
    behind.proxy.hold();
    let submitted = tokio::spawn({
        let db = behind.db.clone();
        async move { db.submit(paid()).await }
    });
    behind.proxy.held().await;
    server.kill();
    behind.proxy.release();
    server.start_again().await;
    submitted.await.unwrap().unwrap();
    behind.paid_once().await;
}
