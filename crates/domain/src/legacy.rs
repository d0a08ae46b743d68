//! The original system's codes, still readable. It kept an order's fate in three places.

use crate::order::{Binding, OrderStatus};
use crate::payment::PaymentState;

/// The old `order_status`: 0 created and unbound, 3 bind expired, 4 closed, 5 bound.
pub const fn order_status(order: OrderStatus, binding: Binding) -> i16 {
    match (order, binding) {
        (OrderStatus::Revoked, _) => 4,
        (_, Binding::Unbound) => 0,
        (_, Binding::BindExpired) => 3,
        (_, Binding::Bound) => 5,
    }
}

/// What an old `order_status` says: the binding, or that the order is REVOKED.
pub const fn read_order_status(code: i16) -> Option<OldOrder> {
    match code {
        0 => Some(OldOrder::Open(Binding::Unbound)),
        3 => Some(OldOrder::Open(Binding::BindExpired)),
        4 => Some(OldOrder::Revoked),
        5 => Some(OldOrder::Open(Binding::Bound)),
        _ => None,
    }
}

/// An order as the old `order_status` knew it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldOrder {
    /// Not closed; its payment is told elsewhere.
    Open(Binding),
    /// Closed, which is REVOKED here.
    Revoked,
}

/// The old `pay_status`, taken as 0 not paid, 1 being paid, 2 paid; the source names no meanings.
pub const fn pay_status(order: OrderStatus) -> i16 {
    match order {
        OrderStatus::Unpaid | OrderStatus::PayFailed | OrderStatus::Revoked => 0,
        OrderStatus::Paying | OrderStatus::Revoking | OrderStatus::RevokeFailed => 1,
        OrderStatus::Paid
        | OrderStatus::Refunding
        | OrderStatus::Refunded
        | OrderStatus::RefundFailed => 2,
    }
}

/// The old status of a payment: 1 begun, 8 user paying, 3 paid; others had none.
pub const fn payment_status(payment: PaymentState) -> Option<i16> {
    match payment {
        PaymentState::Sent | PaymentState::Unknown | PaymentState::Closing => Some(1),
        PaymentState::Pending => Some(8),
        PaymentState::Succeeded => Some(3),
        PaymentState::Declined | PaymentState::Closed | PaymentState::Reversed => None,
    }
}

/// What an old status of a payment says; "begun" is no evidence, so UNKNOWN.
pub const fn read_payment_status(code: i16) -> Option<PaymentState> {
    match code {
        1 => Some(PaymentState::Unknown),
        3 => Some(PaymentState::Succeeded),
        8 => Some(PaymentState::Pending),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_order_status_reads_back() {
        for order in OrderStatus::ALL {
            for binding in Binding::ALL {
                let read = read_order_status(order_status(*order, *binding));
                let expected = match order {
                    OrderStatus::Revoked => OldOrder::Revoked,
                    _ => OldOrder::Open(*binding),
                };
                assert_eq!(read, Some(expected));
            }
        }
        assert_eq!([1, 2, 6].map(read_order_status), [None; 3]);
    }

    #[test]
    fn an_old_pay_status_is_two_exactly_when_paid() {
        for order in OrderStatus::ALL {
            assert_eq!(pay_status(*order) == 2, order.is_paid_or_later(), "{order}");
        }
        assert_eq!(pay_status(OrderStatus::Unpaid), 0);
        assert_eq!(pay_status(OrderStatus::Paying), 1);
    }

    #[test]
    fn an_old_payment_goes_from_one_to_three_or_eight() {
        let codes = PaymentState::ALL.iter().map(|each| payment_status(*each));
        let expected = [
            Some(1),
            Some(8),
            Some(1),
            Some(1),
            Some(3),
            None,
            None,
            None,
        ];
        assert!(codes.eq(expected));
        let read = [1, 3, 8, 2].map(read_payment_status);
        let (unknown, paid) = (PaymentState::Unknown, PaymentState::Succeeded);
        assert_eq!(
            read,
            [Some(unknown), Some(paid), Some(PaymentState::Pending), None]
        );
    }
}
