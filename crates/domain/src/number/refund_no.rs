//! The refund number: `R`, 18 digits, and the letter of a non-production environment.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;

use super::serial::Serial;
use super::{Environment, NumberError};

const SHAPE: NumberError = NumberError::Shape {
    what: "a refund number",
    expected: "R and 18 digits, then A to Z or nothing",
};

/// A refund's number; at most 20 characters, which is the limit of `NowPay`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefundNo {
    serial: Serial,
    environment: Environment,
}

impl RefundNo {
    /// The production number given at an instant by a node (0 to 99) as its `sequence` (0 to 99).
    pub fn compose(at: Timestamp, node: u8, sequence: u8) -> Result<Self, NumberError> {
        Serial::compose(at, node, sequence).map(Self::production)
    }

    /// The same digits, marked with an environment.
    pub const fn in_environment(self, environment: Environment) -> Self {
        Self {
            environment,
            ..self
        }
    }

    /// The 18 digits, as stored.
    pub const fn get(self) -> i64 {
        self.serial.get()
    }

    /// The environment it belongs to.
    pub const fn environment(self) -> Environment {
        self.environment
    }

    /// The day it was given, China time.
    pub fn day(self) -> Date {
        self.serial.day()
    }

    /// The millisecond it was given.
    pub fn created_at(self) -> Timestamp {
        self.serial.created_at()
    }

    const fn production(serial: Serial) -> Self {
        Self {
            serial,
            environment: Environment::PRODUCTION,
        }
    }
}

/// The production number with these digits; see [`RefundNo::in_environment`].
impl TryFrom<i64> for RefundNo {
    type Error = NumberError;

    fn try_from(number: i64) -> Result<Self, NumberError> {
        Serial::check(number).map(Self::production)
    }
}

impl FromStr for RefundNo {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        let expected = NumberError::Prefix {
            what: "a refund number",
            expected: 'R',
        };
        let digits = text.strip_prefix('R').ok_or(expected)?;
        let (serial, rest) = Serial::parse_prefix(digits).ok_or(SHAPE)?;
        let environment = rest.parse().map_err(|_| SHAPE)?;
        Ok(Self {
            serial: serial?,
            environment,
        })
    }
}

impl fmt::Display for RefundNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "R{}{}", self.serial, self.environment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refund_number_fits_nowpay() {
        let instant = "2026-11-20T01:02:03.004Z".parse().unwrap();
        let test = Environment::letter('T').unwrap();
        let number = RefundNo::compose(instant, 1, 2)
            .unwrap()
            .in_environment(test);
        assert_eq!(number.to_string(), "R261120325230040102T");
        assert_eq!(number.to_string().len(), 20);
        assert_eq!(number.to_string().parse(), Ok(number));
        assert_eq!(
            RefundNo::try_from(number.get())
                .unwrap()
                .in_environment(test),
            number
        );
        assert_eq!(number.created_at(), instant);
    }

    #[test]
    fn what_is_wrong_with_a_refund_number_is_named() {
        for text in [
            "R26112032523004010",
            "R261120325230040102TT",
            "R261120325230040102t",
        ] {
            assert_eq!(text.parse::<RefundNo>(), Err(SHAPE), "{text}");
        }
        assert!(matches!(
            "W261120325230040102".parse::<RefundNo>(),
            Err(NumberError::Prefix { expected: 'R', .. })
        ));
    }
}
