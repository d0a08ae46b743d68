use std::time::Duration;

use futures::future::join_all;
use mesh::Lifecycle;
use testkit::ENGINES;

use super::whole_feed;
use crate::feed::sequencer::{Sequencer, SequencerSettings};
use crate::harness::{World, publish, until};

fn small() -> SequencerSettings {
    SequencerSettings {
        batch: 7,
        ..SequencerSettings::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sequencers_at_once_make_one_gapless_feed_in_the_order_of_each_key() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        let other = world.other().await;
        let lifecycle = Lifecycle::new();
        // A drain asks for no seat, so these two do meet.
        let race = |db: &store::Db| {
            let sequencer = Sequencer::new(db.clone(), small(), &lifecycle);
            tokio::spawn(async move {
                let mut total = 0;
                while !sequencer.is_stopped() {
                    total += sequencer.drain().await.unwrap();
                }
                total + sequencer.drain().await.unwrap()
            })
        };
        let racing = [race(&world.db), race(&other)];
        let writers = (1..=10).map(|key| {
            let db = if key % 2 == 0 {
                world.db.clone()
            } else {
                other.clone()
            };
            async move {
                for version in 1..=20 {
                    publish(&db, key, version).await;
                }
            }
        });
        join_all(writers).await;
        lifecycle.stop();
        let mut sequenced = 0;
        for sequencer in racing {
            sequenced += sequencer.await.unwrap();
        }
        sequenced += Sequencer::new(world.db.clone(), small(), &Lifecycle::new())
            .drain()
            .await
            .unwrap();
        assert_eq!(sequenced, 200, "each event was placed once");

        let feed = whole_feed(&world.db).await;
        let places: Vec<_> = feed.iter().map(|event| event.0).collect();
        assert_eq!(places, (1..=200).collect::<Vec<i64>>());
        for key in 1..=10 {
            let versions = feed
                .iter()
                .filter(|event| event.1 == key)
                .map(|event| event.2);
            assert_eq!(versions.collect::<Vec<_>>(), (1..=20).collect::<Vec<i64>>());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_seat_is_given_up_or_lost_another_goes_on() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        let (first, second) = (Lifecycle::new(), Lifecycle::new());
        let placed = |count: i64| {
            let db = world.db.clone();
            async move {
                for _ in 0..4000 {
                    if store::feed::last(&db).await.unwrap() == count {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                panic!("event {count} got no place");
            }
        };
        Sequencer::new(world.db.clone(), small(), &first).start();
        publish(&world.db, 1, 1).await;
        placed(1).await;
        Sequencer::new(world.other().await, small(), &second).start();
        first.stop();
        assert_eq!(first.drained(Duration::from_secs(5)).await, Ok(()));
        publish(&world.db, 1, 2).await;
        placed(2).await;

        // Its term over and its seat taken, the second must stand back, and come back after.
        world
            .test_db
            .run("UPDATE leases SET token = 1 WHERE name = 'sequencer'")
            .await;
        world.clock.advance(Duration::from_secs(3));
        publish(&world.db, 1, 3).await;
        world.clock.advance(Duration::from_mins(1));
        publish(&world.db, 1, 4).await;
        placed(4).await;
        second.stop();
        until("it is stopped", || second.token().is_cancelled()).await;
    }
}
