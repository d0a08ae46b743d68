use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use mesh::{ErrorKind, Fault, Lifecycle, reason_of};
use proto::feed::v1::{AckEventsRequest, PullEventsRequest, PullEventsResponse};
use store::{Db, obligation, parked};
use testkit::ENGINES;
use tonic::Status;

use super::{PUBLISHER, Recorder, serve};
use crate::feed::puller::{Applied, Puller, PullerSettings, Source};
use crate::feed::sequencer::{Sequencer, SequencerSettings};
use crate::harness::{World, publish, until};
use crate::job::Tally;
use crate::runner::{Runner, RunnerSettings};

fn settings() -> PullerSettings {
    PullerSettings {
        retry_first: Duration::from_millis(1),
        retry_most: Duration::from_millis(2),
        tries: 4,
        ..PullerSettings::new(PUBLISHER, "trade")
    }
}

fn sequencer(db: &Db, lifecycle: &Lifecycle) -> Sequencer {
    Sequencer::new(db.clone(), SequencerSettings::default(), lifecycle)
}

// Keys 1 to `keys`, versions 1 to `versions`, all with a place.
async fn fill(world: &World, keys: i64, versions: i64) {
    for key in 1..=keys {
        for version in 1..=versions {
            publish(&world.db, key, version).await;
        }
    }
    sequencer(&world.db, &Lifecycle::new())
        .drain()
        .await
        .unwrap();
}

async fn drain(puller: &Puller) -> Tally {
    puller.drain(&|_| {}).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_seen_once_and_in_order_however_late_it_commits() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        let (lifecycle, serving) = (Lifecycle::new(), Lifecycle::new());
        let source = serve(&world.db, &serving).await;
        let recorder = Arc::new(Recorder::default());
        let of = (world.db.clone(), recorder.clone() as Arc<_>);
        Puller::new(source, settings(), of, &lifecycle).start();
        let other = world.other().await;
        sequencer(&world.db, &lifecycle).start();
        sequencer(&other, &lifecycle).start();
        let writers = (1..=20).map(|key| {
            let db = if key % 2 == 0 {
                world.db.clone()
            } else {
                other.clone()
            };
            tokio::spawn(async move {
                for version in 1..=25 {
                    publish(&db, key, version).await;
                }
            })
        });
        for written in join_all(writers).await {
            written.unwrap();
        }
        until("all are seen", || recorder.count() >= 500).await;
        lifecycle.stop();
        assert_eq!(lifecycle.drained(Duration::from_secs(10)).await, Ok(()));
        for key in 1..=20 {
            assert_eq!(recorder.seen(key), (1..=25).collect::<Vec<i64>>());
        }
        serving.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_applied_is_parked_with_what_comes_behind_it_and_others_flow() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        fill(&world, 10, 3).await;
        let recorder = Arc::new(Recorder::default());
        recorder.fail(1, 2, Applied::Poison("no such payment".to_owned()));
        recorder.fail(2, 1, Applied::Retry("rate is away".to_owned()));
        let (lifecycle, serving) = (Lifecycle::new(), Lifecycle::new());
        let source = serve(&world.db, &serving).await;
        let of = (world.db.clone(), recorder.clone() as Arc<_>);
        let puller = Puller::new(source, settings(), of, &lifecycle);
        assert_eq!(
            drain(&puller).await,
            Tally {
                done: 25,
                postponed: 3,
                failed: 2
            }
        );
        assert_eq!(recorder.tries(), 25 + 1 + 4);
        assert_eq!((recorder.seen(1), recorder.seen(2)), (vec![1], vec![]));
        assert_eq!(parked::of(&world.db, 2, 10).await.unwrap().len(), 3);
        assert_eq!(
            drain(&puller).await,
            Tally::default(),
            "all of it is acknowledged"
        );

        // What comes later stays behind, until the job has applied what was parked.
        publish(&world.db, 1, 4).await;
        sequencer(&world.db, &lifecycle).drain().await.unwrap();
        assert_eq!(
            drain(&puller).await,
            Tally {
                postponed: 1,
                ..Tally::default()
            }
        );
        let job = Arc::new(puller.parked_job());
        let runner = Runner::new(
            world.db.clone(),
            vec![job],
            RunnerSettings::default(),
            &lifecycle,
        );
        let runner = runner.unwrap();
        world.clock.advance(Duration::from_secs(61));
        let again = runner.drain(&[parked::KIND], &|_| {}).await.unwrap();
        assert_eq!(
            again,
            Tally {
                failed: 2,
                ..Tally::default()
            }
        );
        recorder.heal();
        world.clock.advance(Duration::from_hours(24));
        let healed = runner.drain(&[parked::KIND], &|_| {}).await.unwrap();
        assert_eq!(
            healed,
            Tally {
                done: 2,
                ..Tally::default()
            }
        );
        assert_eq!(
            (recorder.seen(1), recorder.seen(2)),
            (vec![1, 2, 3, 4], vec![1, 2, 3])
        );
        for key in [1, 2] {
            assert!(parked::of(&world.db, key, 10).await.unwrap().is_empty());
            assert!(obligation::of(&world.db, key).await.unwrap().is_empty());
        }
        serving.stop();
    }
}

// A source whose first acknowledgements do not arrive: the puller died after applying.
struct Forgetful<S> {
    source: S,
    lost: Arc<AtomicU32>,
}

#[async_trait]
impl<S: Source> Source for Forgetful<S> {
    async fn pull(&self, request: PullEventsRequest) -> Result<PullEventsResponse, Status> {
        self.source.pull(request).await
    }

    async fn ack(&self, request: AckEventsRequest) -> Result<(), Status> {
        let left = self
            .lost
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        match left {
            Ok(_) => Err(Fault::new(ErrorKind::Unavailable, "LOST", "on purpose").into()),
            Err(_) => self.source.ack(request).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_applied_and_not_acknowledged_comes_again_and_nothing_is_lost() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        fill(&world, 1, 5).await;
        let serving = Lifecycle::new();
        let source = serve(&world.db, &serving).await;
        let recorder = Arc::new(Recorder::default());
        let puller = |lost| {
            let lost = Arc::new(AtomicU32::new(lost));
            let of = (world.db.clone(), recorder.clone() as Arc<_>);
            let source = Forgetful {
                source: source.clone(),
                lost,
            };
            Puller::new(source, settings(), of, &Lifecycle::new())
        };
        assert!(puller(1).drain(&|_| {}).await.is_err());
        assert_eq!(recorder.seen(1), [1, 2, 3, 4, 5]);
        // Until the dead one's hold ends, its shard is nobody's.
        let successor = puller(0);
        assert_eq!(drain(&successor).await, Tally::default());
        world.clock.advance(Duration::from_secs(11));
        assert_eq!(drain(&successor).await.done, 5);
        assert_eq!(recorder.seen(1), [1, 2, 3, 4, 5, 1, 2, 3, 4, 5]);
        assert_eq!(drain(&successor).await.done, 0);
        serving.stop();
    }
}

// Takes so long to acknowledge that its hold ends and another has the shard.
struct Overtaken<S> {
    source: S,
    world: Arc<World>,
}

#[async_trait]
impl<S: Source> Source for Overtaken<S> {
    async fn pull(&self, request: PullEventsRequest) -> Result<PullEventsResponse, Status> {
        self.source.pull(request).await
    }

    async fn ack(&self, request: AckEventsRequest) -> Result<(), Status> {
        self.world.clock.advance(Duration::from_secs(11));
        let AckEventsRequest {
            publisher,
            subscriber,
            shard,
            ..
        } = request.clone();
        let take = PullEventsRequest {
            publisher,
            subscriber,
            shard,
            ..Default::default()
        };
        self.source.pull(take).await?;
        self.source.ack(request).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_puller_that_was_overtaken_moves_no_cursor() {
    for engine in ENGINES {
        let world = Arc::new(World::new(engine).await);
        fill(&world, 1, 5).await;
        let serving = Lifecycle::new();
        let source = serve(&world.db, &serving).await;
        let recorder = Arc::new(Recorder::default());
        let of = (world.db.clone(), recorder.clone() as Arc<_>);
        let overtaken = Overtaken {
            source: source.clone(),
            world: world.clone(),
        };
        let puller = Puller::new(overtaken, settings(), of.clone(), &Lifecycle::new());
        let lost = puller.drain(&|_| {}).await.unwrap_err();
        assert_eq!(reason_of(&lost).as_deref(), Some("LEASE_LOST"));
        world.clock.advance(Duration::from_secs(11));
        let successor = Puller::new(source, settings(), of, &Lifecycle::new());
        assert_eq!(drain(&successor).await.done, 5);
        serving.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_neither_be_applied_nor_parked_is_not_acknowledged() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        fill(&world, 1, 5).await;
        let serving = Lifecycle::new();
        let source = serve(&world.db, &serving).await;
        let recorder = Arc::new(Recorder::default());
        recorder.fail(1, 3, Applied::Poison("on purpose".to_owned()));
        let of = (world.db.clone(), recorder.clone() as Arc<_>);
        let puller = Puller::new(source, settings(), of, &Lifecycle::new());
        let rename = |from, to| format!("ALTER TABLE parked RENAME COLUMN {from} TO {to}");
        world.test_db.run(&rename("reason", "elsewhere")).await;
        assert_eq!(tallied(&puller).await, (2, 0, 0));
        assert_eq!(
            tallied(&puller).await,
            (0, 0, 0),
            "the third stays where it is"
        );
        world.test_db.run(&rename("elsewhere", "reason")).await;
        assert_eq!(tallied(&puller).await, (0, 2, 1));
        assert_eq!(recorder.seen(1), [1, 2]);
        serving.stop();
    }
}

async fn tallied(puller: &Puller) -> (u64, u64, u64) {
    let Tally {
        done,
        postponed,
        failed,
    } = drain(puller).await;
    (done, postponed, failed)
}
