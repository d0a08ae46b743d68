//! What every channel adapter offers, and the values it speaks in.
//! A channel's trouble is a value; a message is believed only after its signature.

pub mod auth_code;
pub mod fields;
pub mod http;
pub mod limited;
pub mod pay;
pub mod query;
pub mod refund;
pub mod swiftpass;
pub mod undo;
pub mod value;

#[cfg(test)]
mod scripted;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use domain::PayType;
use jiff::Timestamp;
use thiserror::Error;

pub use auth_code::{AuthCode, BadAuthCode};
pub use fields::Fields;
pub use limited::Limited;
pub use pay::{Pay, PayAnswer};
pub use query::{Paid, Query, QueryAnswer};
pub use refund::{Refund, RefundAnswer, RefundQuery, RefundQueryAnswer, Refunded};
pub use undo::{Undo, UndoAnswer};

/// The longest message read from a channel, in bytes: as much as MySQL keeps in a BLOB.
pub const MAX_MESSAGE: usize = 64 * 1024 - 1;
/// The most fields read from a callback, empty ones included: anybody may send one.
pub const MAX_FIELDS: usize = 64;
/// The same of a reply: an order's fifty refunds have nine each.
pub const MAX_REPLY_FIELDS: usize = 512;

/// A channel, spoken to for one merchant account.
#[async_trait]
pub trait Channel: Send + Sync + 'static {
    /// What this channel can do.
    fn abilities(&self) -> Abilities;

    /// Prepares a payment that the customer makes (c→b). Called at most once per `out_trade_no`.
    async fn prepay(&self, prepay: &Prepay) -> PrepayAnswer;

    /// Takes a payment by the payer's code (b→c). Called at most once per `out_trade_no`.
    async fn pay(&self, pay: &Pay) -> PayAnswer;

    /// Asks what became of a payment; as often as one likes.
    async fn query(&self, query: &Query) -> QueryAnswer;

    /// Closes a payment that the customer was to make (c→b); as often as one likes.
    async fn close(&self, undo: &Undo) -> UndoAnswer;

    /// Undoes a payment by code (b→c), paid or not; as often as one likes.
    async fn reverse(&self, undo: &Undo) -> UndoAnswer;

    /// Gives money back; repeated under the same `out_refund_no`, it stays one refund.
    async fn refund(&self, refund: &Refund) -> RefundAnswer;

    /// Asks what became of a refund; as often as one likes.
    async fn query_refund(&self, query: &RefundQuery) -> RefundQueryAnswer;
}

/// What a channel can do; what is false here is answered `NotSent`, or `NoEvidence` to a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a call of its own")]
pub struct Abilities {
    /// The customer scans or taps, and pays on an own device (c→b).
    pub prepay: bool,
    /// The merchant scans the payer's code (b→c).
    pub pay: bool,
    /// It can be asked what became of a payment.
    pub query: bool,
    /// A payment that waits for the customer can be closed.
    pub close: bool,
    /// A payment by code can be undone.
    pub reverse: bool,
    /// Money can go back, and it can be asked what became of it.
    pub refund: bool,
}

/// A payment to prepare.
#[derive(Clone)]
pub struct Prepay {
    /// Our number for the attempt; 5 to 32 letters, digits or underscores.
    pub out_trade_no: String,
    /// How it is to be paid; one the channel does not prepare is answered `NotSent`.
    pub pay_type: PayType,
    /// What the payer reads on the bill.
    pub description: String,
    /// The payer's identity in the wallet (WeChat: `sub_openid`; Alipay: user id or login).
    pub payer_id: String,
    /// The payer's IPv4 address.
    pub client_ip: String,
    /// Fen, 1 and above.
    pub amount: i64,
    /// From when it can be paid: now.
    pub starts: Timestamp,
    /// When it can no longer be paid: the rest of the pay limit, as the channel's own expiry.
    pub expires: Timestamp,
    /// The whole call's time; the caller makes it end by the payment's `send_before`.
    pub timeout: Duration,
}

/// What became of a prepay.
#[derive(Clone, PartialEq, Eq)]
pub enum PrepayAnswer {
    /// The payer can pay with this.
    Ready {
        /// What the payer's device needs, exactly as the channel signed it.
        pay_info: String,
        /// The channel's number for what it prepared, if it gave one.
        channel_prepay_id: Option<String>,
        /// A page that does the same for a payer who is only sent somewhere, if there is one.
        pay_url: Option<String>,
    },
    /// The channel refused, under its signature.
    Declined {
        /// The channel's error code.
        code: String,
        /// The channel's words.
        message: String,
    },
    /// It may or may not be prepared.
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

impl PrepayAnswer {
    /// The stable name in metrics.
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Ready { .. } => "READY",
            Self::Declined { .. } => "DECLINED",
            Self::Unknown { .. } => "UNKNOWN",
            Self::NotSent { .. } => "NOT_SENT",
        }
    }
}

/// Tells the answer without `pay_info`, which lets its holder pay.
impl fmt::Debug for PrepayAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready { .. } => f.write_str("Ready"),
            Self::Declined { code, message } => write!(f, "Declined({code}: {message})"),
            Self::Unknown { why } => write!(f, "Unknown({why})"),
            Self::NotSent { why } => write!(f, "NotSent({why})"),
        }
    }
}

/// What a channel told us under its signature, unasked. Whatever it says, it is to be stored whole.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq))]
pub struct Callback {
    /// Whose key verified it.
    pub mch_id: String,
    /// Our number for the attempt; empty if the message has none.
    pub out_trade_no: String,
    /// The channel's number; empty if the message has none.
    pub channel_trade_no: String,
    /// Fen; `None` if absent or not plain digits.
    pub amount: Option<i64>,
    /// ISO 4217.
    pub currency: String,
    /// What it says of the payment.
    pub outcome: Outcome,
    /// When the channel says it was paid; `None` if absent or not a time.
    pub paid_at: Option<Timestamp>,
    /// All that was signed, unknown fields included.
    pub fields: Fields,
}

/// What a validly signed callback says of its payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The channel has the money. Number, channel number and amount are there.
    Paid,
    /// This try to pay failed; the payer may try again.
    NotPaid,
    /// It cannot be read as either; a query must tell.
    Unclear {
        /// The field that is missing or cannot be read.
        field: &'static str,
    },
}

/// Why a message from a channel is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MessageError {
    /// More than [`MAX_MESSAGE`] bytes.
    #[error("message is longer than {MAX_MESSAGE} bytes")]
    TooLarge,
    /// Its bytes, or the encoding it declares, are not UTF-8.
    #[error("message is not utf-8")]
    NotUtf8,
    /// It is not of the channel's form.
    #[error("message is malformed")]
    Malformed,
    /// It brings a document type or an entity.
    #[error("message declares a document type or an entity")]
    Dtd,
    /// A field comes twice.
    #[error("a field comes twice")]
    DuplicateField,
    /// More than [`MAX_FIELDS`] or [`MAX_REPLY_FIELDS`] fields.
    #[error("message has too many fields")]
    TooManyFields,
    /// A field holds another.
    #[error("a field holds another field")]
    Nested,
    /// A field without which nothing can be verified is absent or empty.
    #[error("field {0} is missing")]
    MissingField(&'static str),
    /// No account of ours has this merchant id.
    #[error("merchant is unknown")]
    UnknownMerchant,
    /// It is signed in another way than our configuration says.
    #[error("sign_type is not the configured one")]
    SignType,
    /// The signature is not the key's.
    #[error("signature does not match")]
    BadSignature,
    /// The same signature would fit other fields.
    #[error("a value hides another field")]
    Ambiguous,
}

impl MessageError {
    /// The stable name: metrics, logs, answers.
    pub fn reason(self) -> &'static str {
        match self {
            Self::TooLarge => "TOO_LARGE",
            Self::NotUtf8 => "NOT_UTF8",
            Self::Malformed => "MALFORMED",
            Self::Dtd => "DTD",
            Self::DuplicateField => "DUPLICATE_FIELD",
            Self::TooManyFields => "TOO_MANY_FIELDS",
            Self::Nested => "NESTED",
            Self::MissingField(_) => "MISSING_FIELD",
            Self::UnknownMerchant => "UNKNOWN_MERCHANT",
            Self::SignType => "SIGN_TYPE",
            Self::BadSignature => "BAD_SIGNATURE",
            Self::Ambiguous => "AMBIGUOUS",
        }
    }
}
