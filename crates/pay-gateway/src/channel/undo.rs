//! To end a payment: close (c→b) or reverse (b→c). An answer is never believed alone: only a
//! query tells what became of the payment.

use std::time::Duration;

/// A payment to close or to reverse.
#[derive(Debug, Clone)]
pub struct Undo {
    /// Our number for the attempt.
    pub out_trade_no: String,
    /// The whole call's time.
    pub timeout: Duration,
}

/// What the channel says to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UndoAnswer {
    /// It says so, under its signature.
    Accepted,
    /// It refused, under its signature; the payment may have ended all the same, or be paid.
    Refused {
        /// The channel's error code; empty if it gave none.
        code: String,
        /// The channel's words.
        message: String,
    },
    /// It may or may not have been done.
    Unknown {
        /// For people.
        why: String,
    },
    /// Provably, nothing of it reached the channel.
    NotSent {
        /// For people.
        why: String,
    },
}

impl UndoAnswer {
    /// The stable name in metrics.
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Accepted => "ACCEPTED",
            Self::Refused { .. } => "REFUSED",
            Self::Unknown { .. } => "UNKNOWN",
            Self::NotSent { .. } => "NOT_SENT",
        }
    }
}
