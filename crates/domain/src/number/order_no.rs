//! The order number: `W` and 18 digits.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;

use super::NumberError;
use super::serial::{Serial, first_of, last_of};

const SHAPE: NumberError = NumberError::Shape {
    what: "an order number",
    expected: "W and 18 digits",
};

/// An order's number; its 18 digits are the primary key, so rows arrive in key order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderNo(Serial);

impl OrderNo {
    /// The number given at an instant by a node (0 to 99) as its `sequence` (0 to 99) of the millisecond.
    pub fn compose(at: Timestamp, node: u8, sequence: u8) -> Result<Self, NumberError> {
        Serial::compose(at, node, sequence).map(Self)
    }

    /// The 18 digits, as stored.
    pub const fn get(self) -> i64 {
        self.0.get()
    }

    /// The day it was given, China time.
    pub fn day(self) -> Date {
        self.0.day()
    }

    /// The millisecond it was given.
    pub fn created_at(self) -> Timestamp {
        self.0.created_at()
    }

    /// The node that gave it.
    pub fn node(self) -> u8 {
        self.0.node()
    }

    /// Which number of its node and millisecond it is.
    pub fn sequence(self) -> u8 {
        self.0.sequence()
    }

    /// The primary keys of a day, China time.
    pub fn keys_of(day: Date) -> Result<RangeInclusive<i64>, NumberError> {
        let first = first_of(day)?;
        Ok(first..=last_of(first))
    }

    /// The order number `text` begins with, and what follows it.
    pub(super) fn parse_prefix(text: &str) -> Result<(Self, &str), NumberError> {
        let expected = NumberError::Prefix {
            what: "an order number",
            expected: 'W',
        };
        let digits = text.strip_prefix('W').ok_or(expected)?;
        let (serial, rest) = Serial::parse_prefix(digits).ok_or(SHAPE)?;
        Ok((Self(serial?), rest))
    }
}

impl TryFrom<i64> for OrderNo {
    type Error = NumberError;

    fn try_from(number: i64) -> Result<Self, NumberError> {
        Serial::check(number).map(Self)
    }
}

impl FromStr for OrderNo {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        match Self::parse_prefix(text)? {
            (number, "") => Ok(number),
            _ => Err(SHAPE),
        }
    }
}

impl fmt::Display for OrderNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "W{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_number_tells_china_time() {
        let number = OrderNo::compose(at("2026-11-19T16:00:00.001Z"), 7, 42).unwrap();
        assert_eq!(number.to_string(), "W261120000000010742");
        assert_eq!(number.day(), Date::constant(2026, 11, 20));
        assert_eq!((number.node(), number.sequence()), (7, 42));
    }

    #[test]
    fn numbers_work_beyond_2038() {
        let instant = at("2038-01-19T03:14:08Z");
        assert_eq!(
            OrderNo::compose(instant, 0, 0).unwrap().created_at(),
            instant
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("V261120000000010742", "an order number must begin with W"),
            (
                "W26112000000001074",
                "an order number must be W and 18 digits",
            ),
            (
                "W2611200000000107422",
                "an order number must be W and 18 digits",
            ),
            (
                "W+61120000000010742",
                "an order number must be W and 18 digits",
            ),
            (
                "W26112000000001074中",
                "an order number must be W and 18 digits",
            ),
            (
                "W260230000000010742",
                "260230 is not a date of the form yyMMdd",
            ),
            (
                "W261120864000000742",
                "millisecond of the day 86400000 is not below 86400000",
            ),
        ];
        for (text, message) in cases {
            assert_eq!(
                text.parse::<OrderNo>().unwrap_err().to_string(),
                message,
                "{text}"
            );
        }
        assert_eq!(OrderNo::try_from(-1), Err(NumberError::Range(-1)));
        assert_eq!(
            OrderNo::try_from(i64::MAX),
            Err(NumberError::Range(i64::MAX))
        );
    }

    #[test]
    fn what_has_no_two_digits_is_refused() {
        let now = at("2026-11-20T00:00:00Z");
        assert_eq!(OrderNo::compose(now, 100, 0), Err(NumberError::Node(100)));
        assert_eq!(
            OrderNo::compose(now, 0, 100),
            Err(NumberError::Sequence(100))
        );
        for year in ["1999-12-31T15:59:59Z", "2099-12-31T16:00:00Z"] {
            assert_eq!(OrderNo::compose(at(year), 0, 0), Err(NumberError::Calendar));
        }
        assert!(OrderNo::compose(at("1999-12-31T16:00:00Z"), 0, 0).is_ok());
    }

    #[test]
    fn a_day_is_a_key_range() {
        let day = Date::constant(2026, 11, 20);
        let keys = OrderNo::keys_of(day).unwrap();
        let first = OrderNo::compose(at("2026-11-19T16:00:00Z"), 0, 0).unwrap();
        let last = OrderNo::compose(at("2026-11-20T15:59:59.999Z"), 99, 99).unwrap();
        assert_eq!(*keys.start(), first.get());
        assert!(keys.contains(&last.get()));
        let next = OrderNo::compose(at("2026-11-20T16:00:00Z"), 0, 0).unwrap();
        assert!(!keys.contains(&next.get()));
    }

    proptest! {
        #[test]
        fn numbers_round_trip(ms in 946_656_000_000..4_102_416_000_000_i64, node in 0..100_u8, sequence in 0..100_u8) {
            let instant = Timestamp::from_millisecond(ms).unwrap();
            let number = OrderNo::compose(instant, node, sequence).unwrap();
            prop_assert_eq!(number.to_string().parse::<OrderNo>(), Ok(number));
            prop_assert_eq!(OrderNo::try_from(number.get()), Ok(number));
            prop_assert_eq!(number.created_at(), instant);
            prop_assert_eq!((number.node(), number.sequence()), (node, sequence));
        }

        #[test]
        fn later_numbers_are_greater(a in 946_656_000_000..4_102_416_000_000_i64, gap in 1..86_400_000_000_i64) {
            let number = |ms| OrderNo::compose(Timestamp::from_millisecond(ms).unwrap(), 0, 0);
            if let (Ok(earlier), Ok(later)) = (number(a), number(a + gap)) {
                prop_assert!(earlier < later);
            }
        }

        #[test]
        fn no_text_panics(text in ".{0,24}") {
            let _ = text.parse::<OrderNo>();
        }

        #[test]
        fn no_integer_panics(number in any::<i64>()) {
            let _ = OrderNo::try_from(number).map(OrderNo::created_at);
        }
    }
}
