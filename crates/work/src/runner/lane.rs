//! One job's bulkhead: claims no more than it can run at once, and settles each claim
//! under its token.

use std::any::Any;
use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _, stream};
use jiff::Timestamp;
use mesh::Context;
use store::obligation::{self, Claimed};
use store::{Db, StoreError, Wake};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, debug, error, info_span, warn};

use super::RunnerSettings;
use crate::job::{Job, Tally, Verdict};
use crate::pace::{Gaps, Pace};

// Less than this is a snooze that would claim in a circle.
const SHORTEST_SNOOZE: Duration = Duration::from_millis(10);

pub(super) struct Lane {
    pub(super) job: Arc<dyn Job>,
    pub(super) ground: Arc<Ground>,
}

/// What a runner's lanes share.
pub(super) struct Ground {
    pub(super) db: Db,
    pub(super) settings: RunnerSettings,
    pub(super) stop: CancellationToken,
}

impl Lane {
    /// Claims and runs until told to stop, then finishes what it has.
    pub(super) async fn work(self: Arc<Self>) {
        let gaps = Gaps {
            least: self.ground.settings.gap_least,
            most: self.ground.settings.gap_most,
        };
        let bell = self.ground.db.bell(Wake::Owed(self.job.kind()));
        let mut pace = Pace::new(bell, self.ground.settings.poll, gaps);
        let mut running = JoinSet::new();
        while !self.ground.stop.is_cancelled() {
            let room = self.room(running.len());
            let claimed = self.claim_or_nothing(room).await;
            // A claim that came back full has left more behind.
            let more = claimed.len() == room as usize;
            pace.looked(!claimed.is_empty());
            for owed in claimed {
                running.spawn(Arc::clone(&self).perform(owed));
            }
            self.until_next(&mut running, &mut pace, more).await;
        }
        while running.join_next().await.is_some() {}
    }

    // Waits until there is something to claim and room for it.
    async fn until_next(&self, running: &mut JoinSet<Verdict>, pace: &mut Pace, more: bool) {
        let mut look = more;
        loop {
            while running.try_join_next().is_some() {}
            let (room, apart) = (self.room(running.len()), pace.apart());
            if look && room == self.room(0) {
                return;
            }
            tokio::select! {
                biased;
                () = self.ground.stop.cancelled() => return,
                // A claim for each slot that falls free would cost more than it gains.
                () = sleep_until(apart), if look && room > 0 => return,
                () = pace.rest(), if !look => look = true,
                Some(_) = running.join_next() => {}
            }
        }
    }

    // What is claimed starts at once: its lease need only cover its own timeout.
    fn room(&self, running: usize) -> u32 {
        let running = u32::try_from(running).unwrap_or(u32::MAX);
        self.job
            .concurrency()
            .saturating_sub(running)
            .min(self.job.batch())
    }

    async fn claim(&self, most: u32) -> Result<Vec<Claimed>, StoreError> {
        obligation::claim(
            &self.ground.db,
            self.job.kind(),
            most,
            self.ground.settings.lease,
        )
        .await
    }

    async fn claim_or_nothing(&self, most: u32) -> Vec<Claimed> {
        self.claim(most).await.unwrap_or_else(|error| {
            warn!(job = self.job.name(), %error, "nothing could be claimed");
            Vec::new()
        })
    }

    /// Claims and runs until nothing is due.
    pub(super) async fn drain(
        &self,
        add: &(dyn Fn(Tally) + Send + Sync),
    ) -> Result<(), StoreError> {
        let mut tried = HashSet::new();
        let room = self.room(0);
        while !self.ground.stop.is_cancelled() {
            let claimed = self.claim(room).await?;
            let fresh = claimed
                .iter()
                .filter(|owed| tried.insert((owed.subject, owed.part)));
            // What falls due again while it is drained is left to the next drain.
            let last = fresh.count() == 0;
            let ended = stream::iter(claimed).for_each_concurrent(None, |owed| async move {
                add(self.perform_one(owed).await.tally());
            });
            ended.await;
            if last {
                break;
            }
        }
        Ok(())
    }

    async fn perform(self: Arc<Self>, owed: Claimed) -> Verdict {
        self.perform_one(owed).await
    }

    // Runs the job for one claim and settles it.
    async fn perform_one(&self, owed: Claimed) -> Verdict {
        let (name, context) = (self.job.name(), Context::background(self.job.timeout()));
        let span = info_span!(
            "job", name, subject = owed.subject, part = owed.part,
            attempt = owed.attempts, trace_id = %context.trace_id()
        );
        let begun = Instant::now();
        let work = async {
            let (verdict, label) = self.judge(&owed, context).await;
            metrics::counter!("work_jobs_total", "job" => name, "verdict" => label).increment(1);
            metrics::histogram!("work_job_seconds", "job" => name).record(begun.elapsed());
            self.settle(&owed, &verdict).await;
            verdict
        };
        work.instrument(span).await
    }

    async fn judge(&self, owed: &Claimed, context: Context) -> (Verdict, &'static str) {
        let run = AssertUnwindSafe(async { self.job.run(owed).await }).catch_unwind();
        match timeout(self.job.timeout(), context.scope(run)).await {
            Ok(Ok(verdict)) => {
                let label = verdict.label();
                (verdict, label)
            }
            Ok(Err(panic)) => {
                let message = panic_message(panic.as_ref());
                error!(message, "the job panicked");
                (Verdict::Retry(format!("panicked: {message}")), "panic")
            }
            Err(_) => (Verdict::retry("it took longer than its timeout"), "timeout"),
        }
    }

    async fn settle(&self, owed: &Claimed, verdict: &Verdict) {
        let now = self.ground.db.clock().now();
        let due = match verdict {
            Verdict::Done => return,
            Verdict::Moot => return note(obligation::drop(&self.ground.db, owed).await),
            Verdict::Snooze(pause) => later(now, (*pause).max(SHORTEST_SNOOZE)),
            Verdict::SnoozeUntil(due) => (*due).max(later(now, SHORTEST_SNOOZE)),
            Verdict::Retry(why) => {
                warn!(why, "to be tried again");
                later(
                    now,
                    self.ground
                        .settings
                        .pause(owed.attempts, self.ground.db.ids().permille()),
                )
            }
            Verdict::GiveUp(why) => {
                error!(why, "given up: somebody must look");
                later(now, self.ground.settings.give_up_pause)
            }
        };
        note(obligation::postpone(&self.ground.db, owed, due).await);
    }

    pub(super) async fn measure(&self) {
        let Ok(backlog) = obligation::backlog(&self.ground.db, self.job.kind()).await else {
            return;
        };
        let waiting = u32::try_from(backlog.waiting).unwrap_or(u32::MAX);
        let now = self.ground.db.clock().now();
        let late = backlog
            .oldest
            .map_or(0.0, |due| now.duration_since(due).as_secs_f64());
        metrics::gauge!("work_backlog", "job" => self.job.name()).set(waiting);
        metrics::gauge!("work_oldest_due_seconds", "job" => self.job.name()).set(late);
    }
}

// A claim that is another's by now, or that could not be settled, comes back by itself.
fn note(settled: Result<bool, StoreError>) {
    match settled {
        Ok(true) => {}
        Ok(false) => debug!("the claim was lost; the verdict counts for nothing"),
        Err(error) => warn!(%error, "the claim could not be settled; its lease will end"),
    }
}

/// `pause` after `now`, as far as time goes.
pub(crate) fn later(now: Timestamp, pause: Duration) -> Timestamp {
    now.checked_add(pause).unwrap_or(Timestamp::MAX)
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}
