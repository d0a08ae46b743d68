//! What a service does about one kind of obligation.

use std::fmt::Display;
use std::ops::AddAssign;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use store::obligation::Claimed;

/// Meets obligations of one kind. It may run twice for one obligation (a lease that ended,
/// a crash), so what it does must be harmless to repeat.
#[async_trait]
pub trait Job: Send + Sync + 'static {
    /// Which obligation.
    fn kind(&self) -> i16;

    /// Its name in logs and metrics.
    fn name(&self) -> &'static str;

    /// How many are claimed at once; at most 50.
    fn batch(&self) -> u32 {
        50
    }

    /// How many run at once.
    fn concurrency(&self) -> u32 {
        50
    }

    /// How long one may take; then it is dropped where it waits and tried again.
    fn timeout(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// Does what is owed, or says why not. Runs in a context with the timeout as deadline.
    async fn run(&self, owed: &Claimed) -> Verdict;
}

/// What became of an obligation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A write ended it, or armed it anew.
    Done,
    /// Not owed after all: it is dropped, under the claim's token.
    Moot,
    /// As it should be, and to be looked at again after this time.
    Snooze(Duration),
    /// The same, at this time.
    SnoozeUntil(Timestamp),
    /// It failed and is tried again, later each time (by the claims since it was armed).
    Retry(String),
    /// Somebody must look: logged as an error, counted, tried again daily, never dropped.
    GiveUp(String),
}

impl Verdict {
    /// To be tried again because of this.
    pub fn retry(why: impl Display) -> Self {
        Self::Retry(why.to_string())
    }

    /// Given up because of this.
    pub fn give_up(why: impl Display) -> Self {
        Self::GiveUp(why.to_string())
    }

    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Moot => "moot",
            Self::Snooze(_) | Self::SnoozeUntil(_) => "snooze",
            Self::Retry(_) => "retry",
            Self::GiveUp(_) => "give_up",
        }
    }

    pub(crate) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        match self {
            Self::Done | Self::Moot => tally.done = 1,
            Self::Snooze(_) | Self::SnoozeUntil(_) => tally.postponed = 1,
            Self::Retry(_) | Self::GiveUp(_) => tally.failed = 1,
        }
        tally
    }
}

/// How much was done in a run until nothing was due.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Finished.
    pub done: u64,
    /// As it should be, and to be looked at again later.
    pub postponed: u64,
    /// Failed: to be tried again, or given up with an alarm.
    pub failed: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.done += other.done;
        self.postponed += other.postponed;
        self.failed += other.failed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_counts_as_failed_though_it_is_tried_again() {
        let counts = |verdict: &Verdict| {
            let Tally {
                done,
                postponed,
                failed,
            } = verdict.tally();
            (done, postponed, failed)
        };
        for (verdict, counted) in [
            (Verdict::Done, (1, 0, 0)),
            (Verdict::Moot, (1, 0, 0)),
            (Verdict::Snooze(Duration::ZERO), (0, 1, 0)),
            (Verdict::SnoozeUntil(Timestamp::MAX), (0, 1, 0)),
            (Verdict::retry("a peer is away"), (0, 0, 1)),
            (Verdict::give_up("money is missing"), (0, 0, 1)),
        ] {
            assert_eq!(counts(&verdict), counted, "{verdict:?}");
        }
    }
}
