//! The outcomes of a write and its effects, one at a time.

use std::time::Duration;

use store::{CommitError, Db, DbSettings, Query, Refusal, Wake, Write, obligation, query, row};
use testkit::{ENGINES, TestDb};
use tokio::time::sleep;

use crate::schema::{
    self, CHANGE, ENTRY, KIND, MIGRATIONS, MOVE, World, accounts, at, change, entries, log, open,
    submit_first, world,
};

#[tokio::test]
async fn every_query_prepares_for_one_row_and_for_many_on_both_engines() {
    for engine in ENGINES {
        let World {
            db, test: _test, ..
        } = world(engine).await;
        for query in query::ALL.iter().chain(schema::ALL) {
            db.prepare(query)
                .await
                .unwrap_or_else(|e| panic!("{} on {engine:?}: {e}", query.name()));
        }
    }
}

#[tokio::test]
async fn a_write_is_done_with_all_its_effects() {
    for engine in ENGINES {
        let World {
            db, test: _test, ..
        } = world(engine).await;
        db.submit(open(1)).await.unwrap();
        db.submit(change(1, 2, 30)).await.unwrap();
        assert_eq!(accounts(&db).await, [(1, (2, 30))].into());
        assert_eq!(log(&db).await, [((1, 2), 30)].into());
        assert_eq!(entries(&db).await, [(1, 2)]);
        let owed = obligation::of(&db, 1).await.unwrap();
        assert_eq!((owed.len(), owed[0].due_at, owed[0].kind), (1, at(1), KIND));
    }
}

#[tokio::test]
async fn an_obligation_is_armed_once_armed_again_and_ended() {
    for engine in ENGINES {
        let World {
            db,
            clock,
            test: _test,
        } = world(engine).await;
        db.submit(open(1)).await.unwrap();
        clock.set(at(10));
        let claimed = obligation::claim(&db, KIND, 10, Duration::from_secs(30)).await;
        assert_eq!(claimed.unwrap()[0].attempts, 1);
        db.submit(change(1, 2, 1).arm(KIND, (1, 0), at(500)))
            .await
            .unwrap();
        let owed = obligation::of(&db, 1).await.unwrap();
        assert_eq!(
            (owed.len(), owed[0].due_at, owed[0].attempts),
            (1, at(500), 0)
        );
        db.submit(change(1, 3, 1).end(KIND, (1, 0))).await.unwrap();
        assert_eq!(obligation::of(&db, 1).await.unwrap(), []);
        // What is not owed can be ended.
        db.submit(change(1, 4, 1).end(KIND, (1, 0))).await.unwrap();
    }
}

#[tokio::test]
async fn the_second_write_at_a_key_is_a_conflict_and_changes_nothing() {
    for engine in ENGINES {
        let World {
            db, test: _test, ..
        } = world(engine).await;
        db.submit(open(1)).await.unwrap();
        assert!(is_conflict(&db.submit(open(1)).await));
        db.submit(change(1, 2, 5)).await.unwrap();
        let late = change(1, 2, 70).end(KIND, (1, 0));
        assert!(is_conflict(&db.submit(late).await));
        assert_eq!(accounts(&db).await, [(1, (2, 5))].into());
        assert_eq!(obligation::of(&db, 1).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_write_that_breaks_a_constraint_is_refused_whole() {
    for engine in ENGINES {
        let World {
            db, test: _test, ..
        } = world(engine).await;
        db.submit(open(1)).await.unwrap();
        let bad = change(1, 2, 5)
            .insert(&ENTRY, row![1, 2, -1])
            .end(KIND, (1, 0));
        assert!(matches!(
            refusal(db.submit(bad).await),
            Refusal::Rejected(_)
        ));
        let twice = change(1, 2, 5).insert(&ENTRY, row![1, 2, 1]);
        assert!(matches!(
            refusal(db.submit(twice).await),
            Refusal::Rejected(_)
        ));
        untouched(&db).await;
    }
}

#[tokio::test]
async fn an_update_that_finds_nothing_is_refused_whole() {
    for engine in ENGINES {
        let World {
            db, test: _test, ..
        } = world(engine).await;
        db.submit(open(1)).await.unwrap();
        // A version from the future: its log row is new, its account is not there yet.
        let refused = refusal(db.submit(change(1, 5, 5).end(KIND, (1, 0))).await);
        assert!(matches!(refused, Refusal::Rejected(why) if why.contains("accounts/move")));
        untouched(&db).await;
        db.submit(change(1, 2, 5)).await.unwrap();
    }
}

async fn untouched(db: &Db) {
    assert_eq!(accounts(db).await, [(1, (1, 0))].into());
    assert_eq!(log(db).await, [].into());
    assert_eq!(entries(db).await, []);
    assert_eq!(obligation::of(db, 1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_refused_write_does_not_hurt_its_neighbours() {
    for engine in ENGINES {
        let World {
            db, test: _test, ..
        } = world(engine).await;
        let bad = [3_i64, 31, 64];
        let all = (0..100).map(|account| {
            let item = if bad.contains(&account) { -1 } else { 1 };
            db.submit(open(account).insert(&ENTRY, row![account, 1, item]))
        });
        // One task: they gather into one batch.
        let outcomes = futures::future::join_all(all).await;
        for (account, outcome) in (0..).zip(outcomes) {
            assert_eq!(
                outcome.is_err(),
                bad.contains(&account),
                "{account}: {outcome:?}"
            );
        }
        assert_eq!(accounts(&db).await.len(), 97);
        assert_eq!(entries(&db).await.len(), 97);
    }
}

#[tokio::test]
async fn a_version_and_the_next_one_may_meet_in_a_batch() {
    for engine in ENGINES {
        let World {
            db, test: _test, ..
        } = world(engine).await;
        db.submit(open(1)).await.unwrap();
        let both = [
            db.submit(change(1, 2, 1)),
            db.submit(change(1, 3, 2).end(KIND, (1, 0))),
        ];
        let outcomes = futures::future::join_all(both).await;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        assert_eq!(accounts(&db).await, [(1, (3, 3))].into());
    }
}

#[tokio::test]
async fn an_effect_without_a_repeated_part_runs_row_by_row() {
    static PLAIN: Query = Query::new(
        "entries/plain",
        "INSERT INTO entries (account, version, item) VALUES (?, ?, ?)",
        "INSERT INTO entries (account, version, item) VALUES (?, ?, ?)",
    );
    for engine in ENGINES {
        let World {
            db, test: _test, ..
        } = world(engine).await;
        let write = (0..5).fold(open(1), |write, item| {
            write.insert(&PLAIN, row![1, 1, item])
        });
        db.submit(write).await.unwrap();
        assert_eq!(entries(&db).await.len(), 5);
    }
}

#[tokio::test]
async fn queries_of_one_name_are_not_mixed_up() {
    static ONE: Query = Query::new(
        "entries/same",
        "INSERT INTO entries (account, version, item) VALUES /*[,*/(?, ?, ?)/*]*/",
        "INSERT INTO entries (account, version, item) VALUES /*[,*/(?, ?, ?)/*]*/",
    );
    static OTHER: Query = Query::new(
        "entries/same",
        "INSERT INTO entries (item, version, account) VALUES /*[,*/(?, ?, ?)/*]*/",
        "INSERT INTO entries (item, version, account) VALUES /*[,*/(?, ?, ?)/*]*/",
    );
    for engine in ENGINES {
        let World {
            db, test: _test, ..
        } = world(engine).await;
        let write = open(1)
            .insert(&ONE, row![1, 2, 3])
            .insert(&OTHER, row![6, 5, 4]);
        db.submit(write).await.unwrap();
        assert_eq!(entries(&db).await, [(1, 2), (4, 5)]);
    }
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_a_closed_one_too() {
    for engine in ENGINES {
        let test = TestDb::create(engine).await;
        drop(test.open(MIGRATIONS, testkit::clock()).await);
        let settings = DbSettings {
            queue: 4,
            ..test.settings()
        };
        let ids = std::sync::Arc::new(seam::SystemIds);
        let db = reopen(&settings, ids).await;
        let all = futures::future::join_all((0..50).map(|account| db.submit(open(account)))).await;
        let full = all
            .into_iter()
            .filter_map(Result::err)
            .map(|e| refusal(Err(e)));
        assert_eq!(full.filter(|why| *why == Refusal::QueueFull).count(), 46);
        // What waits when it closes is written; what comes later is refused.
        let waiting = tokio::spawn({
            let db = db.clone();
            async move { db.submit(open(100)).await }
        });
        tokio::task::yield_now().await;
        db.close().await;
        waiting.await.unwrap().unwrap();
        assert_eq!(refusal(db.submit(open(101)).await), Refusal::Closing);
        let db = reopen(&settings, std::sync::Arc::new(seam::SystemIds)).await;
        assert_eq!(accounts(&db).await.len(), 5);
    }
}

// On SQLite the file is free as soon as the last handle's committer has gone.
async fn reopen(settings: &DbSettings, ids: std::sync::Arc<seam::SystemIds>) -> Db {
    for _ in 0..200 {
        match Db::open(settings, MIGRATIONS, testkit::clock(), ids.clone()).await {
            Ok(db) => return db,
            Err(store::StoreError::InUse { .. }) => sleep(Duration::from_millis(5)).await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the file stays in use")
}

#[tokio::test]
async fn the_first_lane_writes_like_the_other() {
    for engine in ENGINES {
        let World {
            db, test: _test, ..
        } = world(engine).await;
        submit_first(&db, open(1)).await.unwrap();
        assert!(is_conflict(&db.submit(open(1)).await));
        db.submit(change(1, 2, 1)).await.unwrap();
        assert!(is_conflict(&submit_first(&db, change(1, 2, 1)).await));
    }
}

#[tokio::test]
async fn the_bell_rings_for_what_a_commit_made_due() {
    for engine in ENGINES {
        let World {
            db, test: _test, ..
        } = world(engine).await;
        let mut owed = db.bell(Wake::Owed(KIND));
        let (other, published) = (db.bell(Wake::Owed(KIND + 1)), db.bell(Wake::Published));
        // What it owes is due a second after noon, and then at noon, which it is.
        db.submit(open(1)).await.unwrap();
        assert!(!owed.has_changed().unwrap(), "not due yet");
        db.submit(open(0)).await.unwrap();
        owed.changed().await.unwrap();
        assert!(!other.has_changed().unwrap() && !published.has_changed().unwrap());
    }
}

#[tokio::test]
async fn a_log_guard_names_its_write() {
    for engine in ENGINES {
        let World {
            db, test: _test, ..
        } = world(engine).await;
        db.submit(open(1)).await.unwrap();
        let bare = Write::new("bare", &CHANGE, row![1, 2, 9])
            .update(&MOVE, row![1, 2, 9, None::<String>, None::<Vec<u8>>]);
        db.submit(bare).await.unwrap();
        let error = db
            .submit(Write::new("bare", &CHANGE, row![1, 2, 9]))
            .await
            .unwrap_err();
        assert_eq!(
            (error.reason(), error.to_string().as_str()),
            ("WRITE_CONFLICT", "bare: another write came first")
        );
        assert_eq!(db.engine(), engine);
    }
}

pub(crate) fn is_conflict(outcome: &Result<(), CommitError>) -> bool {
    matches!(outcome, Err(CommitError::Conflict { .. }))
}

pub(crate) fn refusal(outcome: Result<(), CommitError>) -> Refusal {
    match outcome {
        Err(CommitError::Refused { refusal, .. }) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}
