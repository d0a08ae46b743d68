//! Rate schemes: which rate is in force at an instant, and which schemes are valid.

use jiff::Timestamp;

use crate::money::{Fen, Ppm};

/// A rate that replaces the current one from `begin` on, that instant included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FutureRate {
    /// The rate.
    pub rate: Ppm,
    /// From when it applies.
    pub begin: Timestamp,
}

impl FutureRate {
    /// A future rate, if both its rate and its begin are set.
    pub fn of(rate: Option<Ppm>, begin: Option<Timestamp>) -> Option<Self> {
        rate.zip(begin).map(|(rate, begin)| Self { rate, begin })
    }
}

/// One published version of what a shop pays for a pay type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateScheme {
    /// 1 for the first, then one more each time.
    pub version: i64,
    /// The rate until the future one begins.
    pub current: Ppm,
    /// The rate after that.
    pub future: Option<FutureRate>,
    /// The least fee of a payment.
    pub min: Fen,
    /// The greatest, if there is a limit.
    pub cap: Option<Fen>,
    /// From when this version counts.
    pub published_at: Timestamp,
}

/// Why a scheme was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// Versions begin at 1.
    #[error("version {0} is not above 0")]
    Version(i64),
    /// The least fee is below zero.
    #[error("the least fee of {0} fen is below 0")]
    NegativeMin(Fen),
    /// The cap is below the least fee.
    #[error("the cap of {cap} fen is below the least fee of {min} fen")]
    CapBelowMin {
        /// The cap.
        cap: Fen,
        /// The least fee.
        min: Fen,
    },
    /// The future rate would have changed the past.
    #[error("the future rate begins before the scheme is published")]
    BeginsInThePast,
}

impl RateScheme {
    /// Whether the scheme may be published.
    pub fn validate(&self) -> Result<(), RateError> {
        if self.version <= 0 {
            return Err(RateError::Version(self.version));
        }
        if self.min < Fen::ZERO {
            return Err(RateError::NegativeMin(self.min));
        }
        if let Some(cap) = self.cap.filter(|cap| *cap < self.min) {
            return Err(RateError::CapBelowMin { cap, min: self.min });
        }
        if self
            .future
            .is_some_and(|future| future.begin < self.published_at)
        {
            return Err(RateError::BeginsInThePast);
        }
        Ok(())
    }

    /// The future rate from its begin on, else the current one.
    pub fn rate_at(&self, at: Timestamp) -> Ppm {
        self.future
            .filter(|future| at >= future.begin)
            .map_or(self.current, |future| future.rate)
    }

    /// What this version says of a payment made at an instant.
    pub fn effective_at(&self, at: Timestamp) -> EffectiveRate {
        let Self {
            version, min, cap, ..
        } = *self;
        EffectiveRate {
            scheme_version: version,
            rate: self.rate_at(at),
            min,
            cap,
        }
    }

    /// The version in force at an instant: the last one published by then, else the first,
    /// because nothing else could ever settle what was paid before it. There is no default.
    pub fn in_force(history: &[Self], at: Timestamp) -> Option<&Self> {
        let published = history.iter().filter(|scheme| scheme.published_at <= at);
        let last = published.max_by_key(|scheme| (scheme.published_at, scheme.version));
        last.or_else(|| history.iter().min_by_key(|scheme| scheme.version))
    }
}

/// What applies to one payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EffectiveRate {
    /// The version it comes from.
    pub scheme_version: i64,
    /// The rate.
    pub rate: Ppm,
    /// The least fee.
    pub min: Fen,
    /// The greatest, if there is a limit.
    pub cap: Option<Fen>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn ppm(ppm: u32) -> Ppm {
        Ppm::new(ppm).unwrap()
    }

    fn scheme(version: i64, published: i64) -> RateScheme {
        RateScheme {
            version,
            current: ppm(6_000),
            future: FutureRate::of(Some(ppm(3_800)), Some(at(1_000))),
            min: Fen::new(1),
            cap: Some(Fen::new(100)),
            published_at: at(published),
        }
    }

    #[test]
    fn the_future_rate_begins_at_its_instant_inclusive() {
        let scheme = scheme(1, 0);
        let before = at(1_000) - jiff::SignedDuration::from_micros(1);
        assert_eq!(scheme.rate_at(before), ppm(6_000));
        assert_eq!(scheme.rate_at(at(1_000)), ppm(3_800));
        assert_eq!(scheme.rate_at(at(5_000)), ppm(3_800));
    }

    #[test]
    fn half_a_future_rate_is_none() {
        assert_eq!(FutureRate::of(Some(ppm(1)), None), None);
        assert_eq!(FutureRate::of(None, Some(at(0))), None);
        let scheme = RateScheme {
            future: None,
            ..scheme(1, 0)
        };
        assert_eq!(scheme.rate_at(at(5_000)), ppm(6_000));
    }

    #[test]
    fn the_last_published_version_is_in_force() {
        let history = [scheme(3, 300), scheme(1, 100), scheme(2, 300)];
        let version = |second| RateScheme::in_force(&history, at(second)).map(|s| s.version);
        assert_eq!(version(100), Some(1));
        assert_eq!(version(299), Some(1));
        assert_eq!(version(300), Some(3));
    }

    #[test]
    fn the_first_version_counts_for_what_was_before_it() {
        let history = [scheme(3, 300), scheme(1, 100), scheme(2, 300)];
        let version = |second| RateScheme::in_force(&history, at(second)).map(|s| s.version);
        assert_eq!((version(99), version(0)), (Some(1), Some(1)));
        assert_eq!(RateScheme::in_force(&[], at(99)), None);
    }

    #[test]
    fn a_scheme_that_makes_no_sense_is_refused() {
        let good = scheme(1, 0);
        assert_eq!(good.validate(), Ok(()));
        assert_eq!(
            RateScheme {
                published_at: at(1_000),
                ..good
            }
            .validate(),
            Ok(())
        );
        let late = RateScheme {
            published_at: at(1_001),
            ..good
        };
        assert_eq!(late.validate(), Err(RateError::BeginsInThePast));
        let (min, cap) = (Fen::new(101), Fen::new(100));
        let crossed = RateScheme { min, ..good };
        assert_eq!(crossed.validate(), Err(RateError::CapBelowMin { cap, min }));
        assert_eq!(RateScheme { min: cap, ..good }.validate(), Ok(()));
        let negative = RateScheme {
            min: Fen::new(-1),
            ..good
        };
        assert_eq!(
            negative.validate(),
            Err(RateError::NegativeMin(Fen::new(-1)))
        );
        assert_eq!(
            RateScheme { version: 0, ..good }.validate(),
            Err(RateError::Version(0))
        );
    }

    #[test]
    fn what_applies_names_its_version() {
        let effective = scheme(7, 0).effective_at(at(1_000));
        let expected = EffectiveRate {
            scheme_version: 7,
            rate: ppm(3_800),
            min: Fen::new(1),
            cap: Some(Fen::new(100)),
        };
        assert_eq!(effective, expected);
    }
}
