//! How jobs are claimed and tried again.

use std::time::Duration;

use serde::Deserialize;

/// The `jobs` section every worker's configuration has.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunnerSettings {
    /// How often to look for what is due when nothing rings.
    #[serde(with = "humantime_serde")]
    pub poll: Duration,
    /// How long a claim holds; longer than any job's timeout and the slack.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    /// What clocks and commits may be off by.
    #[serde(with = "humantime_serde")]
    pub slack: Duration,
    /// The first pause before a job is tried again; it doubles each time.
    #[serde(with = "humantime_serde")]
    pub retry_first: Duration,
    /// The longest pause before a job is tried again.
    #[serde(with = "humantime_serde")]
    pub retry_most: Duration,
    /// The pause before what was given up is tried again.
    #[serde(with = "humantime_serde")]
    pub give_up_pause: Duration,
    /// The least time between two claims of a kind while the bell rings.
    #[serde(with = "humantime_serde")]
    pub gap_least: Duration,
    /// The most it grows to while claims find nothing.
    #[serde(with = "humantime_serde")]
    pub gap_most: Duration,
    /// How often backlogs are measured.
    #[serde(with = "humantime_serde")]
    pub sample: Duration,
}

impl Default for RunnerSettings {
    fn default() -> Self {
        Self {
            poll: Duration::from_millis(500),
            lease: Duration::from_mins(1),
            slack: Duration::from_secs(5),
            retry_first: Duration::from_secs(1),
            retry_most: Duration::from_mins(5),
            give_up_pause: Duration::from_hours(24),
            gap_least: Duration::from_millis(5),
            gap_most: Duration::from_millis(40),
            sample: Duration::from_secs(5),
        }
    }
}

impl RunnerSettings {
    /// The pause after a failed try: doubled for each, ± 20 % so that what failed together
    /// does not come back together.
    pub(crate) fn pause(&self, attempts: u32, permille: u32) -> Duration {
        scatter(
            backoff(self.retry_first, self.retry_most, attempts),
            permille,
        )
    }
}

/// `first`, doubled with each attempt after the first, `most` at most.
pub(crate) fn backoff(first: Duration, most: Duration, attempts: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(attempts.saturating_sub(1));
    first.saturating_mul(doubled).min(most)
}

/// The pause, ± 20 %.
pub(crate) fn scatter(pause: Duration, permille: u32) -> Duration {
    pause.saturating_mul(800 + permille.min(1000) * 2 / 5) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_scatter_by_a_fifth() {
        let settings = RunnerSettings::default();
        let pauses = [1, 2, 3, 9, 10, 4_000_000_000].map(|n| settings.pause(n, 500).as_secs());
        assert_eq!(pauses, [1, 2, 4, 256, 300, 300]);
        assert_eq!(settings.pause(1, 0), Duration::from_millis(800));
        assert_eq!(settings.pause(1, 1000), Duration::from_millis(1200));
    }
}
