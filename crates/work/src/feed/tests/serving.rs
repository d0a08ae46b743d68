use std::time::Duration;

use mesh::{Client, Lifecycle, reason_of, retry_after_of};
use proto::feed::v1::feed_service_client::FeedServiceClient;
use proto::feed::v1::{AckEventsRequest, PullEventsRequest, PullEventsResponse};
use store::feed::shard_of;
use testkit::ENGINES;
use tokio::time::{Instant, sleep};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{PUBLISHER, serve};
use crate::feed::sequencer::{Sequencer, SequencerSettings};
use crate::harness::{World, publish};

pub(super) const KEY: i64 = 5;

pub(super) fn pull() -> PullEventsRequest {
    PullEventsRequest {
        publisher: PUBLISHER.to_owned(),
        subscriber: "trade".to_owned(),
        shard: shard_of(KEY).into(),
        ..PullEventsRequest::default()
    }
}

pub(super) fn ack(token: i64, sequence: i64) -> AckEventsRequest {
    let PullEventsRequest {
        publisher,
        subscriber,
        shard,
        ..
    } = pull();
    AckEventsRequest {
        publisher,
        subscriber,
        shard,
        token,
        sequence,
    }
}

type Feed = FeedServiceClient<Client>;

async fn pulled(feed: &Feed, request: PullEventsRequest) -> Result<PullEventsResponse, Status> {
    Ok(feed.clone().pull_events(request).await?.into_inner())
}

async fn acked(feed: &Feed, request: AckEventsRequest) -> Result<(), Status> {
    feed.clone().ack_events(request).await.map(|_| ())
}

fn fields(status: &Status) -> Vec<String> {
    let bad = status.get_details_bad_request().unwrap();
    bad.field_violations
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_in_range_is_served_and_each_error_names_its_field() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        let feed = serve(&world.db, &Lifecycle::new()).await;
        let cases = [
            (PullEventsRequest { shard: 4, ..pull() }, vec!["shard"]),
            (
                PullEventsRequest {
                    shard: -1,
                    ..pull()
                },
                vec!["shard"],
            ),
            (
                PullEventsRequest {
                    max_events: 501,
                    ..pull()
                },
                vec!["max_events"],
            ),
            (
                PullEventsRequest {
                    max_events: -1,
                    ..pull()
                },
                vec!["max_events"],
            ),
            (
                PullEventsRequest {
                    wait_ms: 20_001,
                    token: -1,
                    ..pull()
                },
                vec!["token", "wait_ms"],
            ),
            (
                PullEventsRequest {
                    subscriber: String::new(),
                    ..pull()
                },
                vec!["subscriber"],
            ),
            (
                PullEventsRequest {
                    subscriber: "x".repeat(33),
                    ..pull()
                },
                vec!["subscriber"],
            ),
        ];
        for (request, wrong) in cases {
            let status = pulled(&feed, request).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument);
            assert_eq!(fields(&status), wrong);
        }
        assert_eq!(
            fields(&acked(&feed, ack(0, -1)).await.unwrap_err()),
            ["token", "sequence"]
        );

        let stranger = PullEventsRequest {
            publisher: "nobody".to_owned(),
            ..pull()
        };
        let status = pulled(&feed, stranger).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        assert_eq!(reason_of(&status).as_deref(), Some("PUBLISHER_UNKNOWN"));
        assert!(status.message().contains(PUBLISHER), "{}", status.message());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_moves_only_under_its_token_and_never_beyond_the_feed() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        let feed = serve(&world.db, &Lifecycle::new()).await;
        for version in 1..=3 {
            publish(&world.db, KEY, version).await;
        }
        Sequencer::new(
            world.db.clone(),
            SequencerSettings::default(),
            &Lifecycle::new(),
        )
        .drain()
        .await
        .unwrap();
        let first = pulled(
            &feed,
            PullEventsRequest {
                max_events: 2,
                ..pull()
            },
        )
        .await
        .unwrap();
        assert_eq!(
            first
                .events
                .iter()
                .map(|event| event.sequence)
                .collect::<Vec<_>>(),
            [1, 2]
        );
        assert_eq!(first.events[0].event_id, "note:5:0:1");

        let leased = pulled(&feed, pull()).await.unwrap_err();
        assert_eq!(leased.code(), Code::Unavailable);
        assert_eq!(reason_of(&leased).as_deref(), Some("SHARD_LEASED"));
        assert!(retry_after_of(&leased).is_some());
        assert_eq!(
            fields(&acked(&feed, ack(first.token, 4)).await.unwrap_err()),
            ["sequence"]
        );
        acked(&feed, ack(first.token, 2)).await.unwrap();
        acked(&feed, ack(first.token, 2)).await.unwrap();
        acked(&feed, ack(first.token, 1)).await.unwrap();

        world.clock.advance(Duration::from_secs(11));
        let second = pulled(&feed, pull()).await.unwrap();
        assert_eq!(
            second
                .events
                .iter()
                .map(|event| event.sequence)
                .collect::<Vec<_>>(),
            [3]
        );
        let lost = acked(&feed, ack(first.token, 3)).await.unwrap_err();
        assert_eq!(lost.code(), Code::FailedPrecondition);
        assert_eq!(reason_of(&lost).as_deref(), Some("LEASE_LOST"));
        acked(&feed, ack(second.token, 3)).await.unwrap();
        let rest = pulled(
            &feed,
            PullEventsRequest {
                token: second.token,
                ..pull()
            },
        )
        .await;
        assert!(rest.unwrap().events.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_waits_is_answered_soon_after_the_commit() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        let lifecycle = Lifecycle::new();
        let feed = serve(&world.db, &lifecycle).await;
        // Committed and sequenced by another process: only looking can find it.
        let other = world.other().await;
        Sequencer::new(other.clone(), SequencerSettings::default(), &lifecycle).start();
        let request = PullEventsRequest {
            wait_ms: 15_000,
            ..pull()
        };
        let waiting = tokio::spawn(async move { pulled(&feed, request).await });
        sleep(Duration::from_millis(300)).await;
        publish(&other, KEY, 1).await;
        let committed = Instant::now();
        assert_eq!(waiting.await.unwrap().unwrap().events.len(), 1);
        // 0.2 s is the promise on a quiet machine; tests share theirs.
        assert!(
            committed.elapsed() < Duration::from_secs(2),
            "{:?}",
            committed.elapsed()
        );
        lifecycle.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_waits_does_not_hold_up_the_end() {
    let world = World::new(store::Engine::Sqlite).await;
    let lifecycle = Lifecycle::new();
    let feed = serve(&world.db, &lifecycle).await;
    let request = PullEventsRequest {
        wait_ms: 20_000,
        ..pull()
    };
    let waiting = tokio::spawn(async move { pulled(&feed, request).await });
    sleep(Duration::from_millis(200)).await;
    lifecycle.stop();
    assert!(waiting.await.unwrap().unwrap().events.is_empty());
    assert_eq!(lifecycle.drained(Duration::from_secs(5)).await, Ok(()));
}
