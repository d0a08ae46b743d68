//! Money on its way back: what a channel is asked, and what its answers are worth.

use std::time::Duration;

use jiff::Timestamp;

/// A refund to make. The same `out_refund_no` again is the same refund.
#[derive(Debug, Clone)]
pub struct Refund {
    /// Our number for the attempt that was paid.
    pub out_trade_no: String,
    /// Our number for the refund; at most 32 letters or digits.
    pub out_refund_no: String,
    /// What was paid, in fen.
    pub total: i64,
    /// What goes back, in fen: 1 to `total`.
    pub amount: i64,
    /// The whole call's time.
    pub timeout: Duration,
}

/// What the channel says to it. Accepted is not done: only a query tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundAnswer {
    /// The channel took it.
    Accepted {
        /// The channel's number, if it gave one.
        channel_refund_no: Option<String>,
    },
    /// It refused, under its signature; the refund may exist from an earlier try.
    Refused {
        /// The channel's error code.
        code: String,
        /// The channel's words.
        message: String,
    },
    /// It may or may not have taken it.
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

impl RefundAnswer {
    /// The stable name in metrics.
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "ACCEPTED",
            Self::Refused { .. } => "REFUSED",
            Self::Unknown { .. } => "UNKNOWN",
            Self::NotSent { .. } => "NOT_SENT",
        }
    }
}

/// A refund to ask about.
#[derive(Debug, Clone)]
pub struct RefundQuery {
    /// Our number for the attempt that was paid.
    pub out_trade_no: String,
    /// Our number for the refund.
    pub out_refund_no: String,
    /// The whole call's time.
    pub timeout: Duration,
}

/// What the channel says of a refund, under its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundQueryAnswer {
    /// The money went back. The caller still compares the amount with the refund.
    Succeeded(Refunded),
    /// On its way.
    Processing,
    /// It failed, finally.
    Failed {
        /// For people.
        why: String,
    },
    /// It cannot reach the payer's card any more and is to be paid out by hand (转入代发).
    Changed {
        /// For people.
        why: String,
    },
    /// The channel is not sure: the same refund is to be sent again.
    NotSure,
    /// The channel knows no such refund; it may be on its way. Never a failure.
    NotFound,
    /// No answer, none that is believed, or one that says nothing certain.
    NoEvidence {
        /// For people.
        why: String,
    },
}

/// Money that the channel says went back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refunded {
    /// The channel's number; 1 to 64 bytes.
    pub channel_refund_no: String,
    /// Fen, 1 and above.
    pub amount: i64,
    /// When the channel says it went back; `None` if absent or not a time.
    pub refunded_at: Option<Timestamp>,
}

impl RefundQueryAnswer {
    /// The stable name in metrics.
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Succeeded(_) => "SUCCEEDED",
            Self::Processing => "PROCESSING",
            Self::Failed { .. } => "FAILED",
            Self::Changed { .. } => "CHANGED",
            Self::NotSure => "NOT_SURE",
            Self::NotFound => "NOT_FOUND",
            Self::NoEvidence { .. } => "NO_EVIDENCE",
        }
    }
}
