//! Which order, refund, fulfilment, cancel type and binding may stand together.

use crate::fulfilment::Fulfilment;
use crate::order::{Binding, CanceledBy, OrderStatus};
use crate::refund::RefundStatus;

/// The five columns of an order as they are shown; surplus refunds stand outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Combination {
    /// The order's status.
    pub order: OrderStatus,
    /// Its refund status.
    pub refund: RefundStatus,
    /// How far its goods are.
    pub fulfilment: Fulfilment,
    /// Its cancel type; see `OrderState::cancel_type`.
    pub cancel: Option<CanceledBy>,
    /// Whether its payer is known; any binding goes with anything.
    pub binding: Binding,
}

impl Combination {
    /// Whether such an order may be written.
    pub fn may_exist(self) -> bool {
        use OrderStatus as O;
        use RefundStatus as R;
        let untouched = self.fulfilment == Fulfilment::PendingAccept;
        match self.order {
            O::Unpaid | O::Paying | O::PayFailed | O::Revoking | O::RevokeFailed => {
                self.refund == R::None && untouched && self.cancel.is_none()
            }
            O::Paid => {
                matches!(self.refund, R::None | R::Rejected | R::Succeeded) && self.cancel.is_none()
            }
            O::Revoked => self.refund == R::None && untouched && self.cancel.is_some(),
            O::Refunding => matches!(self.refund, R::Requested | R::Processing),
            O::Refunded => self.refund == R::Succeeded && self.cancel.is_some(),
            O::RefundFailed => self.refund == R::Failed,
        }
    }

    /// Whether such an order may be read from an import: two more, which are never written.
    pub fn may_be_imported(self) -> bool {
        let written = match (self.order, self.refund) {
            (OrderStatus::RefundFailed, RefundStatus::Rejected) => RefundStatus::Failed,
            (OrderStatus::Paid, RefundStatus::Failed) => RefundStatus::Rejected,
            (_, refund) => refund,
        };
        Self {
            refund: written,
            ..self
        }
        .may_exist()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table as text: orders | refunds | fulfilments | cancel types.
    const TABLE: [(&str, &str, &str, &str); 6] = [
        (
            "UNPAID,PAYING,PAY_FAILED,REVOKING,REVOKE_FAILED",
            "NONE",
            "PENDING_ACCEPT",
            "NONE",
        ),
        ("PAID", "NONE,REJECTED,SUCCEEDED", "any", "NONE"),
        ("REVOKED", "NONE", "PENDING_ACCEPT", "SYSTEM,CUSTOMER,STORE"),
        ("REFUNDING", "REQUESTED,PROCESSING", "any", "any"),
        ("REFUNDED", "SUCCEEDED", "any", "SYSTEM,CUSTOMER,STORE"),
        ("REFUND_FAILED", "FAILED", "any", "any"),
    ];

    fn lists(cell: &str, name: &str) -> bool {
        cell == "any" || cell.split(',').any(|each| each == name)
    }

    fn is_in_table(it: Combination) -> bool {
        let cancel = it.cancel.map_or("NONE", CanceledBy::name);
        TABLE.iter().any(|(orders, refunds, fulfilments, cancels)| {
            lists(orders, it.order.name())
                && lists(refunds, it.refund.name())
                && lists(fulfilments, it.fulfilment.name())
                && lists(cancels, cancel)
        })
    }

    fn every_combination() -> Vec<Combination> {
        let mut all = Vec::new();
        for &order in OrderStatus::ALL {
            for &refund in RefundStatus::ALL {
                for &fulfilment in Fulfilment::ALL {
                    for code in 0..=3 {
                        let cancel = CanceledBy::from_column(code).unwrap();
                        for &binding in Binding::ALL {
                            all.push(Combination {
                                order,
                                refund,
                                fulfilment,
                                cancel,
                                binding,
                            });
                        }
                    }
                }
            }
        }
        all
    }

    #[test]
    fn only_the_combinations_of_the_table_may_exist() {
        let all = every_combination();
        assert_eq!(all.len(), 10 * 6 * 7 * 4 * 3);
        for each in all {
            assert_eq!(each.may_exist(), is_in_table(each), "{each:?}");
        }
    }

    #[test]
    fn an_import_may_bring_two_more() {
        for each in every_combination() {
            let extra = match (each.order, each.refund) {
                (OrderStatus::RefundFailed, RefundStatus::Rejected) => true,
                (OrderStatus::Paid, RefundStatus::Failed) => each.cancel.is_none(),
                _ => false,
            };
            assert_eq!(
                each.may_be_imported(),
                each.may_exist() || extra,
                "{each:?}"
            );
        }
    }
}
