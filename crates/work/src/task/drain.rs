//! The task that does everything due: feeds in, obligations, feed out.

use async_trait::async_trait;
use mesh::{ErrorKind, Fault, reason_of};
use tonic::Status;

use super::{Progress, TaskRun};
use crate::error::fault_of;
use crate::feed::puller::Puller;
use crate::feed::sequencer::Sequencer;
use crate::job::Tally;
use crate::runner::Runner;

/// Runs obligations of some kinds until none is due; may pull feeds before and sequence after.
pub struct Drain {
    runner: Runner,
    kinds: Vec<i16>,
    pullers: Vec<Puller>,
    sequencer: Option<Sequencer>,
}

impl Drain {
    /// Of these kinds.
    pub fn new(runner: Runner, kinds: Vec<i16>) -> Self {
        Self {
            runner,
            kinds,
            pullers: Vec::new(),
            sequencer: None,
        }
    }

    /// Pulls this feed first: what it says may be owed at once.
    #[must_use]
    pub fn pulling(mut self, puller: Puller) -> Self {
        self.pullers.push(puller);
        self
    }

    /// Sequences last: what was done is to be told.
    #[must_use]
    pub fn sequencing(mut self, sequencer: Sequencer) -> Self {
        self.sequencer = Some(sequencer);
        self
    }
}

#[async_trait]
impl TaskRun for Drain {
    async fn run(&self, progress: &Progress) -> Result<Tally, Fault> {
        let mut total = Tally::default();
        for puller in &self.pullers {
            let before = total;
            let pulled = puller
                .drain(&|tally| progress.report(sum(before, tally)))
                .await;
            total += pulled.map_err(|status| feed_fault(&status))?;
        }
        let before = total;
        let report = |tally| progress.report(sum(before, tally));
        total += self
            .runner
            .drain(&self.kinds, &report)
            .await
            .map_err(|e| fault_of(&e))?;
        if let Some(sequencer) = &self.sequencer {
            sequencer.drain().await.map_err(|e| fault_of(&e))?;
        }
        Ok(total)
    }
}

fn sum(mut one: Tally, other: Tally) -> Tally {
    one += other;
    one
}

fn feed_fault(status: &Status) -> Fault {
    let reason = reason_of(status).unwrap_or_else(|| "UNKNOWN".to_owned());
    let message = format!("the feed cannot be pulled: {}", status.message());
    Fault::new(ErrorKind::Unavailable, "FEED_UNAVAILABLE", message).with("cause", reason)
}
