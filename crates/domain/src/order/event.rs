//! What can happen to an order, and what each move owes besides the new status.

use super::{CanceledBy, OrderState};
use crate::number::Attempt;
use crate::refund::RefundTally;
use crate::step::Step;

/// What an order is asked to do; without a row it is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderCommand {
    /// Begin this payment; the attempts of an order only grow.
    Pay { payment: Attempt },
    /// Revoke it for a customer or a store.
    Cancel { by: CanceledBy },
    /// The pay limit has passed (closeTrade).
    PayLimit,
    /// The bind limit has passed; acts only when no payment is live.
    BindLimit,
    /// Revoking has failed as often as is bearable.
    RevokeTriesExhausted,
    /// Try again to revoke it.
    RetryRevoke,
    /// A refund opens: asked for, retried, or a rejection by the shop (拒单).
    RequestRefund,
}

impl OrderCommand {
    /// The name in the timeline.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pay { .. } => "PAY",
            Self::Cancel { .. } => "CANCEL",
            Self::PayLimit => "PAY_LIMIT",
            Self::BindLimit => "BIND_LIMIT",
            Self::RevokeTriesExhausted => "REVOKE_TRIES_EXHAUSTED",
            Self::RetryRevoke => "RETRY_REVOKE",
            Self::RequestRefund => "REQUEST_REFUND",
        }
    }
}

/// What a payment or the refunds did; without a row it changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderFact {
    /// The channel has this payment's money.
    Succeeded { payment: Attempt },
    /// Nobody can pay it any more: declined, closed, reversed unpaid, abandoned.
    Dead { payment: Attempt },
    /// The channel has money of this payment, but another amount: it pays nothing.
    Mispaid { payment: Attempt },
    /// Money that had been counted went back.
    Reversed { payment: Attempt },
    /// Money that had been counted, and had gone back, is at the channel again.
    Regained { payment: Attempt },
    /// The refunds of the order now stand so; `by` asked for the one that changed.
    RefundsChanged { tally: RefundTally, by: CanceledBy },
}

impl OrderFact {
    /// The name in the timeline.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Succeeded { .. } => "SUCCEEDED",
            Self::Dead { .. } => "DEAD",
            Self::Mispaid { .. } => "MISPAID",
            Self::Reversed { .. } => "REVERSED",
            Self::Regained { .. } => "REGAINED",
            Self::RefundsChanged { .. } => "REFUNDS_CHANGED",
        }
    }
}

/// What a step owes, written with it. Facts repeat, so each is kept once by its unique key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Consequence {
    /// Settle this payment's charge.
    Settle(Attempt),
    /// Settle this payment's reversal: a negative row.
    SettleReversal(Attempt),
    /// A remedy record (补单) about this payment.
    Remedy(Attempt),
    /// Refund this payment: its order had been revoked. Keyed `late:` + payment.
    LateRefund(Attempt),
    /// Refund this payment: it pays nothing that is owed, since its order was paid by another
    /// or its amount is another. Keyed `surplus:` + payment.
    SurplusRefund(Attempt),
    /// End the open refunds of this payment as FAILED(REVERSED).
    FailOpenRefunds(Attempt),
    /// Ask for this live payment to be closed: another one paid.
    ClosePayment(Attempt),
    /// Tell a person.
    Alarm(Alarm),
}

/// What a person is told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alarm {
    /// An order resists being revoked.
    RevokeFailed,
    /// A refund failed.
    RefundFailed,
    /// Counted money went back.
    Reversed,
    /// Money that had gone back is here again.
    Regained,
}

impl Alarm {
    /// The name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RevokeFailed => "REVOKE_FAILED",
            Self::RefundFailed => "REFUND_FAILED",
            Self::Reversed => "REVERSED",
            Self::Regained => "REGAINED",
        }
    }
}

/// What an event does to an order.
pub type OrderStep = Step<OrderState, Vec<Consequence>>;
