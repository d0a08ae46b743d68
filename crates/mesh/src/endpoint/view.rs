//! What explain is told about an endpoint: how it does, and what went wrong lately.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::{Endpoint, SLOW_START, lock};

/// How many failures are remembered.
const KEPT: usize = 8;

/// How an endpoint does.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// What picks compare.
    pub(crate) load: u64,
    pub(crate) latency: Duration,
    pub(crate) pending: usize,
    /// How many calls it ever got.
    pub(crate) calls: u64,
    /// For how long it counts as new.
    pub(crate) slow_start_left: Duration,
    /// Nobody has heard of it lately, and a call is finding out.
    pub(crate) tried_out: bool,
}

/// What went wrong once.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    pub(crate) at: Instant,
    pub(crate) what: String,
}

/// The last failures.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<VecDeque<Failed>>);

impl Failures {
    fn note(&self, what: String) {
        let mut kept = lock(&self.0);
        kept.truncate(KEPT - 1);
        let at = Instant::now();
        kept.push_front(Failed { at, what });
    }
}

impl Endpoint {
    /// How it does now.
    pub(crate) fn view(&self, now: Instant) -> View {
        let load = self.load(now);
        let pending = self.pending.load(Ordering::Relaxed);
        let record = lock(&self.record);
        let age = now.saturating_duration_since(record.ready_since);
        View {
            load,
            latency: Duration::from_micros(record.cost.cost(now)),
            pending,
            calls: self.calls.load(Ordering::Relaxed),
            slow_start_left: SLOW_START.saturating_sub(age),
            tried_out: pending > 0 && record.is_unproven(now),
        }
    }

    /// Remembers that something went wrong, and what.
    pub(crate) fn note_failure(&self, what: String) {
        self.failures.note(what);
    }

    /// The last failures, the latest first.
    pub(crate) fn failures(&self) -> Vec<Failed> {
        lock(&self.failures.0).iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_failures_are_remembered_the_latest_first() {
        let failures = Failures::default();
        for nth in 1..=10 {
            failures.note(format!("number {nth}"));
        }
        let kept = lock(&failures.0);
        assert_eq!(kept.len(), KEPT);
        assert_eq!((&*kept[0].what, &*kept[7].what), ("number 10", "number 3"));
    }
}
