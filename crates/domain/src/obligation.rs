//! Obligations: every unfinished thing owes one, written in the transaction that owes it.

use crate::coded::coded;
use crate::order::{Binding, OrderStatus};
use crate::payment::PaymentState;
use crate::refund::RefundState;

coded! {
    /// What is owed.
    pub enum ObligationKind {
        /// Revoke an order that nobody was bound to.
        BindLimit = 1 "BIND_LIMIT",
        /// Revoke an order that was not paid.
        PayLimit = 2 "PAY_LIMIT",
        /// Learn what became of a payment whose call ended without an answer.
        PayConfirm = 3 "PAY_CONFIRM",
        /// Ask the channel about a live payment.
        Poll = 4 "POLL",
        /// See to it that a revoked order's payment is dead.
        Revoke = 5 "REVOKE",
        /// Close or reverse a payment, and ask what it led to.
        Close = 6 "CLOSE",
        /// Ask again about a payment that is said to be dead.
        Confirm = 7 "CONFIRM",
        /// Send a refund to pay-gateway.
        RefundDrive = 8 "REFUND_DRIVE",
        /// Ask the channel about a refund.
        RefundQuery = 9 "REFUND_QUERY",
        /// Let a person decide about a refund.
        RefundReview = 10 "REFUND_REVIEW",
        /// Settle a charge, a refund or a reversal.
        Settle = 11 "SETTLE",
        /// Tell the merchant or the payer.
        Notify = 12 "NOTIFY",
        /// Find the payment of a validly signed callback.
        Match = 13 "MATCH",
        /// Take in a stored callback.
        Inbox = 14 "INBOX",
    }
}

/// The service whose database holds an obligation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// trade.
    Trade,
    /// pay-gateway.
    PayGateway,
}

impl ObligationKind {
    /// Who owes it.
    pub const fn owner(self) -> Owner {
        match self {
            Self::BindLimit
            | Self::PayLimit
            | Self::PayConfirm
            | Self::Revoke
            | Self::RefundDrive
            | Self::RefundReview
            | Self::Settle
            | Self::Notify => Owner::Trade,
            Self::Poll
            | Self::Close
            | Self::Confirm
            | Self::RefundQuery
            | Self::Match
            | Self::Inbox => Owner::PayGateway,
        }
    }
}

use ObligationKind as K;

/// What an order owes by its status; settle and notify are owed by what happened instead.
pub const fn owed_by_order(order: OrderStatus, binding: Binding) -> &'static [K] {
    match (order, binding) {
        (OrderStatus::Unpaid | OrderStatus::PayFailed, Binding::Unbound) => {
            &[K::BindLimit, K::PayLimit]
        }
        (OrderStatus::Unpaid | OrderStatus::PayFailed, _) => &[K::PayLimit],
        // The bind limit rests while a payment is live.
        (OrderStatus::Paying, _) => &[K::PayLimit, K::PayConfirm],
        (OrderStatus::Revoking | OrderStatus::RevokeFailed, _) => &[K::Revoke],
        (
            OrderStatus::Revoked
            | OrderStatus::Paid
            | OrderStatus::Refunding
            | OrderStatus::Refunded
            | OrderStatus::RefundFailed,
            _,
        ) => &[],
    }
}

/// What pay-gateway owes by a payment's state; CONFIRM ends with its last query.
pub const fn owed_by_payment(payment: PaymentState) -> &'static [K] {
    match payment {
        PaymentState::Sent | PaymentState::Pending | PaymentState::Unknown => &[K::Poll],
        PaymentState::Closing => &[K::Close],
        // Money may still come to what was called dead, finally or not.
        PaymentState::Declined | PaymentState::Closed | PaymentState::Reversed => &[K::Confirm],
        PaymentState::Succeeded => &[],
    }
}

/// What trade owes by a refund's state.
pub const fn owed_by_refund(refund: RefundState) -> &'static [K] {
    match refund {
        RefundState::Requested | RefundState::Failed => &[K::RefundReview],
        RefundState::Processing => &[K::RefundDrive],
        RefundState::Rejected | RefundState::Succeeded => &[],
    }
}

/// What pay-gateway owes by the state of a refund attempt.
pub const fn owed_by_refund_attempt(refund: RefundState) -> &'static [K] {
    match refund {
        RefundState::Processing => &[K::RefundQuery],
        RefundState::Requested
        | RefundState::Rejected
        | RefundState::Succeeded
        | RefundState::Failed => &[],
    }
}

/// What a move must arm and end so that exactly what the new state owes is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Newly owed.
    pub arm: Vec<K>,
    /// Owed no more.
    pub end: Vec<K>,
}

impl Change {
    /// From what the old state owed to what the new one owes.
    pub fn between(before: &[K], after: &[K]) -> Self {
        let only = |these: &[K], those: &[K]| {
            these
                .iter()
                .copied()
                .filter(|kind| !those.contains(kind))
                .collect()
        };
        Self {
            arm: only(after, before),
            end: only(before, after),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unfinished_order_owes_something_to_trade() {
        for order in OrderStatus::ALL {
            for binding in Binding::ALL {
                let owed = owed_by_order(*order, *binding);
                let unfinished = !order.is_paid_or_later() && *order != OrderStatus::Revoked;
                assert_eq!(!owed.is_empty(), unfinished, "{order}");
                assert!(owed.iter().all(|kind| kind.owner() == Owner::Trade));
                assert!(!owed.contains(&K::BindLimit) || *binding == Binding::Unbound);
            }
        }
    }

    #[test]
    fn every_unfinished_payment_owes_something_to_pay_gateway() {
        for payment in PaymentState::ALL {
            let owed = owed_by_payment(*payment);
            assert!(!owed.is_empty() || payment.is_final(), "{payment}");
            assert!(owed.iter().all(|kind| kind.owner() == Owner::PayGateway));
        }
    }

    #[test]
    fn whatever_is_said_to_be_dead_is_to_be_confirmed() {
        for payment in PaymentState::ALL {
            let confirmed = owed_by_payment(*payment) == [K::Confirm];
            assert_eq!(confirmed, payment.is_dead(), "{payment}");
        }
    }

    #[test]
    fn every_unfinished_or_failed_refund_owes_something() {
        for refund in RefundState::ALL {
            let owed = owed_by_refund(*refund);
            let over = matches!(refund, RefundState::Rejected | RefundState::Succeeded);
            assert_eq!(owed.is_empty(), over, "{refund}");
            assert!(owed.iter().all(|kind| kind.owner() == Owner::Trade));
            let attempt = owed_by_refund_attempt(*refund);
            assert_eq!(
                attempt.contains(&K::RefundQuery),
                *refund == RefundState::Processing
            );
        }
    }

    #[test]
    fn a_change_arms_and_ends_only_what_differs() {
        let before = owed_by_order(OrderStatus::Unpaid, Binding::Unbound);
        let after = owed_by_order(OrderStatus::Paying, Binding::Unbound);
        let change = Change::between(before, after);
        assert_eq!(
            change,
            Change {
                arm: vec![K::PayConfirm],
                end: vec![K::BindLimit]
            }
        );
        assert_eq!(Change::between(after, after), Change::default());
    }
}
