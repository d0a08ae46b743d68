//! How many retries a destination is worth: gRPC's retry throttling, one bucket for all clones of
//! a client. While more than half of the tokens are there, retries are allowed; a failure takes
//! one, a success gives a fifth of one back, so that retries stay below a fifth of the calls.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::policy::RetryThrottling;

const TOKEN: u64 = 1000;

/// The tokens of one destination, in thousandths.
#[derive(Debug)]
pub(crate) struct Budget {
    tokens: AtomicU64,
    most: u64,
    per_success: u64,
    /// For callers who seldom call: tokens per second that come by themselves.
    per_second: u64,
    filled: Mutex<Option<Instant>>,
}

impl Budget {
    /// Full. Without a configured throttling: 20 tokens, a fifth per success, one per second.
    pub(crate) fn new(throttling: Option<RetryThrottling>) -> Self {
        let floor = if throttling.is_some() { 0 } else { TOKEN };
        let RetryThrottling {
            max_tokens,
            token_ratio,
        } = throttling.unwrap_or_default();
        let most = u64::from(max_tokens) * TOKEN;
        Self {
            tokens: AtomicU64::new(most),
            most,
            per_success: u64::from(token_ratio),
            per_second: floor,
            filled: Mutex::new(None),
        }
    }

    /// Notes a success. When nothing fails this only reads.
    pub(crate) fn succeeded(&self) {
        if self.tokens.load(Ordering::Relaxed) < self.most {
            self.change(|tokens| tokens.saturating_add(self.per_success));
        }
    }

    /// Notes a failure; whether it may be tried again.
    pub(crate) fn failed(&self, now: Instant) -> bool {
        let earned = self.earned(now);
        let left = self.change(|tokens| {
            let tokens = tokens.saturating_add(earned).min(self.most);
            tokens.saturating_sub(TOKEN)
        });
        left > self.most / 2
    }

    fn change(&self, step: impl Fn(u64) -> u64) -> u64 {
        let step = |tokens| step(tokens).min(self.most);
        let before = self
            .tokens
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tokens| {
                Some(step(tokens))
            });
        step(before.unwrap_or_else(|tokens| tokens))
    }

    // Only failures ask for it: successes need no clock.
    fn earned(&self, now: Instant) -> u64 {
        let mut filled = self.filled.lock().unwrap_or_else(PoisonError::into_inner);
        let since = filled.replace(now).unwrap_or(now);
        let millis = now.saturating_duration_since(since).as_millis();
        u64::try_from(millis)
            .unwrap_or(u64::MAX)
            .saturating_mul(self.per_second)
            / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    const PURE: RetryThrottling = RetryThrottling {
        max_tokens: 10,
        token_ratio: 100,
    };

    fn retries(budget: &Budget, failures: u32, now: Instant) -> usize {
        (0..failures).filter(|_| budget.failed(now)).count()
    }

    #[test]
    fn retries_stop_when_half_of_the_tokens_are_gone_and_come_back_with_successes() {
        let (budget, now) = (Budget::new(Some(PURE)), Instant::now());
        assert_eq!(retries(&budget, 100, now), 4);
        // Empty: it takes more than half of the tokens, at a tenth each.
        for _ in 0..60 {
            assert!(
                !budget.failed(now + Duration::from_hours(1)),
                "time gives nothing"
            );
            (0..10).for_each(|_| budget.succeeded());
        }
        (0..50).for_each(|_| budget.succeeded());
        assert!(!budget.failed(now));
        (0..11).for_each(|_| budget.succeeded());
        assert!(budget.failed(now));
    }

    #[test]
    fn who_seldom_calls_may_always_try_again() {
        let (budget, mut now) = (Budget::new(None), Instant::now());
        assert_eq!(retries(&budget, 100, now), 9);
        assert!(!budget.failed(now));
        now += Duration::from_secs(12);
        assert!(budget.failed(now));
        for _ in 0..100 {
            now += Duration::from_secs(1);
            assert!(budget.failed(now));
        }
    }

    #[test]
    fn clones_draw_from_one_bucket_at_once() {
        let (budget, now) = (Budget::new(Some(PURE)), Instant::now());
        let allowed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| retries(&budget, 50, now)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(allowed, 4);
    }

    proptest! {
        /// However calls end, retries are at most a fifth of the successes, and the floor.
        #[test]
        fn retries_are_at_most_a_fifth_and_the_floor(
            steps in prop::collection::vec((any::<bool>(), 0u64..500), 0..500),
        ) {
            let (budget, start) = (Budget::new(None), Instant::now());
            let (mut waited, mut successes, mut retried) = (0, 0u64, 0u64);
            for (worked, millis) in steps {
                waited += millis;
                if worked {
                    budget.succeeded();
                    successes += 1;
                } else {
                    retried += u64::from(budget.failed(start + Duration::from_millis(waited)));
                }
                prop_assert!(retried * 1000 <= 10 * 1000 + successes * 200 + waited);
            }
        }
    }
}
