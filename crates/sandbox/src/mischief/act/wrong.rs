//! Misbehaviour that cannot work.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{Act, PasswordOutcome, Told};

const DAY: Duration = Duration::from_hours(24);
const COPIES: RangeInclusive<u32> = 2..=20;
const ANSWERS: RangeInclusive<usize> = 1..=100;
const CODE: RangeInclusive<usize> = 1..=32;

/// Whether it can work, the field, and what would be right.
type Check = (bool, &'static str, &'static str);

impl Act {
    /// The field that cannot work, and what would be right.
    pub(in crate::mischief) fn wrong(&self) -> Option<(&'static str, &'static str)> {
        let (right, field, problem) = self.in_time().or_else(|| self.in_words())?;
        (!right).then_some((field, problem))
    }

    fn in_time(&self) -> Option<Check> {
        const POSITIVE: &str = "above 0, at most a day";
        Some(match self {
            Self::Slow { delay } | Self::Late { delay } => {
                (within_a_day(*delay), "delay", POSITIVE)
            }
            Self::TimeoutBefore { hold } | Self::TimeoutAfter { hold } => {
                (within_a_day(*hold), "hold", POSITIVE)
            }
            Self::Reordered { longest } => (within_a_day(*longest), "longest", POSITIVE),
            Self::Password { delay, outcome } => {
                let never = *outcome == PasswordOutcome::Never && *delay <= DAY;
                (never || within_a_day(*delay), "delay", POSITIVE)
            }
            Self::RefundEnding { delay, .. } | Self::PaidMeanwhile { delay } => {
                (*delay <= DAY, "delay", "at most a day")
            }
            _ => return None,
        })
    }

    fn in_words(&self) -> Option<Check> {
        Some(match self {
            Self::Repeated { copies, pause } => {
                let right = COPIES.contains(copies) && *pause <= Duration::from_mins(1);
                (right, "copies", "2 to 20, with pauses of at most a minute")
            }
            Self::Forged { forgeries } => (
                ANSWERS.contains(&forgeries.len()),
                "forgeries",
                "name 1 to 100",
            ),
            Self::WrongAmount { difference_fen } => (
                *difference_fen != 0,
                "difference_fen",
                "above or below 0: otherwise it is no lie",
            ),
            Self::Contradicting { answers, .. } => {
                let lies = answers.iter().any(|answer| *answer != Told::Truth);
                let right = lies && ANSWERS.contains(&answers.len());
                (right, "answers", "1 to 100, and not only the truth")
            }
            Self::Decline { code } => (
                CODE.contains(&code.len()) && code.bytes().all(is_of_code),
                "code",
                "1 to 32 letters, digits or underscores",
            ),
            _ => return None,
        })
    }
}

fn is_of_code(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn within_a_day(length: Duration) -> bool {
    !length.is_zero() && length <= DAY
}
