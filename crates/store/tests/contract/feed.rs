//! The sequencer, cursors, parked events.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use store::feed::{self, Cursor, Event, SHARDS};
use store::{Db, obligation, parked};
use testkit::ENGINES;

use crate::claims::{LEASE, accounts_owing};
use crate::schema::{World, at, change, open, world};

fn event(aggregate: &'static str, key: i64, version: i64) -> Event {
    Event {
        aggregate,
        key,
        key_text: format!("W{key}"),
        part: 1,
        version,
        kind: "test.Happened",
        payload: vec![0, 255, 7],
        traceparent: String::new(),
        at: at(version),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_event_gets_one_place_and_those_of_a_key_keep_their_order() {
    for engine in ENGINES {
        let World {
            db, test: _test, ..
        } = world(engine).await;
        let publishing = tokio::spawn({
            let db = db.clone();
            async move {
                accounts_owing(&db, 50).await;
                for version in 2..8 {
                    let writes = (0..50).map(|key| {
                        let write = change(key, version, 1).publish(event("payment", key, version));
                        // Another aggregate of the same key may be at the same version.
                        db.submit(write.publish(event("refund", key, version)))
                    });
                    for outcome in join_all(writes).await {
                        outcome.unwrap();
                    }
                }
            }
        });
        let sequencers = (0..4).map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut given = 0;
                while feed::last(&db).await.unwrap() < 600 {
                    given += feed::sequence(&db, 37).await.unwrap();
                }
                given
            })
        });
        let sequenced = tokio::time::timeout(Duration::from_mins(1), join_all(sequencers)).await;
        let given: usize = sequenced
            .expect("all events get a place")
            .into_iter()
            .map(Result::unwrap)
            .sum();
        publishing.await.unwrap();
        assert_eq!((given, feed::sequence(&db, 37).await.unwrap()), (600, 0));
        in_order(&db).await;
    }
}

async fn in_order(db: &Db) {
    let mut places = BTreeSet::new();
    for shard in 0..SHARDS {
        let mut position = 0;
        let mut last = BTreeMap::new();
        loop {
            let events = feed::read(db, shard, position, 50).await.unwrap();
            let Some(end) = events.last() else { break };
            position = end.seq;
            for event in &events {
                assert!(places.insert(event.seq) && feed::shard_of(event.key) == shard);
                assert_eq!(event.payload, [0, 255, 7]);
                let before = last.insert((event.key, event.aggregate.clone()), event.at);
                assert!(
                    before.is_none_or(|before| before < event.at),
                    "out of order"
                );
            }
        }
    }
    assert_eq!(places, (1..=600).collect());
}

#[tokio::test]
async fn a_shard_has_one_puller_and_a_cursor_never_goes_back() {
    for engine in ENGINES {
        let World {
            db,
            clock,
            test: _test,
        } = world(engine).await;
        let who = ("settle", 2);
        let held = feed::hold(&db, who, 0, LEASE).await.unwrap().unwrap();
        assert_eq!(held.position, 0);
        assert_eq!(feed::hold(&db, who, 0, LEASE).await.unwrap(), None);
        assert_eq!(feed::hold(&db, who, 12_345, LEASE).await.unwrap(), None);
        assert_eq!(
            feed::hold(&db, who, held.token, LEASE).await.unwrap(),
            Some(held)
        );
        assert!(
            feed::acknowledge(
                &db,
                who,
                Cursor {
                    position: 9,
                    ..held
                }
            )
            .await
            .unwrap()
        );
        assert!(
            feed::acknowledge(
                &db,
                who,
                Cursor {
                    position: 5,
                    ..held
                }
            )
            .await
            .unwrap()
        );
        clock.advance(LEASE + Duration::from_secs(1));
        let next = feed::hold(&db, who, 0, LEASE).await.unwrap().unwrap();
        assert_eq!(next.position, 9);
        assert!(
            !feed::acknowledge(
                &db,
                who,
                Cursor {
                    position: 20,
                    ..held
                }
            )
            .await
            .unwrap()
        );
        assert_eq!(feed::hold(&db, who, held.token, LEASE).await.unwrap(), None);
        clock.advance(LEASE / 2 + Duration::from_secs(1));
        let renewed = feed::hold(&db, who, next.token, LEASE).await.unwrap();
        assert_eq!(
            renewed,
            Some(Cursor {
                position: 9,
                token: next.token
            })
        );
        clock.advance(Duration::from_secs(29));
        assert_eq!(feed::hold(&db, who, 0, LEASE).await.unwrap(), None);
    }
}

#[tokio::test]
async fn an_event_is_parked_once_with_what_it_owes() {
    for engine in ENGINES {
        let World {
            db, test: _test, ..
        } = world(engine).await;
        db.submit(open(1).publish(event("payment", 1, 1)))
            .await
            .unwrap();
        feed::sequence(&db, 10).await.unwrap();
        let event = feed::read(&db, feed::shard_of(1), 0, 10)
            .await
            .unwrap()
            .remove(0);
        let why = "why ".repeat(100);
        parked::park(&db, "gateway", &event, (&why, at(5)))
            .await
            .unwrap();
        parked::park(&db, "gateway", &event, (&why, at(9)))
            .await
            .unwrap();
        let owed = obligation::of(&db, 1).await.unwrap();
        assert!(
            owed.iter()
                .any(|owed| owed.kind == parked::KIND && owed.due_at == at(5))
        );
        let kept = parked::of(&db, 1, 10).await.unwrap();
        assert_eq!(
            (kept.len(), &kept[0].1.id, &kept[0].1.payload),
            (1, &event.id, &event.payload)
        );
        parked::end(&db, "gateway", event.seq).await.unwrap();
        assert_eq!(parked::of(&db, 1, 10).await.unwrap(), []);
    }
}
