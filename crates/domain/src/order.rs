//! An order: its status, the facts each state carries, and the columns it is stored in.

mod event;
#[cfg(test)]
mod tests;
mod transition;

pub use event::{Alarm, Consequence, OrderCommand, OrderFact, OrderStep};

use crate::coded::{UnknownCode, coded};
use crate::fulfilment::Fulfilment;
use crate::number::Attempt;

coded! {
    /// The status of an order.
    pub enum OrderStatus {
        /// Created; nobody has begun to pay.
        Unpaid = 1 "UNPAID",
        /// A payment is live.
        Paying = 2 "PAYING",
        /// The last payment is dead; another may begin.
        PayFailed = 3 "PAY_FAILED",
        /// To be revoked as soon as its payment is known to be dead.
        Revoking = 4 "REVOKING",
        /// Revoking has failed several times; it is still tried.
        RevokeFailed = 5 "REVOKE_FAILED",
        /// Revoked (撤单); the original system's "closed".
        Revoked = 6 "REVOKED",
        /// Paid.
        Paid = 7 "PAID",
        /// A refund is open.
        Refunding = 8 "REFUNDING",
        /// All the money went back.
        Refunded = 9 "REFUNDED",
        /// No refund is open and one has failed.
        RefundFailed = 10 "REFUND_FAILED",
    }
}

impl OrderStatus {
    /// PAID or later: the money has been counted.
    pub const fn is_paid_or_later(self) -> bool {
        matches!(
            self,
            Self::Paid | Self::Refunding | Self::Refunded | Self::RefundFailed
        )
    }
}

coded! {
    /// Who cancelled an order (cancel type); a column holds 0 for nobody.
    pub enum CanceledBy {
        /// A limit, or a rule.
        System = 1 "SYSTEM",
        /// The customer.
        Customer = 2 "CUSTOMER",
        /// The store.
        Store = 3 "STORE",
    }
}

impl CanceledBy {
    /// The column's value; 0 is nobody.
    pub const fn to_column(by: Option<Self>) -> i16 {
        match by {
            None => 0,
            Some(by) => by.code(),
        }
    }

    /// Reads the column; 0 is nobody.
    pub fn from_column(code: i16) -> Result<Option<Self>, UnknownCode> {
        if code == 0 {
            Ok(None)
        } else {
            Self::from_code(code).map(Some)
        }
    }
}

coded! {
    /// Whether the payer is known; it never decides whether an order is paid.
    pub enum Binding {
        /// Not yet.
        Unbound = 1 "UNBOUND",
        /// Known.
        Bound = 2 "BOUND",
        /// Nobody came before the bind limit.
        BindExpired = 3 "BIND_EXPIRED",
    }
}

coded! {
    /// Where an order comes from.
    pub enum OrderKind {
        /// The counter; delivered as soon as it is paid.
        Store = 1 "STORE",
        /// Our own takeout; may arrive paid.
        Official = 2 "OFFICIAL",
        /// A platform's takeout; arrives paid.
        ThirdParty = 3 "THIRD_PARTY",
    }
}

impl OrderKind {
    /// Whether such an order may be created with an external payment.
    pub const fn may_arrive_paid(self) -> bool {
        matches!(self, Self::Official | Self::ThirdParty)
    }

    /// The fulfilment of an order of this kind that has just become PAID.
    pub const fn fulfilment_once_paid(self) -> Fulfilment {
        match self {
            Self::Store => Fulfilment::Delivered,
            Self::Official | Self::ThirdParty => Fulfilment::PendingAccept,
        }
    }
}

/// Where the money of a paid order came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PaidSource {
    /// One of our payments.
    Payment(Attempt),
    /// A platform; outside settlement and the channel's ledger.
    External,
}

impl PaidSource {
    /// Our payment, if it was one.
    pub const fn payment(self) -> Option<Attempt> {
        match self {
            Self::Payment(payment) => Some(payment),
            Self::External => None,
        }
    }
}

/// The state of an order: its status and what is true in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderState {
    /// Created.
    Unpaid,
    /// This payment is live.
    Paying { payment: Attempt },
    /// This payment was the last, and is dead.
    PayFailed { payment: Attempt },
    /// Asked to be revoked by `by` while this payment may still succeed.
    Revoking { payment: Attempt, by: CanceledBy },
    /// The same, after several tries.
    RevokeFailed { payment: Attempt, by: CanceledBy },
    /// Revoked; the last payment, if there was one, is dead.
    Revoked {
        payment: Option<Attempt>,
        by: CanceledBy,
    },
    /// Paid from this source.
    Paid { source: PaidSource },
    /// A refund is open; `by` is who revoked the order before its money came.
    Refunding {
        source: PaidSource,
        by: Option<CanceledBy>,
    },
    /// All the money went back, on behalf of `by`.
    Refunded { source: PaidSource, by: CanceledBy },
    /// A refund failed; `by` as in `Refunding`.
    RefundFailed {
        source: PaidSource,
        by: Option<CanceledBy>,
    },
}

/// Columns of an order that no state has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an order in status {status} cannot have payment {payment:?} and cancel type {by:?}")]
pub struct CorruptState {
    /// The stored status.
    pub status: OrderStatus,
    /// The stored attempt.
    pub payment: Option<Attempt>,
    /// The stored cancel type.
    pub by: Option<CanceledBy>,
}

impl OrderState {
    /// A new order.
    pub const CREATED: Self = Self::Unpaid;
    /// A new order that a platform's payment came with.
    pub const CREATED_PAID: Self = Self::Paid {
        source: PaidSource::External,
    };

    /// The status, as stored and shown.
    pub const fn status(self) -> OrderStatus {
        match self {
            Self::Unpaid => OrderStatus::Unpaid,
            Self::Paying { .. } => OrderStatus::Paying,
            Self::PayFailed { .. } => OrderStatus::PayFailed,
            Self::Revoking { .. } => OrderStatus::Revoking,
            Self::RevokeFailed { .. } => OrderStatus::RevokeFailed,
            Self::Revoked { .. } => OrderStatus::Revoked,
            Self::Paid { .. } => OrderStatus::Paid,
            Self::Refunding { .. } => OrderStatus::Refunding,
            Self::Refunded { .. } => OrderStatus::Refunded,
            Self::RefundFailed { .. } => OrderStatus::RefundFailed,
        }
    }

    /// The payment that paid, else the current or last attempt.
    pub const fn payment(self) -> Option<Attempt> {
        match self {
            Self::Unpaid => None,
            Self::Paying { payment }
            | Self::PayFailed { payment }
            | Self::Revoking { payment, .. }
            | Self::RevokeFailed { payment, .. } => Some(payment),
            Self::Revoked { payment, .. } => payment,
            Self::Paid { source }
            | Self::Refunding { source, .. }
            | Self::Refunded { source, .. }
            | Self::RefundFailed { source, .. } => source.payment(),
        }
    }

    /// Where its money came from, once it is PAID or later.
    pub const fn source(self) -> Option<PaidSource> {
        match self {
            Self::Paid { source }
            | Self::Refunding { source, .. }
            | Self::Refunded { source, .. }
            | Self::RefundFailed { source, .. } => Some(source),
            _ => None,
        }
    }

    /// The column beside the status: who asked to revoke it or for whom it was refunded.
    pub const fn canceled_by(self) -> Option<CanceledBy> {
        match self {
            Self::Revoking { by, .. } | Self::RevokeFailed { by, .. } => Some(by),
            _ => self.cancel_type(),
        }
    }

    /// The cancel type that is shown: unlike the column, nobody while it is only being revoked.
    pub const fn cancel_type(self) -> Option<CanceledBy> {
        match self {
            Self::Revoked { by, .. } | Self::Refunded { by, .. } => Some(by),
            Self::Refunding { by, .. } | Self::RefundFailed { by, .. } => by,
            _ => None,
        }
    }

    /// The state stored as these columns.
    pub fn restore(
        status: OrderStatus,
        payment: Option<Attempt>,
        by: Option<CanceledBy>,
    ) -> Result<Self, CorruptState> {
        let source = payment.map_or(PaidSource::External, PaidSource::Payment);
        match (status, payment, by) {
            (OrderStatus::Unpaid, None, None) => Ok(Self::Unpaid),
            (OrderStatus::Paying, Some(payment), None) => Ok(Self::Paying { payment }),
            (OrderStatus::PayFailed, Some(payment), None) => Ok(Self::PayFailed { payment }),
            (OrderStatus::Revoking, Some(payment), Some(by)) => Ok(Self::Revoking { payment, by }),
            (OrderStatus::RevokeFailed, Some(payment), Some(by)) => {
                Ok(Self::RevokeFailed { payment, by })
            }
            (OrderStatus::Revoked, payment, Some(by)) => Ok(Self::Revoked { payment, by }),
            (OrderStatus::Paid, _, None) => Ok(Self::Paid { source }),
            (OrderStatus::Refunding, _, by) => Ok(Self::Refunding { source, by }),
            (OrderStatus::Refunded, _, Some(by)) => Ok(Self::Refunded { source, by }),
            (OrderStatus::RefundFailed, _, by) => Ok(Self::RefundFailed { source, by }),
            _ => Err(CorruptState {
                status,
                payment,
                by,
            }),
        }
    }
}
