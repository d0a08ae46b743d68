//! What a shop's terminal shows of an order.

use crate::fulfilment::Fulfilment;
use crate::order::OrderStatus;

/// The label of an order, or nothing for an order that does not concern the shop.
pub const fn label(order: OrderStatus, fulfilment: Fulfilment) -> Option<&'static str> {
    match order {
        OrderStatus::Paid | OrderStatus::RefundFailed => Some(progress(fulfilment)),
        OrderStatus::Revoked => Some("已取消"),
        OrderStatus::Refunding => Some("退款中"),
        OrderStatus::Refunded => Some("已退单"),
        OrderStatus::Unpaid
        | OrderStatus::Paying
        | OrderStatus::PayFailed
        | OrderStatus::Revoking
        | OrderStatus::RevokeFailed => None,
    }
}

const fn progress(fulfilment: Fulfilment) -> &'static str {
    match fulfilment {
        Fulfilment::PendingAccept | Fulfilment::Accepted | Fulfilment::NotPrepared => "已支付",
        Fulfilment::Prepared => "已配餐",
        Fulfilment::AwaitingPickup => "待配送",
        Fulfilment::PickedUp => "配送中",
        Fulfilment::Delivered => "已送达",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_shows_paid_orders_by_fulfilment() {
        let shown = [
            "已支付",
            "已支付",
            "已支付",
            "已配餐",
            "待配送",
            "配送中",
            "已送达",
        ];
        for (fulfilment, text) in Fulfilment::ALL.iter().zip(shown) {
            assert_eq!(label(OrderStatus::Paid, *fulfilment), Some(text));
            assert_eq!(label(OrderStatus::RefundFailed, *fulfilment), Some(text));
        }
    }

    #[test]
    fn other_orders_show_one_label_or_nothing() {
        let shown = [
            None,
            None,
            None,
            None,
            None,
            Some("已取消"),
            Some("退款中"),
            Some("已退单"),
        ];
        let orders = OrderStatus::ALL
            .iter()
            .filter(|order| !matches!(order, OrderStatus::Paid | OrderStatus::RefundFailed));
        for (order, text) in orders.zip(shown) {
            for fulfilment in Fulfilment::ALL {
                assert_eq!(label(*order, *fulfilment), text, "{order}");
            }
        }
    }
}
