//! A payment: one attempt to pay an order, as the channel knows it.

mod context;
#[cfg(test)]
mod tests;
mod transition;

pub use context::{Closure, PaymentContext, Source};

use crate::coded::coded;
use crate::obligation::ObligationKind;
use crate::step::Step;

coded! {
    /// The state of a payment.
    pub enum PaymentState {
        /// The intent is on record; the channel may or may not have been asked.
        Sent = 1 "SENT",
        /// Evidence that the payer may still pay: a password is typed, the code was shown.
        Pending = 2 "PENDING",
        /// No evidence at all.
        Unknown = 3 "UNKNOWN",
        /// To be closed or reversed; a query begun after that decides.
        Closing = 4 "CLOSING",
        /// The channel has the money.
        Succeeded = 5 "SUCCEEDED",
        /// Not paid, finally.
        Declined = 6 "DECLINED",
        /// Closed at the channel, or before it began.
        Closed = 7 "CLOSED",
        /// Reversed (撤销) at the channel.
        Reversed = 8 "REVERSED",
    }
}

impl PaymentState {
    /// Nothing is awaited any more, though late money may still come.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded) || self.is_dead()
    }

    /// DECLINED, CLOSED or REVERSED: no money is here.
    pub const fn is_dead(self) -> bool {
        matches!(self, Self::Declined | Self::Closed | Self::Reversed)
    }
}

/// How a payment comes into being.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Pay: the intent is written before the channel is called.
    Pay,
    /// Close of a payment nobody knows: a fence, so that a later Pay with its id is refused.
    Close,
    /// Refused here: no account, shop closed, channel busy.
    Refused,
}

impl Opening {
    /// The first state.
    pub const fn state(self) -> PaymentState {
        match self {
            Self::Pay => PaymentState::Sent,
            Self::Close => PaymentState::Closed,
            Self::Refused => PaymentState::Declined,
        }
    }

    /// Whether it is its order's live payment; `live` is NULL otherwise.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Pay)
    }
}

coded! {
    /// Why a payment is DECLINED.
    pub enum DeclineReason {
        /// The channel says finally that it was not paid.
        NotPaid = 1 "NOT_PAID",
        /// It is certain that the channel was never asked.
        NotSent = 2 "NOT_SENT",
        /// The shop has no merchant account (进件) for it.
        NoMerchantAccount = 3 "NO_MERCHANT_ACCOUNT",
        /// The shop does not sell.
        ShopClosed = 4 "SHOP_CLOSED",
        /// The channel's bulkhead or breaker let nothing through.
        ChannelBusy = 5 "CHANNEL_BUSY",
    }
}

/// How a call to a channel ends; a timeout is Unknown, and Unknown is never Declined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChannelAnswer {
    /// Paid.
    Succeeded,
    /// Not paid, finally.
    Declined,
    /// Not paid yet.
    Pending,
    /// No evidence.
    Unknown,
}

impl ChannelAnswer {
    /// What the answer says of the payment.
    pub const fn finding(self) -> Finding {
        match self {
            Self::Succeeded => Finding::Succeeded,
            Self::Declined => Finding::NotPaid,
            Self::Pending => Finding::Waiting,
            Self::Unknown => Finding::NoEvidence,
        }
    }
}

/// What a payment is asked to do; without a row it is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentCommand {
    /// Close it (关单).
    Close,
    /// Reverse it (撤销).
    Reverse,
    /// Give up a prepay whose `pay_info` never reached us, once it can no longer be sent.
    Abandon,
}

impl PaymentCommand {
    /// The name in the payment's story.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Close => "CLOSE",
            Self::Reverse => "REVERSE",
            Self::Abandon => "ABANDON",
        }
    }
}

/// What became known of a payment; without a row it changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The channel was certainly not asked.
    NotSent,
    /// The payer has not paid yet.
    Waiting,
    /// No answer, or one that says nothing.
    NoEvidence,
    /// "No such order": no evidence either, until a close and a grace have passed.
    NotFound,
    /// Not paid, finally.
    NotPaid,
    /// Closed at the channel.
    Closed,
    /// Reversed at the channel.
    Reversed,
    /// Paid.
    Succeeded,
}

impl Finding {
    /// The name in the payment's story.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotSent => "NOT_SENT",
            Self::Waiting => "WAITING",
            Self::NoEvidence => "NO_EVIDENCE",
            Self::NotFound => "NOT_FOUND",
            Self::NotPaid => "NOT_PAID",
            Self::Closed => "CLOSED",
            Self::Reversed => "REVERSED",
            Self::Succeeded => "SUCCEEDED",
        }
    }
}

/// What becomes of `live`, the half of the key that lets an order have one live payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Live {
    /// It stays as it is.
    Keep,
    /// It becomes NULL; it is never set again.
    Clear,
}

/// What trade is told through the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tell {
    /// The channel has the money.
    Succeeded,
    /// Nobody can pay this attempt any more.
    Dead,
    /// Counted money went back.
    Reversed,
}

/// What a step of a payment owes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaymentEffects {
    /// What becomes of `live`.
    pub live: Live,
    /// What trade is told.
    pub tell: Option<Tell>,
    /// The obligation that is due at once because the evidence does not decide.
    pub due: Option<ObligationKind>,
}

/// What an event does to a payment.
pub type PaymentStep = Step<PaymentState, PaymentEffects>;
