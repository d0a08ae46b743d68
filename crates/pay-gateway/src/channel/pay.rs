//! A payment by the payer's code (b→c): what a channel is asked, and what it answers.

use std::time::Duration;

use jiff::Timestamp;

use super::{AuthCode, Paid};

/// A payment to take by the payer's code.
#[derive(Debug, Clone)]
pub struct Pay {
    /// Our number for the attempt; 5 to 32 letters, digits or underscores.
    pub out_trade_no: String,
    /// What the payer reads on the bill.
    pub description: String,
    /// The till's IPv4 address.
    pub client_ip: String,
    /// Fen, 1 and above.
    pub amount: i64,
    /// The payer's code.
    pub auth_code: AuthCode,
    /// From when it can be paid: now.
    pub starts: Timestamp,
    /// When it can no longer be paid, as the channel's own expiry.
    pub expires: Timestamp,
    /// The whole call's time; the caller makes it end by the payment's `send_before`.
    pub timeout: Duration,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PayAnswer {
    /// The channel has the money. The caller still compares amount and currency with the payment.
    Succeeded(Paid),
    /// The payer has to type a password first.
    Waiting {
        /// The channel's code.
        code: String,
        /// The channel's words.
        message: String,
    },
    /// The channel refused, under its signature, and says that no query is needed.
    Declined {
        /// The channel's error code.
        code: String,
        /// The channel's words.
        message: String,
    },
    /// It may or may not be paid.
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

impl PayAnswer {
    /// The stable name in metrics.
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Succeeded(_) => "SUCCEEDED",
            Self::Waiting { .. } => "WAITING",
            Self::Declined { .. } => "DECLINED",
            Self::Unknown { .. } => "UNKNOWN",
            Self::NotSent { .. } => "NOT_SENT",
        }
    }
}
