//! The number a channel knows a payment by: order number, attempt, environment.

use std::fmt;
use std::str::FromStr;

use super::{NumberError, OrderNo};
use crate::money::is_digits;

const SHAPE: NumberError = NumberError::Shape {
    what: "an out_trade_no",
    expected: "an order number, four digits, then A to Z or nothing",
};

/// Which payment of its order this is: 0 to 9999.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(u16);

impl Attempt {
    /// The first payment of an order.
    pub const FIRST: Self = Self(0);
    /// The last one that four digits can write.
    pub const LAST: Self = Self(9_999);

    /// That attempt; above 9999 is an error.
    pub fn new(attempt: u16) -> Result<Self, NumberError> {
        if attempt > Self::LAST.0 {
            return Err(NumberError::Attempt(attempt.into()));
        }
        Ok(Self(attempt))
    }

    /// The number of the attempt.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The attempt after this one, until 9999.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).and_then(|next| Self::new(next).ok())
    }
}

impl TryFrom<i64> for Attempt {
    type Error = NumberError;

    fn try_from(attempt: i64) -> Result<Self, NumberError> {
        let number = u16::try_from(attempt).map_err(|_| NumberError::Attempt(attempt))?;
        Self::new(number)
    }
}

impl From<Attempt> for i64 {
    fn from(attempt: Attempt) -> Self {
        attempt.0.into()
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The letter that marks the numbers of a non-production environment; nothing in production.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Environment(Option<char>);

impl Environment {
    /// No letter.
    pub const PRODUCTION: Self = Self(None);

    /// A non-production environment, A to Z.
    pub const fn letter(letter: char) -> Result<Self, NumberError> {
        if letter.is_ascii_uppercase() {
            return Ok(Self(Some(letter)));
        }
        Err(NumberError::Environment)
    }

    /// The letter, if there is one.
    pub const fn get(self) -> Option<char> {
        self.0
    }
}

impl FromStr for Environment {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        let mut letters = text.chars();
        match (letters.next(), letters.next()) {
            (None, _) => Ok(Self::PRODUCTION),
            (Some(letter), None) => Self::letter(letter),
            _ => Err(NumberError::Environment),
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |letter| write!(f, "{letter}"))
    }
}

/// The `out_trade_no` of one payment; at most 24 of the channels' 32 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutTradeNo {
    /// The order that is paid.
    pub order: OrderNo,
    /// Which of its payments.
    pub attempt: Attempt,
    /// Whose number it is.
    pub environment: Environment,
}

impl FromStr for OutTradeNo {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        let (order, rest) = OrderNo::parse_prefix(text)?;
        let (digits, letter) = rest.split_at_checked(4).ok_or(SHAPE)?;
        if !is_digits(digits) {
            return Err(SHAPE);
        }
        let attempt = digits.parse().map_err(|_| SHAPE).and_then(Attempt::new)?;
        let environment = letter.parse().map_err(|_| SHAPE)?;
        Ok(Self {
            order,
            attempt,
            environment,
        })
    }
}

impl fmt::Display for OutTradeNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:04}{}", self.order, self.attempt.0, self.environment)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_attempt_ends_in_four_zeros() {
        let order = "W170925000000010001".parse().unwrap();
        let number = OutTradeNo {
            order,
            attempt: Attempt::FIRST,
            environment: Environment::PRODUCTION,
        };
        assert_eq!(number.to_string(), "W1709250000000100010000");
    }

    #[test]
    fn attempts_end_at_9999() {
        assert_eq!(Attempt::FIRST.next(), Attempt::new(1).ok());
        assert_eq!(Attempt::LAST.next(), None);
        assert_eq!(Attempt::new(10_000), Err(NumberError::Attempt(10_000)));
        assert_eq!(Attempt::try_from(-1_i64), Err(NumberError::Attempt(-1)));
        assert_eq!(Attempt::try_from(9_999_i64), Ok(Attempt::LAST));
        assert_eq!(i64::from(Attempt::LAST), 9_999);
    }

    #[test]
    fn an_environment_is_one_capital_letter() {
        assert_eq!("".parse(), Ok(Environment::PRODUCTION));
        assert_eq!("T".parse::<Environment>().unwrap().get(), Some('T'));
        for text in ["t", "1", "TL", "É", "中"] {
            assert_eq!(
                text.parse::<Environment>(),
                Err(NumberError::Environment),
                "{text}"
            );
        }
    }

    #[test]
    fn malformed_trade_numbers_are_refused() {
        for tail in [
            "", "000", "00000", "0000t", "0000TT", "+000", "000中", "0000中",
        ] {
            let text = format!("W170925000000010001{tail}");
            assert_eq!(text.parse::<OutTradeNo>(), Err(SHAPE), "{text}");
        }
    }

    proptest! {
        #[test]
        fn trade_numbers_round_trip_and_fit_every_channel(
            ms in 946_656_000_000..4_102_416_000_000_i64,
            attempt in 0..=9_999_u16,
            letter in proptest::option::of(proptest::char::range('A', 'Z')),
        ) {
            let at = jiff::Timestamp::from_millisecond(ms).unwrap();
            let number = OutTradeNo {
                order: OrderNo::compose(at, 3, 4).unwrap(),
                attempt: Attempt::new(attempt).unwrap(),
                environment: Environment(letter),
            };
            let text = number.to_string();
            prop_assert_eq!(text.parse::<OutTradeNo>(), Ok(number));
            prop_assert!((5..=32).contains(&text.len()));
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
        }

        #[test]
        fn no_text_panics(text in "W?[0-9中]{0,26}") {
            let _ = text.parse::<OutTradeNo>();
        }
    }
}
