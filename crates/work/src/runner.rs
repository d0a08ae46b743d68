//! Runs jobs: a loop for each kind, so that a slow kind delays no other.

mod lane;
mod settings;

use std::sync::{Arc, Mutex, PoisonError};

use futures::future::join_all;
use mesh::Lifecycle;
use store::{Db, StoreError};

use crate::job::{Job, Tally};
use lane::{Ground, Lane};
pub(crate) use lane::{later, panic_message};
pub use settings::RunnerSettings;
pub(crate) use settings::{backoff, scatter};

/// Why a runner cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// A job could still run when its claim is another's.
    #[error(
        "job {job}: the lease of {lease:?} must be longer than its timeout of {timeout:?} and {slack:?} of slack"
    )]
    LeaseTooShort {
        /// The job.
        job: &'static str,
        /// The configured lease.
        lease: std::time::Duration,
        /// The job's timeout.
        timeout: std::time::Duration,
        /// What must lie between.
        slack: std::time::Duration,
    },
    /// Two jobs would claim the same obligations.
    #[error("jobs {one} and {other} are of the same kind {kind}")]
    SameKind {
        /// One of them.
        one: &'static str,
        /// The other.
        other: &'static str,
        /// Their kind.
        kind: i16,
    },
    /// A job that would never run, or claim too many.
    #[error("job {job}: batch must be 1 to 50 and concurrency at least 1")]
    Bounds {
        /// The job.
        job: &'static str,
    },
}

/// A service's jobs over its database.
#[derive(Clone)]
pub struct Runner {
    lanes: Vec<Arc<Lane>>,
    lifecycle: Lifecycle,
}

impl Runner {
    /// A runner for these jobs; nothing runs until [`start`](Self::start) or a drain.
    pub fn new(
        db: Db,
        jobs: Vec<Arc<dyn Job>>,
        settings: RunnerSettings,
        lifecycle: &Lifecycle,
    ) -> Result<Self, RunnerError> {
        check(&jobs, &settings)?;
        let stop = lifecycle.token();
        let ground = Arc::new(Ground { db, settings, stop });
        let lane = |job| {
            let ground = Arc::clone(&ground);
            Arc::new(Lane { job, ground })
        };
        let lanes = jobs.into_iter().map(lane).collect();
        Ok(Self {
            lanes,
            lifecycle: lifecycle.clone(),
        })
    }

    /// Starts a loop for each job, and one that measures backlogs. When the lifecycle
    /// stops they claim nothing more and finish what they have.
    pub fn start(&self) {
        for lane in &self.lanes {
            self.lifecycle
                .spawn(lane.job.name(), Arc::clone(lane).work());
        }
        self.lifecycle.spawn("backlog", measure(self.lanes.clone()));
    }

    /// The kinds it has jobs for.
    pub fn kinds(&self) -> Vec<i16> {
        self.lanes.iter().map(|lane| lane.job.kind()).collect()
    }

    /// Runs until nothing of these kinds is due, all at once and each behind its own
    /// limit; tells how far it is whenever that changes.
    pub async fn drain(
        &self,
        kinds: &[i16],
        progress: &(dyn Fn(Tally) + Send + Sync),
    ) -> Result<Tally, StoreError> {
        let total = Mutex::new(Tally::default());
        let add = |tally| {
            let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
            *total += tally;
            progress(*total);
        };
        let wanted = self
            .lanes
            .iter()
            .filter(|lane| kinds.contains(&lane.job.kind()));
        let ended = join_all(wanted.map(|lane| lane.drain(&add))).await;
        ended.into_iter().collect::<Result<(), _>>()?;
        Ok(total.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

fn check(jobs: &[Arc<dyn Job>], settings: &RunnerSettings) -> Result<(), RunnerError> {
    for (at, job) in jobs.iter().enumerate() {
        if let Some(other) = jobs
            .iter()
            .skip(at + 1)
            .find(|other| other.kind() == job.kind())
        {
            let (one, other, kind) = (job.name(), other.name(), job.kind());
            return Err(RunnerError::SameKind { one, other, kind });
        }
        let (job, timeout, in_bounds) = (
            job.name(),
            job.timeout(),
            (1..=50).contains(&job.batch()) && job.concurrency() > 0,
        );
        if !in_bounds {
            return Err(RunnerError::Bounds { job });
        }
        let RunnerSettings { lease, slack, .. } = *settings;
        if lease <= timeout.saturating_add(slack) {
            return Err(RunnerError::LeaseTooShort {
                job,
                lease,
                timeout,
                slack,
            });
        }
    }
    Ok(())
}

async fn measure(lanes: Vec<Arc<Lane>>) {
    let Some(first) = lanes.first() else { return };
    loop {
        for lane in &lanes {
            lane.measure().await;
        }
        tokio::select! {
            () = first.ground.stop.cancelled() => return,
            () = tokio::time::sleep(first.ground.settings.sample) => {}
        }
    }
}

#[cfg(test)]
mod tests;
