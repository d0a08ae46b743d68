//! How far the goods of an order are; one edge after the other.

use crate::coded::coded;
use crate::order::OrderStatus;
use crate::step::{IllegalTransition, Step};

coded! {
    /// The fulfilment of an order.
    pub enum Fulfilment {
        /// The shop has not accepted it yet.
        PendingAccept = 1 "PENDING_ACCEPT",
        /// Accepted (接单).
        Accepted = 2 "ACCEPTED",
        /// Waiting for the kitchen.
        NotPrepared = 3 "NOT_PREPARED",
        /// Prepared (已配餐).
        Prepared = 4 "PREPARED",
        /// Waiting for a rider (待配送).
        AwaitingPickup = 5 "AWAITING_PICKUP",
        /// On its way (配送中).
        PickedUp = 6 "PICKED_UP",
        /// Delivered (已送达).
        Delivered = 7 "DELIVERED",
    }
}

impl Fulfilment {
    /// The one that follows.
    pub const fn next(self) -> Option<Self> {
        match self {
            Self::PendingAccept => Some(Self::Accepted),
            Self::Accepted => Some(Self::NotPrepared),
            Self::NotPrepared => Some(Self::Prepared),
            Self::Prepared => Some(Self::AwaitingPickup),
            Self::AwaitingPickup => Some(Self::PickedUp),
            Self::PickedUp => Some(Self::Delivered),
            Self::Delivered => None,
        }
    }

    /// One edge forward, for an order that is paid and not refunded; what lies behind is achieved.
    pub fn advance(
        self,
        to: Self,
        order: OrderStatus,
    ) -> Result<Step<Self, ()>, IllegalTransition> {
        if to <= self && to != Self::PendingAccept {
            return Ok(Step::Already);
        }
        if self.next() == Some(to) && may_be_served(order) {
            return Ok(Step::Moved(to, ()));
        }
        Err(IllegalTransition {
            machine: "fulfilment",
            from: self.name(),
            event: to.name(),
        })
    }

    /// Whether the shop may reject the order (拒单): it then owes a refund with cancel type
    /// STORE, and stays as it is.
    pub fn reject(self, order: OrderStatus) -> Result<(), IllegalTransition> {
        if self == Self::PendingAccept && may_be_served(order) {
            return Ok(());
        }
        Err(IllegalTransition {
            machine: "fulfilment",
            from: self.name(),
            event: "REJECT",
        })
    }
}

const fn may_be_served(order: OrderStatus) -> bool {
    order.is_paid_or_later() && !matches!(order, OrderStatus::Refunded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goods_move_one_edge_at_a_time() {
        for (at, from) in Fulfilment::ALL.iter().enumerate() {
            for (target, to) in Fulfilment::ALL.iter().enumerate() {
                let step = from.advance(*to, OrderStatus::Paid);
                if target == at + 1 {
                    assert_eq!(step, Ok(Step::Moved(*to, ())));
                } else if target <= at && target > 0 {
                    assert_eq!(step, Ok(Step::Already));
                } else {
                    assert!(step.is_err(), "{from} to {to}");
                }
            }
        }
    }

    #[test]
    fn goods_move_only_while_the_money_is_here() {
        use OrderStatus::{Paid, RefundFailed, Refunding};
        for order in OrderStatus::ALL {
            let paid = matches!(order, Paid | RefundFailed | Refunding);
            let step = Fulfilment::PendingAccept.advance(Fulfilment::Accepted, *order);
            assert_eq!(step.is_ok(), paid, "{order}");
            assert_eq!(
                Fulfilment::PendingAccept.reject(*order).is_ok(),
                paid,
                "{order}"
            );
        }
    }

    #[test]
    fn only_what_is_not_accepted_can_be_rejected() {
        for fulfilment in Fulfilment::ALL {
            let allowed = fulfilment.reject(OrderStatus::Paid).is_ok();
            assert_eq!(
                allowed,
                *fulfilment == Fulfilment::PendingAccept,
                "{fulfilment}"
            );
        }
    }
}
