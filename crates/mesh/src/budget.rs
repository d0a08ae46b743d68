//! How many retries a destination is worth: gRPC's retry throttling, one bucket for all clones of
//! a client. While more than half of the tokens are there, retries are allowed; a failure takes
//! one, a success gives a fifth of one back, so that retries stay below a fifth of the calls.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::policy::RetryThrottling;

const TOKEN: u64 = 1000;

type Rule = Option<RetryThrottling>;

/// The tokens of one destination, in thousandths.
pub(crate) struct Budget {
    /// What it goes by, now.
    rule: Box<dyn Fn() -> Rule + Send + Sync>,
    bucket: Mutex<Bucket>,
    /// Whether a success has anything to give back: nearly never, and asked without a lock.
    short: AtomicBool,
}

struct Bucket {
    tokens: u64,
    /// Until when it has what came by itself.
    filled: Instant,
    rule: Rule,
    most: u64,
    per_success: u64,
    /// For callers who seldom call: tokens per second that come by themselves.
    per_second: u64,
}

/// What is left of a budget, in thousandths of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) tokens: u64,
    pub(crate) most: u64,
    pub(crate) per_success: u64,
}

impl Budget {
    /// Full, by a rule that may change; where there is none: 100 tokens, a fifth per success,
    /// one per second.
    pub(crate) fn new(rule: impl Fn() -> Rule + Send + Sync + 'static) -> Self {
        Self {
            bucket: Mutex::new(Bucket::full(rule())),
            rule: Box::new(rule),
            short: AtomicBool::new(false),
        }
    }

    /// Whether there is less in it than there may be.
    pub(crate) fn is_short(&self) -> bool {
        self.short.load(Ordering::Relaxed)
    }

    /// What is left of it.
    pub(crate) fn view(&self) -> View {
        let bucket = self.settled(Instant::now());
        self.noted(&bucket);
        View {
            tokens: bucket.tokens,
            most: bucket.most,
            per_success: bucket.per_success,
        }
    }

    /// Notes a success. When nothing fails this only reads.
    pub(crate) fn succeeded(&self) {
        if self.is_short() {
            let mut bucket = self.bucket();
            let gain = bucket.per_success;
            bucket.add(gain);
            self.noted(&bucket);
        }
    }

    /// Notes a failure; whether it may be tried again.
    pub(crate) fn failed(&self, now: Instant) -> bool {
        let mut bucket = self.settled(now);
        bucket.tokens = bucket.tokens.saturating_sub(TOKEN);
        self.noted(&bucket);
        bucket.tokens > bucket.most / 2
    }

    /// With what time has given, and by the rule of now.
    fn settled(&self, now: Instant) -> MutexGuard<'_, Bucket> {
        let rule = (self.rule)();
        let mut bucket = self.bucket();
        bucket.earn(now);
        bucket.follow(rule);
        bucket
    }

    fn noted(&self, bucket: &Bucket) {
        let short = bucket.tokens < bucket.most;
        self.short.store(short, Ordering::Relaxed);
    }

    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bucket {
    fn full(rule: Rule) -> Self {
        let [most, per_success, per_second] = measures(rule);
        Self {
            tokens: most,
            filled: Instant::now(),
            rule,
            most,
            per_success,
            per_second,
        }
    }

    fn add(&mut self, gain: u64) {
        self.tokens = self.tokens.saturating_add(gain).min(self.most);
    }

    fn earn(&mut self, now: Instant) {
        let millis = now.saturating_duration_since(self.filled).as_millis();
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        self.add(millis.saturating_mul(self.per_second) / 1000);
        // What is less than a millisecond counts with the next ones.
        let until = self.filled.checked_add(Duration::from_millis(millis));
        self.filled = until.unwrap_or(now);
    }

    /// Goes on by another rule, with the same share of its tokens.
    fn follow(&mut self, rule: Rule) {
        if self.rule == rule {
            return;
        }
        let before = self.most.max(1);
        let tokens = self.tokens;
        *self = Self {
            filled: self.filled,
            ..Self::full(rule)
        };
        self.tokens = tokens.saturating_mul(self.most) / before;
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Budget").field(&self.view()).finish()
    }
}

// The most tokens, what a success and what a second gives, in thousandths.
fn measures(throttling: Rule) -> [u64; 3] {
    let floor = if throttling.is_some() { 0 } else { TOKEN };
    let RetryThrottling {
        max_tokens,
        token_ratio,
    } = throttling.unwrap_or_default();
    [u64::from(max_tokens) * TOKEN, u64::from(token_ratio), floor]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    const PURE: RetryThrottling = RetryThrottling {
        max_tokens: 10,
        token_ratio: 100,
    };

    /// One that goes by what the lever says.
    fn led() -> (Budget, Arc<Mutex<Rule>>) {
        let lever = Arc::<Mutex<Rule>>::default();
        let asked = lever.clone();
        (Budget::new(move || *asked.lock().unwrap()), lever)
    }

    fn retries(budget: &Budget, failures: u32, now: Instant) -> usize {
        (0..failures).filter(|_| budget.failed(now)).count()
    }

    #[test]
    fn retries_stop_when_half_of_the_tokens_are_gone_and_come_back_with_successes() {
        let (budget, now) = (Budget::new(|| Some(PURE)), Instant::now());
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
        let (budget, mut now) = (Budget::new(|| None), Instant::now());
        assert_eq!(retries(&budget, 200, now), 49);
        assert!(!budget.failed(now));
        now += Duration::from_secs(52);
        assert!(budget.failed(now));
        for _ in 0..100 {
            now += Duration::from_secs(1);
            assert!(budget.failed(now));
        }
    }

    #[test]
    fn another_rule_leaves_the_same_share_of_the_tokens() {
        let (budget, lever) = led();
        let now = Instant::now();
        assert_eq!(retries(&budget, 5, now), 5);
        *lever.lock().unwrap() = Some(PURE);
        assert_eq!(retries(&budget, 100, now), 4);
        *lever.lock().unwrap() = None;
        assert!(!budget.failed(now));
        assert!(
            budget.failed(now + Duration::from_secs(52)),
            "time gives some again"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_looks_sees_what_time_has_given_and_the_rule_of_now() {
        let (budget, lever) = led();
        retries(&budget, 10, Instant::now());
        assert_eq!(budget.view().tokens, 90_000);
        tokio::time::advance(Duration::from_millis(1500)).await;
        assert_eq!(budget.view().tokens, 91_500);
        *lever.lock().unwrap() = Some(PURE);
        let View {
            tokens,
            most,
            per_success,
        } = budget.view();
        assert_eq!((tokens, most, per_success), (9_150, 10_000, 100));
    }

    #[test]
    fn what_time_gives_is_not_lost_when_failures_come_in_quick_succession() {
        let (mut bucket, mut now) = (Bucket::full(None), Instant::now());
        (bucket.tokens, bucket.filled) = (0, now);
        // Less than a millisecond apart.
        for _ in 0..4_000 {
            now += Duration::from_micros(500);
            bucket.earn(now);
        }
        assert_eq!(bucket.tokens, 2_000);
    }

    #[test]
    fn a_full_bucket_is_not_short() {
        let budget = Budget::new(|| None);
        assert!(!budget.is_short());
        budget.failed(Instant::now());
        assert!(budget.is_short());
        (0..5).for_each(|_| budget.succeeded());
        assert!(!budget.is_short());
    }

    #[test]
    fn clones_draw_from_one_bucket_at_once() {
        let (budget, now) = (Budget::new(|| Some(PURE)), Instant::now());
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
            let (budget, start) = (Budget::new(|| None), Instant::now());
            let (mut waited, mut successes, mut retried) = (0, 0u64, 0u64);
            for (worked, millis) in steps {
                waited += millis;
                if worked {
                    budget.succeeded();
                    successes += 1;
                } else {
                    retried += u64::from(budget.failed(start + Duration::from_millis(waited)));
                }
                prop_assert!(retried * 1000 <= 50 * 1000 + successes * 200 + waited);
            }
        }
    }
}
