//! Claims by token, and leases.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use seam::SystemIds;
use sqlx::{AnyConnection, Connection, Executor};
use store::lease::Lease;
use store::obligation::{self, Backlog};
use store::{Db, DbSettings, Engine, Query, row};
use testkit::{ENGINES, TestDb};

use crate::schema::{KIND, MIGRATIONS, World, at, change, int, open, world};

pub(crate) const LEASE: Duration = Duration::from_secs(30);

pub(crate) async fn accounts_owing(db: &Db, count: i64) {
    for outcome in join_all((0..count).map(|account| db.submit(open(account)))).await {
        outcome.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_obligation_is_claimed_twice_by_eight_workers() {
    for engine in ENGINES {
        let World {
            db,
            clock,
            test: _test,
        } = world(engine).await;
        accounts_owing(&db, 2_000).await;
        clock.set(at(5_000));
        let workers = (0..8).map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                loop {
                    let claimed = obligation::claim(&db, KIND, 20, LEASE).await.unwrap();
                    if claimed.is_empty() {
                        return mine;
                    }
                    // Some are done at once, as a worker does it: by a write that ends them.
                    let done = claimed.iter().filter(|claimed| claimed.subject % 2 == 0);
                    let ends = done.map(|claimed| {
                        db.submit(change(claimed.subject, 2, 1).end(KIND, (claimed.subject, 0)))
                    });
                    for outcome in join_all(ends).await {
                        outcome.unwrap();
                    }
                    mine.extend(claimed.into_iter().map(|claimed| claimed.subject));
                }
            })
        });
        let claimed: Vec<i64> = join_all(workers)
            .await
            .into_iter()
            .flat_map(Result::unwrap)
            .collect();
        let distinct: BTreeSet<i64> = claimed.iter().copied().collect();
        assert_eq!(
            (claimed.len(), distinct.len()),
            (2_000, 2_000),
            "on {engine:?}"
        );
    }
}

#[tokio::test]
async fn what_has_been_due_longest_is_claimed_first() {
    for engine in ENGINES {
        let World {
            db,
            clock,
            test: _test,
        } = world(engine).await;
        accounts_owing(&db, 10).await;
        clock.set(at(7));
        let backlog = obligation::backlog(&db, KIND).await.unwrap();
        assert_eq!(
            backlog,
            Backlog {
                waiting: 8,
                oldest: Some(at(0))
            }
        );
        let mut turns = Vec::new();
        for _ in 0..4 {
            let claimed = obligation::claim(&db, KIND, 3, LEASE).await.unwrap();
            turns.push(
                claimed
                    .iter()
                    .map(|claimed| claimed.subject)
                    .collect::<BTreeSet<_>>(),
            );
        }
        let wanted = [[0, 1, 2].into(), [3, 4, 5].into(), [6, 7].into(), [].into()];
        assert_eq!(turns, wanted, "on {engine:?}");
        assert_eq!(
            obligation::claim(&db, KIND + 1, 3, LEASE).await.unwrap(),
            []
        );
    }
}

#[tokio::test]
async fn a_stale_token_changes_nothing() {
    for engine in ENGINES {
        let World {
            db,
            clock,
            test: _test,
        } = world(engine).await;
        accounts_owing(&db, 1).await;
        let first = obligation::claim(&db, KIND, 1, LEASE)
            .await
            .unwrap()
            .remove(0);
        assert_eq!(obligation::claim(&db, KIND, 1, LEASE).await.unwrap(), []);
        clock.advance(LEASE);
        let second = obligation::claim(&db, KIND, 1, LEASE)
            .await
            .unwrap()
            .remove(0);
        assert_eq!((first.attempts, second.attempts), (1, 2));
        assert!(!obligation::postpone(&db, &first, at(90)).await.unwrap());
        assert!(!obligation::drop(&db, &first).await.unwrap());
        assert!(obligation::postpone(&db, &second, at(90)).await.unwrap());
        // Postponed is given back: the same token has nothing to say any more.
        assert!(!obligation::drop(&db, &second).await.unwrap());
        assert_eq!(obligation::of(&db, 0).await.unwrap()[0].due_at, at(90));
        clock.set(at(90));
        let third = obligation::claim(&db, KIND, 1, LEASE)
            .await
            .unwrap()
            .remove(0);
        // What is armed anew while somebody works on it is not theirs to drop.
        db.submit(change(0, 2, 1).arm(KIND, (0, 0), at(91)))
            .await
            .unwrap();
        assert!(!obligation::drop(&db, &third).await.unwrap());
        clock.set(at(91));
        let fourth = obligation::claim(&db, KIND, 1, LEASE)
            .await
            .unwrap()
            .remove(0);
        assert_eq!(fourth.attempts, 1);
        assert!(obligation::drop(&db, &fourth).await.unwrap());
        assert_eq!(obligation::of(&db, 0).await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_claim_waits_for_rows_that_others_hold_and_does_not_fail_for_them() {
    let World { db, test, .. } = world(Engine::MySql).await;
    accounts_owing(&db, 1).await;
    let mut other = AnyConnection::connect(test.url()).await.unwrap();
    other.execute("BEGIN").await.unwrap();
    other
        .execute("SELECT * FROM obligations FOR UPDATE")
        .await
        .unwrap();
    let (claimed, ()) = tokio::join!(obligation::claim(&db, KIND, 1, LEASE), async {
        // Longer than the lock wait.
        tokio::time::sleep(Duration::from_millis(1_300)).await;
        other.execute("ROLLBACK").await.unwrap();
    });
    assert_eq!(claimed.unwrap().len(), 1);
}

#[tokio::test]
async fn a_claim_examines_no_more_than_it_takes_from_a_long_backlog() {
    let test = TestDb::create(Engine::MySql).await;
    let clock = testkit::clock();
    test.open(MIGRATIONS, clock.clone()).await.close().await;
    let now = clock_micros(at(0));
    test.run(&format!(
        "INSERT INTO obligations SELECT 1 + seq % 3, seq, 0, {now} - seq, 0, 0 FROM seq_1_to_100000"
    ))
    .await;
    test.run("ANALYZE TABLE obligations").await;
    // One connection, so that its counters are this test's.
    let settings = DbSettings {
        read_connections: 1,
        ..test.settings()
    };
    let db = Db::open(&settings, MIGRATIONS, clock.clone(), Arc::new(SystemIds))
        .await
        .unwrap();
    for _ in 0..3 {
        // Claims of one instant share their `due_at`, and each reads past the others' rows.
        clock.advance(Duration::from_micros(1));
        let before = rows_read(&db).await;
        let claimed = obligation::claim(&db, 1, 50, LEASE).await.unwrap();
        let examined = rows_read(&db).await - before;
        assert_eq!(claimed.len(), 50);
        // Twice by the claim (found, then changed), once by the SELECT of what it took.
        assert!(
            examined <= 2 * 50 + 50 + 4,
            "{examined} rows examined for 50"
        );
    }
    explained(&db, now).await;
}

fn clock_micros(time: jiff::Timestamp) -> i64 {
    time.as_microsecond()
}

async fn rows_read(db: &Db) -> i64 {
    static READ: Query = Query::new(
        "status/rows_read",
        "",
        "SELECT CAST(SUM(VARIABLE_VALUE) AS SIGNED) AS rows_read
        FROM information_schema.SESSION_STATUS
        WHERE VARIABLE_NAME IN ('HANDLER_READ_FIRST', 'HANDLER_READ_KEY', 'HANDLER_READ_LAST',
            'HANDLER_READ_NEXT', 'HANDLER_READ_PREV', 'HANDLER_READ_RND')",
    );
    int(
        &db.fetch_optional(&READ, row![]).await.unwrap().unwrap(),
        "rows_read",
    )
}

async fn explained(db: &Db, now: i64) {
    static EXPLAIN: Query = Query::new(
        "explain/claim",
        "",
        "EXPLAIN UPDATE obligations SET token = ?, due_at = ?, attempts = attempts + 1
        WHERE kind = ? AND due_at <= ? ORDER BY due_at, subject, part LIMIT ?",
    );
    let plan = db
        .fetch_all(&EXPLAIN, row![1, now + 1, 1, now, 50])
        .await
        .unwrap();
    assert_eq!(plan.len(), 1);
    let extra = plan[0].text("Extra").unwrap();
    assert_eq!(plan[0].text("key").unwrap(), "obligations_due");
    assert!(!extra.contains("filesort"), "{extra}");
}

#[tokio::test]
async fn a_lease_has_one_holder_a_slot() {
    for engine in ENGINES {
        let World {
            db,
            clock,
            test: _test,
        } = world(engine).await;
        let take = || Lease::take(&db, "node", 2, LEASE);
        let (first, second) = (
            take().await.unwrap().unwrap(),
            take().await.unwrap().unwrap(),
        );
        assert_eq!(
            (first.slot(), second.slot(), take().await.unwrap()),
            (0, 1, None)
        );
        clock.advance(LEASE);
        assert!(second.renew(&db, LEASE).await.unwrap());
        clock.advance(Duration::from_secs(1));
        let third = take().await.unwrap().unwrap();
        assert_eq!((third.slot(), take().await.unwrap()), (0, None));
        assert!(!first.renew(&db, LEASE).await.unwrap());
        first.release(&db).await.unwrap();
        assert_eq!(take().await.unwrap(), None);
        second.release(&db).await.unwrap();
        assert_eq!(take().await.unwrap().unwrap().slot(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_want_a_slot_at_once_one_gets_it() {
    for engine in ENGINES {
        let World {
            db, test: _test, ..
        } = world(engine).await;
        let wanting = (0..16).map(|_| {
            let db = db.clone();
            tokio::spawn(async move { Lease::take(&db, "sequencer", 1, LEASE).await.unwrap() })
        });
        let got = join_all(wanting)
            .await
            .into_iter()
            .filter_map(Result::unwrap)
            .count();
        assert_eq!(got, 1);
    }
}
