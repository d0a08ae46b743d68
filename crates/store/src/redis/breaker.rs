//! After several failures in a row nothing is asked for a while, then one call at a time
//! finds out whether it works again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many failures in a row begin a pause.
pub(crate) const LIMIT: u32 = 5;
/// How long nothing is asked.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);

/// Counts failures in a row.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    paused_until: Option<Instant>,
}

impl Breaker {
    /// Whether to ask. Who is let through after a pause begins the next one for the others.
    pub(crate) fn admits(&self, now: Instant) -> bool {
        let mut state = self.lock();
        match state.paused_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                state.paused_until = Some(now + PAUSE);
                true
            }
        }
    }

    /// Notes an answer; whether it is the first after a pause.
    pub(crate) fn worked(&self) -> bool {
        let mut state = self.lock();
        state.failures = 0;
        state.paused_until.take().is_some()
    }

    /// Notes a failure; whether it begins the first pause.
    pub(crate) fn failed(&self, now: Instant) -> bool {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        if state.failures < LIMIT {
            return false;
        }
        state.paused_until.replace(now + PAUSE).is_none()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(breaker: &Breaker, times: u32, now: Instant) -> bool {
        (0..times).fold(false, |_, _| breaker.failed(now))
    }

    #[test]
    fn failures_in_a_row_begin_a_pause_and_single_ones_do_not() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        assert!(!fail(&breaker, LIMIT - 1, now));
        assert!(!breaker.worked());
        assert!(!fail(&breaker, LIMIT - 1, now));
        assert!(breaker.admits(now));
        assert!(breaker.failed(now), "the pause has begun");
        assert!(!breaker.failed(now), "and is said once");
        assert!(!breaker.admits(now));
        assert!(!breaker.admits(now + PAUSE - Duration::from_nanos(1)));
    }

    #[test]
    fn after_a_pause_one_finds_out_for_all() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        fail(&breaker, LIMIT, now);
        let later = now + PAUSE;
        assert!(breaker.admits(later));
        assert!(!breaker.admits(later), "another is finding out");
        assert!(!breaker.failed(later));
        assert!(!breaker.admits(later));
        assert!(breaker.admits(later + PAUSE));
        assert!(breaker.worked());
        assert!(breaker.admits(later) && breaker.admits(later));
        assert!(!breaker.worked());
    }
}
