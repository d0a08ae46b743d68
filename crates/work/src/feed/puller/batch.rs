//! Applies what one pull brought.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _, stream};
use mesh::Context;
use store::feed::Sequenced;
use store::{Db, StoreError, parked, row};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, error, info_span, warn};

use super::{Applied, Handler, PullerSettings};
use crate::job::Tally;
use crate::query::PARKED_ANY;
use crate::runner::{backoff, later, panic_message, scatter};

pub(super) struct Applier {
    pub(super) db: Db,
    pub(super) handler: Arc<dyn Handler>,
    pub(super) settings: PullerSettings,
    pub(super) stop: CancellationToken,
}

/// What became of a batch, or of one key's part of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) tally: Tally,
    /// The first event that is neither applied nor parked.
    pub(super) undone: Option<i64>,
}

impl Applier {
    pub(super) async fn apply(&self, events: impl Iterator<Item = Sequenced>) -> Batch {
        let mut keys: BTreeMap<i64, Vec<Sequenced>> = BTreeMap::new();
        for event in events {
            keys.entry(event.key).or_default().push(event);
        }
        // Asked once a batch: while nothing is parked, no key need be asked for.
        let parked = self.db.fetch_optional(&PARKED_ANY, row![]).await;
        let look = !matches!(parked, Ok(None));
        let each = stream::iter(keys.into_values()).map(|events| self.apply_key(events, look));
        let merge = |mut all: Batch, one: Batch| async move {
            all.tally += one.tally;
            all.undone = [all.undone, one.undone].into_iter().flatten().min();
            all
        };
        each.buffer_unordered(self.settings.concurrency.max(1))
            .fold(Batch::default(), merge)
            .await
    }

    // One key's events, in their order; what cannot be parked either stops them.
    async fn apply_key(&self, events: Vec<Sequenced>, look: bool) -> Batch {
        let mut batch = Batch::default();
        let mut behind = None;
        for event in &events {
            let span = info_span!(
                "event",
                id = event.id,
                key = event.key,
                trace_id = event.traceparent.split('-').nth(1).unwrap_or_default()
            );
            let step = self.step(event, (behind, look)).instrument(span).await;
            match step {
                Step::Applied => batch.tally.done += 1,
                Step::Parked => batch.tally.failed += 1,
                Step::Behind => batch.tally.postponed += 1,
                Step::Undone => {
                    batch.undone = Some(event.seq);
                    break;
                }
            }
            behind = Some(step != Step::Applied);
            self.count(step);
        }
        batch
    }

    // `behind`: whether the key's event before this one was parked; not known of the first.
    async fn step(&self, event: &Sequenced, (behind, look): (Option<bool>, bool)) -> Step {
        let behind = match behind {
            Some(behind) => Ok(behind),
            None if look => parked::of(&self.db, event.key, 1)
                .await
                .map(|found| !found.is_empty()),
            None => Ok(false),
        };
        let outcome = match behind {
            Ok(true) => self
                .park(event, "behind a parked event")
                .await
                .map(|()| Step::Behind),
            Ok(false) => match self.try_often(event).await {
                Tried::Done => Ok(Step::Applied),
                Tried::Stopped => Ok(Step::Undone),
                Tried::Failed(why) => {
                    error!(
                        why,
                        "an event could not be applied: it is parked, somebody must look"
                    );
                    self.park(event, &why).await.map(|()| Step::Parked)
                }
            },
            Err(error) => Err(error),
        };
        outcome.unwrap_or_else(|error| {
            warn!(%error, "an event is left to the next pull");
            Step::Undone
        })
    }

    async fn park(&self, event: &Sequenced, why: &str) -> Result<(), StoreError> {
        let due = later(self.db.clock().now(), self.settings.parked_pause);
        parked::park(&self.db, &self.settings.publisher, event, (why, due)).await
    }

    async fn try_often(&self, event: &Sequenced) -> Tried {
        let mut tries = 0;
        loop {
            tries += 1;
            match apply_once(&*self.handler, event, self.settings.timeout).await {
                Applied::Done => return Tried::Done,
                Applied::Poison(why) => return Tried::Failed(why),
                Applied::Retry(why) if tries >= self.settings.tries => return Tried::Failed(why),
                Applied::Retry(why) => warn!(tries, why, "an event is tried again"),
            }
            let pause = backoff(self.settings.retry_first, self.settings.retry_most, tries);
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Tried::Stopped,
                () = sleep(scatter(pause, self.db.ids().permille())) => {}
            }
        }
    }

    fn count(&self, step: Step) {
        let outcome = match step {
            Step::Applied => "applied",
            Step::Parked => "parked",
            Step::Behind => "behind",
            Step::Undone => "undone",
        };
        let publisher = self.settings.publisher.clone();
        let labels = [("publisher", publisher), ("outcome", outcome.to_owned())];
        metrics::counter!("work_feed_events_total", &labels).increment(1);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Applied,
    Parked,
    Behind,
    Undone,
}

enum Tried {
    Done,
    Failed(String),
    Stopped,
}

/// Applies an event in a context of its own trace; what panics or takes too long is to be
/// tried again.
pub(super) async fn apply_once(
    handler: &dyn Handler,
    event: &Sequenced,
    within: Duration,
) -> Applied {
    let context = Context::from_traceparent(&event.traceparent, within);
    let run = AssertUnwindSafe(async { handler.apply(event).await }).catch_unwind();
    match timeout(within, context.scope(run)).await {
        Ok(Ok(applied)) => applied,
        Ok(Err(panic)) => Applied::Retry(format!("panicked: {}", panic_message(panic.as_ref()))),
        Err(_) => Applied::Retry("it took longer than its timeout".to_owned()),
    }
}
