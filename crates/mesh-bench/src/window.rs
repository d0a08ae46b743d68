//! What became of the calls of a while.

use std::time::Duration;

use crate::load::Sample;

/// A while's calls.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Window {
    /// Calls that were answered, a second.
    pub(crate) per_second: f64,
    pub(crate) answered: u32,
    pub(crate) failed: u32,
    /// Of those that were answered, in milliseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) worst: f64,
    /// Of the calls that reached a server, how many in a hundred reached the one in trouble.
    pub(crate) troubled: f64,
}

impl Window {
    /// Of the calls made between these two moments.
    pub(crate) fn of(samples: &[Sample], from: Duration, to: Duration) -> Self {
        let made = samples.iter().filter(|made| (from..to).contains(&made.at));
        let (failed, answered): (Vec<&Sample>, Vec<_>) = made.partition(|made| made.failed);
        let mut took: Vec<Duration> = answered.iter().map(|made| made.took).collect();
        took.sort_unstable();
        let span = to.saturating_sub(from).as_secs_f64();
        Self {
            per_second: number(took.len()) / span.max(f64::EPSILON),
            answered: small(took.len()),
            failed: small(failed.len()),
            p50: quantile(&took, 500),
            p99: quantile(&took, 990),
            worst: quantile(&took, 1000),
            troubled: 0.0,
        }
    }

    /// Failed calls in a hundred.
    pub(crate) fn failed_share(&self) -> f64 {
        let all = f64::from(self.failed) + f64::from(self.answered);
        100.0 * f64::from(self.failed) / all.max(1.0)
    }
}

fn quantile(sorted: &[Duration], permille: usize) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let place = (sorted.len() * permille / 1000).min(last);
    sorted
        .get(place)
        .map_or(0.0, |took| took.as_secs_f64() * 1000.0)
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// As a floating-point number.
pub(crate) fn number(count: usize) -> f64 {
    f64::from(small(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_the_calls_that_were_made_in_it() {
        let made = |at: u64, took: u64, failed| Sample {
            at: Duration::from_millis(at),
            took: Duration::from_millis(took),
            failed,
        };
        let mut samples: Vec<_> = (0..100).map(|at| made(at, at + 1, false)).collect();
        samples.push(made(50, 1, true));
        samples.push(made(100, 1000, false));
        let window = Window::of(&samples, Duration::ZERO, Duration::from_millis(100));
        assert_eq!((window.answered, window.failed), (100, 1));
        assert!((window.per_second - 1000.0).abs() < 1e-6);
        assert!((window.p50 - 51.0).abs() < 1e-6 && (window.p99 - 100.0).abs() < 1e-6);
        assert!((window.failed_share() - 100.0 / 101.0).abs() < 1e-6);
        let none = Window::of(&samples, Duration::from_secs(1), Duration::from_secs(2));
        assert_eq!((none.answered, none.failed), (0, 0));
    }
}
