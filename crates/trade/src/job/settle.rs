//! settle: each charge is settled once, at the rate in force when it was paid; each refund
//! and reversal gives its share back once. Without a rate it waits; it never guesses one.

mod charge;
mod give_back;
mod ledger;

use async_trait::async_trait;
use domain::{Attempt, ObligationKind, OrderNo, RefundNo};
use store::obligation::Claimed;
use work::{Job, Verdict};

use crate::Trade;
use crate::order::BESIDES;
use crate::refund::SETTLED_REFUND;

/// The job of [`ObligationKind::Settle`].
pub(crate) struct Settle(pub(crate) Trade);

#[async_trait]
impl Job for Settle {
    fn kind(&self) -> i16 {
        ObligationKind::Settle.code()
    }

    fn name(&self) -> &'static str {
        "settle"
    }

    async fn run(&self, owed: &Claimed) -> Verdict {
        let trade = &self.0.0;
        let settled = match Settled::read(owed.subject, owed.part) {
            Some(Settled::Charge(order, payment)) => charge::settle(trade, (order, payment)).await,
            Some(Settled::Refund(no)) => give_back::refund(trade, no, owed).await,
            Some(Settled::Reversal(order, payment)) => {
                give_back::reversal(trade, (order, payment), owed).await
            }
            None => return Verdict::give_up("its key is no payment and no refund"),
        };
        settled.unwrap_or_else(Verdict::retry)
    }
}

// What is to be settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Settled {
    Charge(OrderNo, Attempt),
    Refund(RefundNo),
    Reversal(OrderNo, Attempt),
}

impl Settled {
    fn read(subject: i64, part: i32) -> Option<Self> {
        if part == SETTLED_REFUND {
            return RefundNo::try_from(subject).ok().map(Self::Refund);
        }
        let order = OrderNo::try_from(subject).ok()?;
        let payment = |part: i32| Attempt::try_from(i64::from(part)).ok();
        if part >= BESIDES {
            return Some(Self::Reversal(order, payment(part - BESIDES)?));
        }
        Some(Self::Charge(order, payment(part)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: i64 = 261_120_325_230_040_102;

    #[test]
    fn a_key_says_what_is_to_be_settled() {
        let order = OrderNo::try_from(SUBJECT).unwrap();
        let attempt = |number| Attempt::new(number).unwrap();
        let refund = RefundNo::try_from(SUBJECT).unwrap();
        for (part, settled) in [
            (0, Some(Settled::Charge(order, attempt(0)))),
            (9_999, Some(Settled::Charge(order, attempt(9_999)))),
            (10_000, Some(Settled::Reversal(order, attempt(0)))),
            (19_999, Some(Settled::Reversal(order, attempt(9_999)))),
            (-1, Some(Settled::Refund(refund))),
            (20_000, None),
            (-2, None),
            (i32::MIN, None),
        ] {
            assert_eq!(Settled::read(SUBJECT, part), settled, "{part}");
        }
        assert_eq!(Settled::read(7, 0), None);
        assert_eq!(Settled::read(-7, -1), None);
    }
}
