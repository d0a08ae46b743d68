//! The feed service: what subscribers pull from.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mesh::{Context, ErrorKind, Fault, Lifecycle};
use prost::Message as _;
use proto::feed::v1::feed_service_server::{FeedService, FeedServiceServer};
use proto::feed::v1::{
    AckEventsRequest, AckEventsResponse, Event, PullEventsRequest, PullEventsResponse,
};
use proto::time::to_proto;
use store::feed::{self, Cursor, SHARDS, Sequenced};
use store::{Db, StoreError};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::tail::Tail;
use crate::error::fault_of;

mod check;

const DEFAULT_EVENTS: u32 = 100;
// Beneath what a client decodes at most (1 MiB), with room for one large event.
const RESPONSE_BYTES: usize = 512 * 1024;
// What a handler leaves of its deadline for the way back.
const WAY_BACK: Duration = Duration::from_millis(500);

/// How feeds are served.
#[derive(Debug, Clone)]
pub struct FeedServerSettings {
    /// How long a puller holds a shard without pulling again.
    pub term: Duration,
    /// How often to look for the commits of other processes while anyone waits.
    pub poll: Duration,
}

impl Default for FeedServerSettings {
    fn default() -> Self {
        Self {
            term: Duration::from_secs(10),
            poll: Duration::from_millis(50),
        }
    }
}

/// Serves the feeds of publishers, each from its database.
pub struct FeedServer {
    publishers: BTreeMap<String, Publisher>,
    settings: FeedServerSettings,
    stop: CancellationToken,
}

struct Publisher {
    db: Db,
    tail: Arc<Tail>,
}

impl FeedServer {
    /// A server for these publishers (name, database); it watches their feeds' ends until
    /// the lifecycle stops.
    pub fn new(
        publishers: impl IntoIterator<Item = (String, Db)>,
        settings: FeedServerSettings,
        lifecycle: &Lifecycle,
    ) -> Self {
        let (poll, stop) = (settings.poll, lifecycle.token());
        let publishers = publishers.into_iter().map(|(name, db)| {
            let tail = Tail::new();
            let follow = Arc::clone(&tail).follow(db.clone(), poll, lifecycle.token());
            lifecycle.spawn("feed tail", follow);
            (name, Publisher { db, tail })
        });
        Self {
            publishers: publishers.collect(),
            settings,
            stop,
        }
    }

    /// As a service to add to a server.
    pub fn service(self) -> FeedServiceServer<Self> {
        FeedServiceServer::new(self)
    }

    fn publisher(&self, name: &str) -> Result<&Publisher, Fault> {
        self.publishers.get(name).ok_or_else(|| {
            let known: Vec<_> = self.publishers.keys().map(String::as_str).collect();
            let message = format!("no feed of {name:?} here; there is: {}", known.join(", "));
            Fault::new(ErrorKind::NotFound, "PUBLISHER_UNKNOWN", message).with("publisher", name)
        })
    }

    async fn pull(&self, request: PullEventsRequest) -> Result<PullEventsResponse, Fault> {
        let pull = check::pull(&request)?;
        let publisher = self.publisher(&request.publisher)?;
        let until = Instant::now() + at_most(pull.wait);
        let mut token = request.token;
        loop {
            let mut grown = publisher.tail.subscribe();
            let cursor = self.hold(publisher, pull.reader, token).await?;
            let events = feed::read(&publisher.db, pull.reader.1, cursor.position, pull.most);
            let events = events.await.map_err(|e| fault_of(&e))?;
            token = cursor.token;
            if !events.is_empty() || Instant::now() >= until || self.stop.is_cancelled() {
                return Ok(answer(events, token));
            }
            // Wakes in time to renew the hold, too.
            let wake = until.min(Instant::now() + self.settings.term / 4);
            tokio::select! {
                () = self.stop.cancelled() => {}
                _ = timeout_at(wake, grown.changed()) => {}
            }
        }
    }

    async fn hold(
        &self,
        publisher: &Publisher,
        reader: (&str, i16),
        token: i64,
    ) -> Result<Cursor, Fault> {
        let held = feed::hold(&publisher.db, reader, token, self.settings.term).await;
        held.map_err(|e| fault_of(&e))?.ok_or_else(|| {
            let message = format!("another puller of {} holds shard {}", reader.0, reader.1);
            Fault::new(ErrorKind::Unavailable, "SHARD_LEASED", message)
                .with("shard", reader.1)
                .retry_after(self.settings.term / 4)
        })
    }

    async fn ack(&self, request: AckEventsRequest) -> Result<AckEventsResponse, Fault> {
        let reader = check::ack(&request)?;
        let publisher = self.publisher(&request.publisher)?;
        let db = &publisher.db;
        let store_fault = |error: StoreError| fault_of(&error);
        // A cursor beyond the end would skip what is not sequenced yet.
        if request.sequence > feed::last(db).await.map_err(store_fault)? {
            return Err(Fault::invalid("sequence", "must be one that was pulled"));
        }
        let to = Cursor {
            position: request.sequence,
            token: request.token,
        };
        if feed::acknowledge(db, reader, to)
            .await
            .map_err(store_fault)?
        {
            return Ok(AckEventsResponse {});
        }
        let message = format!(
            "another puller of {} took shard {}; pull again",
            reader.0, reader.1
        );
        Err(Fault::new(ErrorKind::Precondition, "LEASE_LOST", message).with("shard", reader.1))
    }
}

#[async_trait]
impl FeedService for FeedServer {
    async fn pull_events(
        &self,
        request: Request<PullEventsRequest>,
    ) -> Result<Response<PullEventsResponse>, Status> {
        check::own(&request, &request.get_ref().subscriber)?;
        Ok(Response::new(self.pull(request.into_inner()).await?))
    }

    async fn ack_events(
        &self,
        request: Request<AckEventsRequest>,
    ) -> Result<Response<AckEventsResponse>, Status> {
        check::own(&request, &request.get_ref().subscriber)?;
        Ok(Response::new(self.ack(request.into_inner()).await?))
    }
}

// The wait, cut to what the call's deadline leaves.
fn at_most(wait: Duration) -> Duration {
    let left = Context::current().remaining();
    left.map_or(wait, |left| wait.min(left.saturating_sub(WAY_BACK)))
}

fn answer(events: Vec<Sequenced>, token: i64) -> PullEventsResponse {
    let mut bytes = 0;
    let fit = events
        .into_iter()
        .map(to_event)
        .enumerate()
        .take_while(|(at, event)| {
            bytes += event.encoded_len();
            *at == 0 || bytes <= RESPONSE_BYTES
        });
    PullEventsResponse {
        events: fit.map(|(_, event)| event).collect(),
        token,
        shard_count: i32::from(SHARDS),
    }
}

fn to_event(event: Sequenced) -> Event {
    Event {
        sequence: event.seq,
        event_id: event.id,
        aggregate_type: event.aggregate,
        key: event.key,
        r#type: event.kind,
        payload: event.payload.into(),
        time: Some(to_proto(event.at)),
        traceparent: event.traceparent,
    }
}
