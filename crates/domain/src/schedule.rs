//! When things are tried again: polls by the payment's age, backoff by the number of tries.

use std::time::Duration;

/// The ages at which a dead payment is asked about again; after the last, the statement decides.
pub const CONFIRM_AGES: [Duration; 3] = [
    Duration::from_mins(10),
    Duration::from_hours(1),
    Duration::from_hours(24),
];

/// The pauses before each try to tell a merchant; the first is made at once.
pub const NOTIFY_PAUSES: [Duration; 10] = [
    Duration::ZERO,
    Duration::from_secs(15),
    Duration::from_secs(15),
    Duration::from_secs(30),
    Duration::from_mins(3),
    Duration::from_mins(30),
    Duration::from_mins(30),
    Duration::from_mins(30),
    Duration::from_mins(30),
    Duration::from_hours(1),
];

/// Part of a schedule: a poll each `every` until the payment is `until` old, that age included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Band {
    /// The pause between two polls.
    pub every: Duration,
    /// The age at which the band ends.
    pub until: Duration,
}

/// The ages at which a live payment is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PollSchedule {
    first: Vec<Duration>,
    bands: Vec<Band>,
}

impl PollSchedule {
    /// Polls at these ages, then in these bands; both in ascending order.
    pub const fn new(first: Vec<Duration>, bands: Vec<Band>) -> Self {
        Self { first, bands }
    }

    /// c→b: at 10, 30 and 60 s, each minute to 15 min, each 5 min to the pay limit.
    pub fn customer_scans(limit: Duration) -> Self {
        let quarter = Duration::from_mins(15);
        let bands = vec![
            Band {
                every: Duration::from_mins(1),
                until: quarter.min(limit),
            },
            Band {
                every: Duration::from_mins(5),
                until: limit,
            },
        ];
        let first = [10, 30, 60].map(Duration::from_secs);
        Self::new(
            first.into_iter().filter(|age| *age <= limit).collect(),
            bands,
        )
    }

    /// b→c: after 2, 3, 5, 5 … s until 60 s, after which the payment is reversed.
    pub fn merchant_scans() -> Self {
        let band = Band {
            every: Duration::from_secs(5),
            until: Duration::from_mins(1),
        };
        Self::new([2, 5].map(Duration::from_secs).to_vec(), vec![band])
    }

    /// The same polls, `times` as fast: what demonstrations and tests use.
    #[must_use]
    pub fn compressed(&self, times: u32) -> Self {
        let shorter = |each: Duration| each.checked_div(times).unwrap_or(each);
        let band = |band: &Band| Band {
            every: shorter(band.every),
            until: shorter(band.until),
        };
        let first = self.first.iter().copied().map(shorter).collect();
        Self::new(first, self.bands.iter().map(band).collect())
    }

    /// The age of the next poll of a payment this old; `None` when the schedule is over, and
    /// with it the payer's time. A payment that is UNKNOWN then is still asked about.
    pub fn next_after(&self, age: Duration) -> Option<Duration> {
        if let Some(next) = self.first.iter().find(|first| **first > age) {
            return Some(*next);
        }
        let mut start = self.first.last().copied().unwrap_or(Duration::ZERO);
        for band in &self.bands {
            let next = tick_after(start, band.every, age);
            if next <= band.until {
                return Some(next);
            }
            start = start.max(band.until);
        }
        None
    }
}

/// The first of `start`, `start + every`, … above `age`, `start` itself left out.
fn tick_after(start: Duration, every: Duration, age: Duration) -> Duration {
    let every = every.as_micros().max(1);
    let passed = age
        .saturating_sub(start)
        .as_micros()
        .checked_div(every)
        .unwrap_or(0);
    let ahead = passed.saturating_add(1).saturating_mul(every);
    start.saturating_add(Duration::from_micros(
        u64::try_from(ahead).unwrap_or(u64::MAX),
    ))
}

/// Pauses that double from `first` to `longest`, and are a day after `tries`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The pause after the first try.
    pub first: Duration,
    /// The longest pause before it becomes `daily`.
    pub longest: Duration,
    /// How many tries are made before that.
    pub tries: u32,
    /// The pause after them; a day, unless time is compressed.
    pub daily: Duration,
}

impl Default for Backoff {
    /// 5 s, doubling to 30 min, for 20 tries (some 6 hours), then daily.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(5),
            longest: Duration::from_mins(30),
            tries: 20,
            daily: Duration::from_hours(24),
        }
    }
}

impl Backoff {
    /// The pause after the `tried`-th failed try, counted from 1.
    pub fn after(&self, tried: u32) -> Duration {
        if tried > self.tries {
            return self.daily;
        }
        let factor = 2_u32.saturating_pow(tried.saturating_sub(1));
        self.first.saturating_mul(factor).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ages(schedule: &PollSchedule) -> Vec<u64> {
        let next = |age: &Duration| schedule.next_after(*age);
        let all = std::iter::successors(schedule.next_after(Duration::ZERO), next);
        all.map(|age| age.as_secs()).collect()
    }

    #[test]
    fn a_shown_code_is_asked_about_until_the_limit() {
        let polled = ages(&PollSchedule::customer_scans(Duration::from_hours(2)));
        let minutes = (2..=15).map(|minute| minute * 60);
        let fives = (4..=24).map(|five| five * 300);
        let expected: Vec<u64> = [10, 30, 60]
            .into_iter()
            .chain(minutes)
            .chain(fives)
            .collect();
        assert_eq!(polled, expected);
    }

    #[test]
    fn a_scanned_code_is_asked_about_for_a_minute() {
        let expected = [2, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60];
        assert_eq!(ages(&PollSchedule::merchant_scans()), expected);
    }

    #[test]
    fn polls_that_were_missed_are_not_made_up() {
        let schedule = PollSchedule::customer_scans(Duration::from_hours(2));
        let next = |secs| {
            schedule
                .next_after(Duration::from_secs(secs))
                .map(|age| age.as_secs())
        };
        assert_eq!(next(61), Some(120));
        assert_eq!(next(899), Some(900));
        assert_eq!(next(901), Some(1_200));
        assert_eq!(next(7_200), None);
        assert_eq!(schedule.next_after(Duration::MAX), None);
    }

    #[test]
    fn a_short_limit_ends_the_minutes_early() {
        let polled = ages(&PollSchedule::customer_scans(Duration::from_mins(3)));
        assert_eq!(polled, [10, 30, 60, 120, 180]);
    }

    #[test]
    fn compressed_time_keeps_the_shape() {
        let schedule = PollSchedule::merchant_scans().compressed(1_000);
        assert_eq!(
            schedule.next_after(Duration::ZERO),
            Some(Duration::from_millis(2))
        );
        assert_eq!(schedule.next_after(Duration::from_millis(60)), None);
    }

    #[test]
    fn pauses_double_to_a_limit_and_then_are_daily() {
        let backoff = Backoff::default();
        let pauses =
            [0, 1, 2, 3, 9, 10, 20, 21, u32::MAX].map(|tried| backoff.after(tried).as_secs());
        assert_eq!(pauses, [5, 5, 10, 20, 1_280, 1_800, 1_800, 86_400, 86_400]);
    }

    proptest! {
        #[test]
        fn the_next_poll_is_always_ahead(age in 0..10_000_000_000_u64, limit in 0..20_000_u64) {
            let age = Duration::from_micros(age);
            let schedule = PollSchedule::customer_scans(Duration::from_secs(limit));
            let limit = Duration::from_secs(limit);
            prop_assert!(schedule.next_after(age).is_none_or(|next| age < next && next <= limit));
        }
    }
}
