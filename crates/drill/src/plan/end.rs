//! How an order may end.

use proto::trade::v1::{CancelType, OrderStatus, RefundOrigin, RefundState, RefundStatus};

use crate::books::Told;

/// An end: nothing more happens by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// PAID, and all the money is here.
    Paid,
    /// PAID, and a second payment's money went back.
    PaidOnce,
    /// PAID, and part of the money went back.
    PaidInPart,
    /// PAID, and a refund was refused.
    RefundRejected,
    /// REVOKED, for whom.
    Revoked(CancelType),
    /// REFUNDED, for whom.
    Refunded(CancelType),
}

impl End {
    /// The end of an order; none while it is under way.
    pub(crate) fn of(told: &Told) -> Option<Self> {
        let open = |state| matches!(state, RefundState::Requested | RefundState::Processing);
        if told.refunds.iter().any(|refund| open(refund.state())) {
            return None;
        }
        let order = &told.order;
        Some(match (order.status(), order.refund_status()) {
            (OrderStatus::Paid, RefundStatus::None) if has_surplus(told) => Self::PaidOnce,
            (OrderStatus::Paid, RefundStatus::None) => Self::Paid,
            (OrderStatus::Paid, RefundStatus::Succeeded) => Self::PaidInPart,
            (OrderStatus::Paid, RefundStatus::Rejected) => Self::RefundRejected,
            (OrderStatus::Revoked, _) => Self::Revoked(order.cancel_type()),
            (OrderStatus::Refunded, _) => Self::Refunded(order.cancel_type()),
            _ => return None,
        })
    }

    /// Whether it is PAID.
    pub(crate) fn is_paid(self) -> bool {
        !matches!(self, Self::Revoked(_) | Self::Refunded(_))
    }

    /// As people say it.
    pub fn name(self) -> String {
        let by = |by: CancelType| by.as_str_name().trim_start_matches("CANCEL_TYPE_");
        match self {
            Self::Paid => "PAID".to_owned(),
            Self::PaidOnce => "PAID, the surplus refunded".to_owned(),
            Self::PaidInPart => "PAID, part of it refunded".to_owned(),
            Self::RefundRejected => "PAID, a refund rejected".to_owned(),
            Self::Revoked(who) => format!("REVOKED({})", by(who)),
            Self::Refunded(who) => format!("REFUNDED({})", by(who)),
        }
    }
}

fn has_surplus(told: &Told) -> bool {
    let surplus = |refund: &proto::trade::v1::Refund| refund.origin() == RefundOrigin::Surplus;
    told.refunds.iter().any(surplus)
}

#[cfg(test)]
mod tests {
    use proto::trade::v1::{Order, Refund};

    use super::*;

    fn told(status: OrderStatus, refunds: RefundStatus) -> Told {
        Told {
            order: Order {
                status: status.into(),
                refund_status: refunds.into(),
                cancel_type: CancelType::Store.into(),
                ..Order::default()
            },
            ..Told::default()
        }
    }

    fn surplus(state: RefundState) -> Refund {
        Refund {
            origin: RefundOrigin::Surplus.into(),
            state: state.into(),
            ..Refund::default()
        }
    }

    #[test]
    fn what_is_under_way_has_no_end() {
        for status in [
            OrderStatus::Unpaid,
            OrderStatus::Paying,
            OrderStatus::PayFailed,
            OrderStatus::Revoking,
            OrderStatus::RevokeFailed,
            OrderStatus::Refunding,
            OrderStatus::RefundFailed,
        ] {
            assert_eq!(End::of(&told(status, RefundStatus::None)), None);
        }
    }

    #[test]
    fn whoever_cancelled_is_part_of_the_end() {
        let revoked = told(OrderStatus::Revoked, RefundStatus::None);
        assert_eq!(End::of(&revoked), Some(End::Revoked(CancelType::Store)));
        let refunded = told(OrderStatus::Refunded, RefundStatus::Succeeded);
        assert_eq!(End::of(&refunded), Some(End::Refunded(CancelType::Store)));
        assert_eq!(End::Refunded(CancelType::Store).name(), "REFUNDED(STORE)");
    }

    #[test]
    fn a_surplus_on_its_way_is_no_end() {
        let mut paid = told(OrderStatus::Paid, RefundStatus::None);
        assert_eq!(End::of(&paid), Some(End::Paid));
        paid.refunds = vec![surplus(RefundState::Processing)];
        assert_eq!(End::of(&paid), None);
        paid.refunds = vec![surplus(RefundState::Succeeded)];
        assert_eq!(End::of(&paid), Some(End::PaidOnce));
    }
}
