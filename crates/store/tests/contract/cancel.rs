//! Callers that go away at every await: what was acknowledged is there, nothing is half
//! done, and whoever comes next notices nothing.

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures::future::join_all;
use seam::SystemIds;
use store::{CommitError, Db, DbSettings, Engine, Query, obligation, row};
use testkit::{ENGINES, TestDb};

use crate::schema::{
    ACCOUNTS, KIND, MIGRATIONS, World, accounts, at, change, entries, int, log, open, world,
};

/// Drops the future after `polls` polls, unless it has ended by then.
async fn cancelled_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut polled = 0;
    poll_fn(|context| {
        if polled == polls {
            return Poll::Ready(None);
        }
        polled += 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if polled == polls => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

// What a request does: create, read, decide, change.
async fn request(db: &Db, account: i64) -> Result<(), CommitError> {
    db.submit(open(account)).await?;
    let version = accounts(db).await[&account].0;
    db.submit(change(account, version + 1, 1).arm(KIND, (account, 0), at(1)))
        .await?;
    assert_eq!(accounts(db).await[&account].0, version + 1);
    Ok(())
}

#[tokio::test]
async fn a_request_cancelled_at_every_poll_leaves_nothing_half_done() {
    for engine in ENGINES {
        let World {
            db, test: _test, ..
        } = world(engine).await;
        let mut acknowledged = 0;
        let mut polls = 0;
        // Ten times through: polls meet the connections in other states each time.
        while acknowledged < 10 {
            let account = i64::try_from(polls).unwrap();
            let answered = cancelled_after(polls % 40, request(&db, account)).await;
            // The next writes are not affected, and by then this one is decided.
            db.submit(open(1_000_000 + account)).await.unwrap();
            let found = accounts(&db).await.get(&account).copied();
            if let Some(outcome) = answered {
                outcome.unwrap();
                assert_eq!(found, Some((2, 1)), "acknowledged and not there");
                acknowledged += 1;
            }
            whole(&db, account, found).await;
            polls += 1;
        }
        assert!(polls > 10, "nothing was cancelled");
    }
}

async fn whole(db: &Db, account: i64, found: Option<(i64, i64)>) {
    let changed = found.is_some_and(|(version, _)| version == 2);
    assert_eq!(log(db).await.contains_key(&(account, 2)), changed);
    assert_eq!(entries(db).await.contains(&(account, 2)), changed);
    assert_eq!(
        obligation::of(db, account).await.unwrap().len(),
        usize::from(found.is_some())
    );
}

#[tokio::test]
async fn a_submission_polled_once_is_made() {
    for engine in ENGINES {
        let World {
            db, test: _test, ..
        } = world(engine).await;
        drop(db.submit(open(1)));
        assert!(cancelled_after(1, db.submit(open(2))).await.is_none());
        db.submit(open(3)).await.unwrap();
        assert_eq!(accounts(&db).await.into_keys().collect::<Vec<_>>(), [2, 3]);
    }
}

#[tokio::test]
async fn reads_cancelled_at_every_poll_leave_the_pool_clean() {
    for engine in ENGINES {
        let (_test, db) = small_pool(engine).await;
        join_all((0..500).map(|account| db.submit(open(account)))).await;
        let mut ended = 0;
        for polls in 0.. {
            let read = cancelled_after(polls % 30, db.fetch_all(&ACCOUNTS, row![])).await;
            if let Some(rows) = read {
                assert_eq!(rows.unwrap().len(), 500);
                ended += 1;
            }
            clean(&db).await;
            if ended == 20 {
                break;
            }
        }
    }
}

async fn small_pool(engine: Engine) -> (TestDb, Db) {
    let test = TestDb::create(engine).await;
    test.open(MIGRATIONS, testkit::clock()).await.close().await;
    let settings = DbSettings {
        read_connections: 2,
        ..test.settings()
    };
    let db = Db::open(
        &settings,
        MIGRATIONS,
        testkit::clock(),
        std::sync::Arc::new(SystemIds),
    );
    let db = db.await.unwrap();
    (test, db)
}

async fn clean(db: &Db) {
    static BUSY: Query = Query::new(
        "busy",
        "SELECT 0 AS busy, COUNT(*) AS accounts FROM accounts",
        "SELECT @@in_transaction AS busy, COUNT(*) AS accounts FROM accounts",
    );
    for row in join_all((0..4).map(|_| db.fetch_optional(&BUSY, row![]))).await {
        let row = row.unwrap().unwrap();
        assert_eq!((int(&row, "busy"), int(&row, "accounts")), (0, 500));
    }
}

#[tokio::test]
async fn a_claim_cancelled_at_every_poll_takes_all_or_nothing() {
    for engine in ENGINES {
        let World {
            db,
            clock,
            test: _test,
        } = world(engine).await;
        join_all((0..5).map(|account| db.submit(open(account)))).await;
        let mut seen = BTreeSet::new();
        let mut answered = 0;
        for polls in 0..80 {
            clock.advance(Duration::from_secs(100));
            let claim = obligation::claim(&db, KIND, 10, Duration::from_secs(10));
            if let Some(claimed) = cancelled_after(polls % 20, claim).await {
                assert_eq!(claimed.unwrap().len(), 5);
                answered += 1;
            }
            // Behind a cancelled one, on the same connections.
            clock.advance(Duration::from_secs(100));
            let claimed = obligation::claim(&db, KIND, 10, Duration::from_secs(10))
                .await
                .unwrap();
            let attempts: BTreeSet<u32> = claimed.iter().map(|claimed| claimed.attempts).collect();
            assert_eq!(
                (claimed.len(), attempts.len()),
                (5, 1),
                "some were claimed and some not"
            );
            seen.extend(attempts);
        }
        assert!(answered > 0 && seen.len() == 80);
    }
}
