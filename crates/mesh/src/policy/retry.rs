//! When and how soon a call may be tried again.

use std::time::Duration;

use tonic::Code;

/// How a method's failed attempts are followed by others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Before the second attempt; 25 ms.
    pub initial_backoff: Duration,
    /// The longest wait; 1 s.
    pub max_backoff: Duration,
    /// By how much each wait is longer than the one before, in thousandths; 2000.
    pub multiplier: u32,
    /// The codes after which it is tried again; UNAVAILABLE.
    pub codes: Codes,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            initial_backoff: Duration::from_millis(25),
            max_backoff: Duration::from_secs(1),
            multiplier: 2000,
            codes: Codes::default().with(Code::Unavailable),
        }
    }
}

impl RetryPolicy {
    /// How long to wait after `waits` earlier waits, 20 % more or less: `jitter` is from 0 to 999.
    pub(crate) fn backoff(&self, waits: u32, jitter: u32) -> Duration {
        let mut wait = self.initial_backoff.min(self.max_backoff);
        for _ in 0..waits {
            let next = wait.saturating_mul(self.multiplier) / 1000;
            // Grown as far as it goes, or not at all.
            if next >= self.max_backoff || next <= wait {
                wait = next.min(self.max_backoff);
                break;
            }
            wait = next;
        }
        wait.saturating_mul(800 + jitter.min(999) * 2 / 5) / 1000
    }
}

/// A set of gRPC codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Codes(u32);

impl Codes {
    /// The same and `code`.
    pub fn with(self, code: Code) -> Self {
        Self(self.0 | bit(code))
    }

    /// Whether `code` is among them.
    pub fn contains(self, code: Code) -> bool {
        self.0 & bit(code) != 0
    }
}

fn bit(code: Code) -> u32 {
    1 << (i32::from(code) & 31)
}

/// How a destination that fails is spared retries, as in gRPC's `retryThrottling`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryThrottling {
    /// How many tokens there are at most; a failure takes one, and with half of them none is
    /// tried again; 100: one of five endpoints that fails takes that many calls along at once.
    pub max_tokens: u32,
    /// What a success gives back, in thousandths of a token; 200.
    pub token_ratio: u32,
}

impl Default for RetryThrottling {
    fn default() -> Self {
        Self {
            max_tokens: 100,
            token_ratio: 200,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_is_longer_up_to_the_longest_and_a_fifth_more_or_less() {
        let policy = RetryPolicy {
            initial_backoff: Duration::from_millis(100),
            multiplier: 1600,
            ..RetryPolicy::default()
        };
        for (waits, millis) in [(0, 100), (1, 160), (2, 256), (5, 1000), (u32::MAX, 1000)] {
            let [least, middle, most] = [0, 500, 999].map(|jitter| policy.backoff(waits, jitter));
            let expected = Duration::from_millis(millis);
            let near = |wait: Duration| wait.abs_diff(expected) < Duration::from_millis(6);
            assert!(near(middle), "{waits}: {middle:?}");
            assert_eq!(least, middle * 4 / 5, "{waits}");
            assert!(
                most < middle * 6 / 5 && most > middle * 119 / 100,
                "{waits}"
            );
        }
    }

    #[test]
    fn a_wait_that_does_not_grow_stays() {
        let policy = RetryPolicy {
            multiplier: 1000,
            ..RetryPolicy::default()
        };
        assert_eq!(policy.backoff(u32::MAX, 500), policy.initial_backoff);
    }

    #[test]
    fn a_set_has_the_codes_put_into_it() {
        let codes = Codes::default().with(Code::Unavailable).with(Code::Aborted);
        for code in (0..17).map(Code::from_i32) {
            let expected = matches!(code, Code::Unavailable | Code::Aborted);
            assert_eq!(codes.contains(code), expected, "{code:?}");
        }
    }
}
