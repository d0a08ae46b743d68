//! Pulls a publisher's feed: applies each event, makes that durable, then acknowledges.
//! Events of one key are applied in their order, those of different keys at once, so that
//! their writes gather.

mod batch;
mod parked;
mod source;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use mesh::{Context, Lifecycle, reason_of, retry_after_of};
use proto::feed::v1::{AckEventsRequest, PullEventsRequest};
use store::Db;
use store::feed::{SHARDS, Sequenced};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::{debug, warn};

use crate::job::Tally;
use crate::runner::{backoff, scatter};
use batch::Applier;
pub use parked::ParkedJob;
pub use source::Source;

// What a pull or an acknowledgement may take beyond its wait.
const CALL: Duration = Duration::from_secs(5);
const TROUBLE_FIRST: Duration = Duration::from_millis(100);
const TROUBLE_MOST: Duration = Duration::from_secs(5);

/// Makes what an event says durable here. The same event may come again: its effect must
/// happen once.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Applies one event; runs in a context of the event's own trace.
    async fn apply(&self, event: &Sequenced) -> Applied;
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// Its effect is durable, or it has none here.
    Done,
    /// It failed and is tried again soon; too often, and it is parked.
    Retry(String),
    /// Trying again will not help: it is parked, with an alarm.
    Poison(String),
}

/// Whose feed is pulled by whom, and how.
#[derive(Debug, Clone)]
pub struct PullerSettings {
    /// The service that publishes.
    pub publisher: String,
    /// The service that subscribes: its cursor's name.
    pub subscriber: String,
    /// How many events are pulled at once; 1 to 500.
    pub max_events: u32,
    /// How long a pull waits for the first event; at most 20 s.
    pub wait: Duration,
    /// How many keys are worked on at once.
    pub concurrency: usize,
    /// How long one event may take.
    pub timeout: Duration,
    /// How often an event is tried before it is parked.
    pub tries: u32,
    /// The first pause between tries; it doubles each time.
    pub retry_first: Duration,
    /// The longest pause between tries.
    pub retry_most: Duration,
    /// After how long a parked event is tried again first.
    pub parked_pause: Duration,
}

impl PullerSettings {
    /// The defaults for this publisher and subscriber.
    pub fn new(publisher: impl Into<String>, subscriber: impl Into<String>) -> Self {
        Self {
            publisher: publisher.into(),
            subscriber: subscriber.into(),
            max_events: 100,
            wait: Duration::from_secs(5),
            concurrency: 64,
            timeout: Duration::from_secs(10),
            tries: 10,
            retry_first: Duration::from_millis(50),
            retry_most: Duration::from_secs(1),
            parked_pause: Duration::from_mins(1),
        }
    }
}

/// A subscriber's reader of one publisher's feed; clones share it.
#[derive(Clone)]
pub struct Puller(Arc<Shared>);

struct Shared {
    source: Box<dyn Source>,
    settings: PullerSettings,
    applier: Applier,
    shards: Mutex<Vec<Arc<Shard>>>,
    lifecycle: Lifecycle,
    stop: CancellationToken,
}

struct Shard {
    number: i32,
    // Held for a round: within a process, one reads a shard at a time.
    token: tokio::sync::Mutex<i64>,
}

// What one pull brought.
#[derive(Debug, Default)]
struct Round {
    tally: Tally,
    events: usize,
    // Whether all of it is acknowledged.
    whole: bool,
}

impl Puller {
    /// One that reads from `source`, parks in `db` (the subscriber's) and applies with
    /// `handler`; nothing runs until [`start`](Self::start) or a drain.
    pub fn new(
        source: impl Source,
        settings: PullerSettings,
        (db, handler): (Db, Arc<dyn Handler>),
        lifecycle: &Lifecycle,
    ) -> Self {
        let stop = lifecycle.token();
        let applier = Applier {
            db,
            handler,
            settings: settings.clone(),
            stop: stop.clone(),
        };
        let (source, lifecycle) = (Box::new(source), lifecycle.clone());
        let shared = Shared {
            source,
            settings,
            applier,
            shards: Mutex::default(),
            lifecycle,
            stop,
        };
        shared.grow_to(SHARDS.into());
        Self(Arc::new(shared))
    }

    /// Starts a loop for each shard. When the lifecycle stops they finish what they pulled.
    pub fn start(&self) {
        self.0
            .lifecycle
            .spawn("feed puller", Arc::clone(&self.0).follow_all());
    }

    /// The job that tries this publisher's parked events again. A subscriber of several
    /// publishers makes one [`ParkedJob`] for all of them.
    pub fn parked_job(&self) -> ParkedJob {
        let Applier {
            db,
            handler,
            settings,
            ..
        } = &self.0.applier;
        ParkedJob::new(
            db.clone(),
            [(settings.publisher.clone(), Arc::clone(handler))],
        )
    }

    /// Pulls until no shard has anything more; those another puller holds are left to it.
    pub async fn drain(&self, progress: &(dyn Fn(Tally) + Send + Sync)) -> Result<Tally, Status> {
        let mut total = Tally::default();
        let mut next = 0;
        while let Some(shard) = self.0.shard(next) {
            next += 1;
            loop {
                let round = match self.0.round(&shard, Duration::ZERO).await {
                    Err(status) if is_leased(&status) => break,
                    round => round?,
                };
                total += round.tally;
                progress(total);
                if round.events == 0 || !round.whole {
                    break;
                }
            }
        }
        Ok(total)
    }
}

impl Shared {
    fn shards(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Shard>>> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shard(&self, at: usize) -> Option<Arc<Shard>> {
        self.shards().get(at).cloned()
    }

    fn grow_to(&self, count: i32) {
        let mut shards = self.shards();
        let known = i32::try_from(shards.len()).unwrap_or(i32::MAX);
        shards.extend((known..count).map(|number| {
            Arc::new(Shard {
                number,
                token: tokio::sync::Mutex::new(0),
            })
        }));
    }

    // A loop for each shard there is; the publisher says how many in its answers.
    async fn follow_all(self: Arc<Self>) {
        let mut loops = JoinSet::new();
        while !self.stop.is_cancelled() {
            while let Some(shard) = self.shard(loops.len()) {
                loops.spawn(Arc::clone(&self).follow(shard));
            }
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = sleep(Duration::from_secs(1)) => {}
            }
        }
        while loops.join_next().await.is_some() {}
    }

    async fn follow(self: Arc<Self>, shard: Arc<Shard>) {
        let mut failures = 0;
        while !self.stop.is_cancelled() {
            let begun = Instant::now();
            let pause = match self.round(&shard, self.settings.wait).await {
                // An answer without events that did not wait comes from a server that stops.
                Ok(round) if round.events == 0 && begun.elapsed() < self.settings.wait / 2 => {
                    TROUBLE_FIRST
                }
                Ok(round) if round.whole => {
                    failures = 0;
                    continue;
                }
                Ok(_) => self.pause(&mut failures),
                Err(status) if is_leased(&status) => {
                    debug!(shard = shard.number, "another puller holds the shard");
                    retry_after_of(&status).unwrap_or(TROUBLE_MOST)
                }
                Err(status) => {
                    warn!(shard = shard.number, publisher = self.settings.publisher, %status, "the feed cannot be pulled");
                    self.pause(&mut failures)
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = sleep(pause) => {}
            }
        }
    }

    fn pause(&self, failures: &mut u32) -> Duration {
        *failures += 1;
        let pause = backoff(TROUBLE_FIRST, TROUBLE_MOST, *failures);
        scatter(pause, self.applier.db.ids().permille())
    }

    // Pulls once, applies, acknowledges what is durable.
    async fn round(&self, shard: &Shard, wait: Duration) -> Result<Round, Status> {
        let mut token = shard.token.lock().await;
        let request = self.pull_request(shard.number, (*token, wait));
        let pull = Context::background(wait + CALL).scope(self.source.pull(request));
        let pulled = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Ok(Round::default()),
            pulled = pull => pulled?,
        };
        self.grow_to(pulled.shard_count);
        *token = pulled.token;
        let events = pulled.events.len();
        let Some(last) = pulled.events.last().map(|event| event.sequence) else {
            return Ok(Round {
                whole: true,
                ..Round::default()
            });
        };
        let batch = self
            .applier
            .apply(pulled.events.into_iter().map(source::from_event))
            .await;
        let upto = batch.undone.map_or(last, |first| first - 1);
        self.acknowledge(shard.number, (*token, upto)).await?;
        Ok(Round {
            tally: batch.tally,
            events,
            whole: upto == last,
        })
    }

    async fn acknowledge(&self, shard: i32, (token, sequence): (i64, i64)) -> Result<(), Status> {
        let PullerSettings {
            publisher,
            subscriber,
            ..
        } = self.settings.clone();
        let request = AckEventsRequest {
            publisher,
            subscriber,
            shard,
            token,
            sequence,
        };
        // What is applied and not acknowledged comes again, which does no harm.
        Context::background(CALL)
            .scope(self.source.ack(request))
            .await
    }

    fn pull_request(&self, shard: i32, (token, wait): (i64, Duration)) -> PullEventsRequest {
        let PullerSettings {
            publisher,
            subscriber,
            max_events,
            ..
        } = self.settings.clone();
        PullEventsRequest {
            publisher,
            subscriber,
            shard,
            token,
            max_events: i32::try_from(max_events).unwrap_or(i32::MAX),
            wait_ms: i32::try_from(wait.as_millis()).unwrap_or(i32::MAX),
        }
    }
}

fn is_leased(status: &Status) -> bool {
    reason_of(status).as_deref() == Some("SHARD_LEASED")
}
