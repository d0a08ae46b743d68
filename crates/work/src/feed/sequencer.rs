//! Gives events their place: one sequencer of a service at a time, whoever holds its lease.
//! Two at once would do no harm, only work: their batches have the same number.

use std::time::Duration;

use mesh::Lifecycle;
use serde::Deserialize;
use store::lease::Lease;
use store::{Db, StoreError, Wake, feed};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::pace::{Gaps, Pace};
use crate::runner::later;

const LEASE: &str = "sequencer";

/// How a sequencer works.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SequencerSettings {
    /// How often to look when nothing rings.
    #[serde(with = "humantime_serde")]
    pub poll: Duration,
    /// How long the seat is held without renewal.
    #[serde(with = "humantime_serde")]
    pub term: Duration,
    /// How many events get their place in one write.
    pub batch: u32,
}

impl Default for SequencerSettings {
    fn default() -> Self {
        Self {
            poll: Duration::from_millis(50),
            term: Duration::from_secs(5),
            batch: 500,
        }
    }
}

/// A service's sequencer.
#[derive(Clone)]
pub struct Sequencer {
    db: Db,
    settings: SequencerSettings,
    lifecycle: Lifecycle,
    stop: CancellationToken,
}

impl Sequencer {
    /// One for this database; nothing runs until [`start`](Self::start) or a drain.
    pub fn new(db: Db, settings: SequencerSettings, lifecycle: &Lifecycle) -> Self {
        Self {
            db,
            settings,
            lifecycle: lifecycle.clone(),
            stop: lifecycle.token(),
        }
    }

    /// Starts it: it works while it holds the seat and waits for it otherwise.
    pub fn start(&self) {
        self.lifecycle.spawn("sequencer", self.clone().work());
    }

    /// Gives places until nothing is pending; answers how many. Needs no seat.
    pub async fn drain(&self) -> Result<usize, StoreError> {
        let mut total = 0;
        loop {
            let sequenced = feed::sequence(&self.db, self.settings.batch).await?;
            total += sequenced;
            if sequenced == 0 || self.stop.is_cancelled() {
                return Ok(total);
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    async fn work(self) {
        while !self.stop.is_cancelled() {
            let pause = match Lease::take(&self.db, LEASE, 1, self.settings.term).await {
                Ok(Some(seat)) => {
                    info!("the sequencer's seat is taken");
                    self.hold(seat).await;
                    continue;
                }
                Ok(None) => self.settings.term / 10,
                Err(error) => self.trouble(&error),
            };
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = sleep(pause) => {}
            }
        }
    }

    // Sequences as long as the seat is held.
    async fn hold(&self, seat: Lease) {
        let gaps = Gaps {
            least: Duration::from_millis(2),
            most: Duration::from_millis(8),
        };
        let mut pace = Pace::new(self.db.bell(Wake::Published), self.settings.poll, gaps);
        let mut renew_at = later(self.db.clock().now(), self.settings.term / 2);
        while !self.stop.is_cancelled() {
            if self.db.clock().now() >= renew_at {
                if !self.renew(&seat).await {
                    return;
                }
                renew_at = later(self.db.clock().now(), self.settings.term / 2);
            }
            let full = self.one_batch(&mut pace).await;
            if !full {
                tokio::select! {
                    () = self.stop.cancelled() => {}
                    () = pace.rest() => {}
                }
            }
        }
        if let Err(error) = seat.release(&self.db).await {
            warn!(%error, "the sequencer's seat could not be given back; its term will end");
        }
    }

    async fn renew(&self, seat: &Lease) -> bool {
        match seat.renew(&self.db, self.settings.term).await {
            Ok(true) => true,
            Ok(false) => {
                info!("the sequencer's seat was lost");
                false
            }
            Err(error) => {
                sleep(self.trouble(&error)).await;
                false
            }
        }
    }

    // Whether there may be more.
    async fn one_batch(&self, pace: &mut Pace) -> bool {
        match feed::sequence(&self.db, self.settings.batch).await {
            Ok(sequenced) => {
                pace.looked(sequenced > 0);
                let count = u64::try_from(sequenced).unwrap_or(u64::MAX);
                metrics::counter!("work_feed_sequenced_total").increment(count);
                u32::try_from(sequenced).is_ok_and(|count| count >= self.settings.batch)
            }
            Err(error) => {
                sleep(self.trouble(&error)).await;
                pace.looked(false);
                false
            }
        }
    }

    fn trouble(&self, error: &StoreError) -> Duration {
        warn!(%error, "nothing could be sequenced");
        self.settings.poll.max(Duration::from_millis(50)) * 4
    }
}
