//! Order, refund and out-trade numbers: 18 digits that sort by time, and what is put around them.

mod order_no;
mod refund_no;
mod serial;
mod trade_no;

pub use order_no::OrderNo;
pub use refund_no::RefundNo;
pub use trade_no::{Attempt, Environment, OutTradeNo};

/// What is wrong with a number, and what is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// It does not begin as such numbers do.
    #[error("{what} must begin with {expected}")]
    Prefix {
        /// Which number.
        what: &'static str,
        /// The letter it begins with.
        expected: char,
    },
    /// It is too short, too long, or not of digits.
    #[error("{what} must be {expected}")]
    Shape {
        /// Which number.
        what: &'static str,
        /// What it consists of.
        expected: &'static str,
    },
    /// An integer of more than 18 digits, or a negative one.
    #[error("{0} is not a number of at most 18 digits")]
    Range(i64),
    /// The first six digits are no day.
    #[error("{0:06} is not a date of the form yyMMdd")]
    Date(i64),
    /// The middle eight digits are beyond the end of the day.
    #[error("millisecond of the day {0} is not below 86400000")]
    Millisecond(i64),
    /// The instant has no two-digit year.
    #[error("the instant is outside the years 2000 to 2099, china time")]
    Calendar,
    /// A node number of three digits.
    #[error("node number {0} is above 99")]
    Node(u8),
    /// A sequence of three digits.
    #[error("sequence {0} is above 99")]
    Sequence(u8),
    /// An attempt that four digits cannot write.
    #[error("attempt {0} is not between 0 and 9999")]
    Attempt(i64),
    /// An environment that is not one capital letter.
    #[error("an environment is one letter A to Z, or nothing in production")]
    Environment,
}
