//! The 18 digits: yyMMdd, millisecond of the day (8), node (2), sequence (2), China time.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::Offset;

use super::NumberError;
use crate::money::is_digits;

const CHINA: Offset = Offset::constant(8);
const DAY: i64 = 1_000_000_000_000;
const MILLISECONDS_OF_DAY: i64 = 86_400_000;
const WIDTH: usize = 18;

/// Eighteen valid digits; kept as the integer that is the primary key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Serial(i64);

impl Serial {
    pub(super) fn compose(at: Timestamp, node: u8, sequence: u8) -> Result<Self, NumberError> {
        if node > 99 {
            return Err(NumberError::Node(node));
        }
        if sequence > 99 {
            return Err(NumberError::Sequence(sequence));
        }
        let local = CHINA.to_datetime(at);
        let tail = i64::from(node)
            .saturating_mul(100)
            .saturating_add(i64::from(sequence));
        let time = milliseconds(local.time()).saturating_mul(10_000);
        Ok(Self(
            first_of(local.date())?
                .saturating_add(time)
                .saturating_add(tail),
        ))
    }

    /// The 18 digits `text` begins with, and what follows them.
    pub(super) fn parse_prefix(text: &str) -> Option<(Result<Self, NumberError>, &str)> {
        let (digits, rest) = text.split_at_checked(WIDTH)?;
        let number = if is_digits(digits) {
            digits.parse().ok()?
        } else {
            return None;
        };
        Some((Self::check(number), rest))
    }

    pub(super) fn check(number: i64) -> Result<Self, NumberError> {
        if !(0..1_000_000 * DAY).contains(&number) {
            return Err(NumberError::Range(number));
        }
        let serial = Self(number);
        serial.try_day().ok_or(NumberError::Date(number / DAY))?;
        let millisecond = serial.millisecond();
        if millisecond >= MILLISECONDS_OF_DAY {
            return Err(NumberError::Millisecond(millisecond));
        }
        Ok(serial)
    }

    pub(super) const fn get(self) -> i64 {
        self.0
    }

    pub(super) fn day(self) -> Date {
        self.try_day()
            .expect("the date was checked when the number was made")
    }

    pub(super) fn created_at(self) -> Timestamp {
        let midnight = CHINA.to_timestamp(self.day().at(0, 0, 0, 0));
        let since = jiff::SignedDuration::from_millis(self.millisecond());
        midnight
            .and_then(|midnight| midnight.checked_add(since))
            .expect("a day of the years 2000 to 2099 is within the range of timestamps")
    }

    pub(super) fn node(self) -> u8 {
        two_digits(self.0 / 100)
    }

    pub(super) fn sequence(self) -> u8 {
        two_digits(self.0)
    }

    const fn millisecond(self) -> i64 {
        self.0 % DAY / 10_000
    }

    fn try_day(self) -> Option<Date> {
        let day = self.0 / DAY;
        let year = i16::from(two_digits(day / 10_000)).checked_add(2000)?;
        let month = i8::try_from(two_digits(day / 100)).ok()?;
        Date::new(year, month, i8::try_from(two_digits(day)).ok()?).ok()
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:018}", self.0)
    }
}

/// The least number of a day; the greatest is `DAY - 1` above it.
pub(super) fn first_of(day: Date) -> Result<i64, NumberError> {
    let year = i64::from(day.year()).saturating_sub(2000);
    if !(0..100).contains(&year) {
        return Err(NumberError::Calendar);
    }
    let month = i64::from(day.month()).saturating_mul(100);
    let yymmdd = year
        .saturating_mul(10_000)
        .saturating_add(month)
        .saturating_add(day.day().into());
    Ok(yymmdd.saturating_mul(DAY))
}

/// The greatest number of the day whose least number is `first`.
pub(super) const fn last_of(first: i64) -> i64 {
    first.saturating_add(DAY - 1)
}

fn milliseconds(time: Time) -> i64 {
    let minutes = i64::from(time.hour())
        .saturating_mul(60)
        .saturating_add(time.minute().into());
    let seconds = minutes
        .saturating_mul(60)
        .saturating_add(time.second().into());
    seconds
        .saturating_mul(1_000)
        .saturating_add(time.millisecond().into())
}

fn two_digits(number: i64) -> u8 {
    u8::try_from(number % 100).expect("the last two digits of a number that is not negative")
}
