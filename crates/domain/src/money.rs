//! Money in whole fen and rates in parts per million; rounding is half up to the fen.

use std::fmt;

/// Why an amount or a rate was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// A rate above one.
    #[error("a rate of {0} ppm is above 1000000 ppm")]
    RateAboveOne(u32),
    /// Text that is not like `12.34`.
    #[error("not an amount in yuan with at most two decimals")]
    NotYuan,
}

/// An amount of money in fen (分).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fen(i64);

impl Fen {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// That many fen.
    pub const fn new(fen: i64) -> Self {
        Self(fen)
    }

    /// The number of fen.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Above zero.
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// The sum, unless it overflows.
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, unless it overflows.
    pub fn minus(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The same amount the other way, unless it overflows.
    pub fn negated(self) -> Option<Self> {
        self.0.checked_neg().map(Self)
    }

    /// The sum of all, unless it overflows.
    pub fn total(amounts: impl IntoIterator<Item = Self>) -> Option<Self> {
        amounts.into_iter().try_fold(Self::ZERO, Self::plus)
    }

    /// `self × part / whole`, half up; `None` when `whole` is zero or the result overflows.
    pub fn share(self, part: Self, whole: Self) -> Option<Self> {
        let product = i128::from(self.0).checked_mul(i128::from(part.0))?;
        half_up(product, i128::from(whole.0)).map(Self)
    }

    /// In yuan with two decimals, as Alipay writes amounts: `12.34`.
    pub fn to_yuan(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let fen = self.0.unsigned_abs();
        format!("{sign}{}.{:02}", fen / 100, fen % 100)
    }

    /// Reads `12`, `12.3` or `12.34` yuan; nothing negative, no sign, no exponent.
    pub fn from_yuan(text: &str) -> Result<Self, MoneyError> {
        parse_yuan(text).ok_or(MoneyError::NotYuan)
    }
}

impl fmt::Display for Fen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A rate in parts per million, 0 to 1,000,000; 6,000 is 0.6 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ppm(u32);

impl Ppm {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The whole.
    pub const ONE: Self = Self(1_000_000);

    /// That many parts per million; above one is an error.
    pub const fn new(ppm: u32) -> Result<Self, MoneyError> {
        if ppm > Self::ONE.0 {
            return Err(MoneyError::RateAboveOne(ppm));
        }
        Ok(Self(ppm))
    }

    /// The number of parts per million.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The rate's part of an amount, half up to the fen.
    pub fn of(self, amount: Fen) -> Fen {
        let (part, whole) = (
            Fen::new(i64::from(self.0)),
            Fen::new(i64::from(Self::ONE.0)),
        );
        amount
            .share(part, whole)
            .expect("a rate is at most one, so its part fits like the amount")
    }
}

impl fmt::Display for Ppm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn half_up(numerator: i128, denominator: i128) -> Option<i64> {
    let doubled = numerator.checked_mul(2)?.checked_add(denominator)?;
    i64::try_from(doubled.checked_div_euclid(denominator.checked_mul(2)?)?).ok()
}

fn parse_yuan(text: &str) -> Option<Fen> {
    let (yuan, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if !is_digits(yuan) || !is_digits(fraction) || fraction.len() > 2 {
        return None;
    }
    let tens = if fraction.len() == 1 { 10 } else { 1 };
    let fen = fraction.parse::<i64>().ok()?.checked_mul(tens)?;
    yuan.parse::<i64>()
        .ok()?
        .checked_mul(100)?
        .checked_add(fen)
        .map(Fen)
}

/// Whether text is one or more ASCII digits; `parse` alone would take a sign.
pub(crate) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_half_fen_is_rounded_up() {
        let half = Ppm::new(500_000).unwrap();
        assert_eq!(half.of(Fen::new(1)), Fen::new(1));
        assert_eq!(Ppm::new(499_999).unwrap().of(Fen::new(1)), Fen::ZERO);
        assert_eq!(Ppm::new(6_000).unwrap().of(Fen::new(10_000)), Fen::new(60));
        assert_eq!(Ppm::ONE.of(Fen::new(i64::MAX)), Fen::new(i64::MAX));
    }

    #[test]
    fn a_rate_above_one_is_refused() {
        assert_eq!(Ppm::new(1_000_000), Ok(Ppm::ONE));
        assert_eq!(
            Ppm::new(1_000_001),
            Err(MoneyError::RateAboveOne(1_000_001))
        );
    }

    #[test]
    fn sums_and_shares_never_wrap() {
        assert_eq!(Fen::new(i64::MAX).plus(Fen::new(1)), None);
        assert_eq!(Fen::new(i64::MIN).minus(Fen::new(1)), None);
        assert_eq!(Fen::new(i64::MIN).negated(), None);
        assert_eq!(Fen::total([Fen::new(2), Fen::new(3)]), Some(Fen::new(5)));
        assert_eq!(Fen::new(1).share(Fen::new(1), Fen::ZERO), None);
        assert_eq!(Fen::new(i64::MAX).share(Fen::new(2), Fen::new(1)), None);
    }

    #[test]
    fn yuan_is_read_strictly() {
        for (text, fen) in [("12", 1_200), ("12.3", 1_230), ("0.01", 1), ("007.50", 750)] {
            assert_eq!(Fen::from_yuan(text), Ok(Fen::new(fen)), "{text}");
        }
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "1.234",
            "-1",
            "+1",
            "1e2",
            "１",
            "9223372036854775807",
        ] {
            assert_eq!(Fen::from_yuan(text), Err(MoneyError::NotYuan), "{text}");
        }
        assert_eq!(Fen::new(-5).to_yuan(), "-0.05");
    }

    proptest! {
        #[test]
        fn yuan_round_trips(fen in 0..i64::MAX) {
            prop_assert_eq!(Fen::from_yuan(&Fen::new(fen).to_yuan()), Ok(Fen::new(fen)));
        }

        #[test]
        fn a_part_is_within_half_a_fen(amount in 0..i64::MAX, ppm in 0..=1_000_000_u32) {
            let part = i128::from(Ppm::new(ppm).unwrap().of(Fen::new(amount)).get());
            let exact = i128::from(amount) * i128::from(ppm);
            let error = part * 1_000_000 - exact;
            prop_assert!(-500_000 < error && error <= 500_000, "{error}");
        }

        #[test]
        fn plus_undoes_minus(a in any::<i64>(), b in any::<i64>()) {
            if let Some(difference) = Fen::new(a).minus(Fen::new(b)) {
                prop_assert_eq!(difference.plus(Fen::new(b)), Some(Fen::new(a)));
            }
        }
    }
}
