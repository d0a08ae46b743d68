//! What a payment's fact does to its order's refunds: late and surplus money goes back, and
//! what went back by a reversal cannot go back once more.

use domain::{Attempt, CanceledBy, Consequence, Fen, RefundFact, RefundOrigin, RefundState};
use jiff::Timestamp;
use store::{StoreError, Write};

use crate::Inner;
use crate::attempt::StoredAttempt;
use crate::error::TradeError;
use crate::order::StoredOrder;
use crate::refund::{self, Opening, StoredRefund};

/// An order's refunds as they are after a fact.
#[derive(Debug)]
pub(super) struct Refunds {
    all: Vec<StoredRefund>,
    opened: Vec<StoredRefund>,
    // As each was, and as it is.
    failed: Vec<(StoredRefund, StoredRefund)>,
}

impl Refunds {
    /// What is owed to them; none when it touches none.
    pub(super) async fn of(
        trade: &Inner,
        (order, attempt): (&StoredOrder, Option<StoredAttempt>),
        owed: &[Consequence],
        now: Timestamp,
    ) -> Result<Option<Self>, TradeError> {
        if !owed.iter().copied().any(touches) {
            return Ok(None);
        }
        let mut refunds = Self {
            all: StoredRefund::of_order(&trade.db, order.no).await?,
            opened: Vec::new(),
            failed: Vec::new(),
        };
        let paid = attempt.map_or(order.amount, |attempt| attempt.paid_of(order.amount));
        for consequence in owed {
            match *consequence {
                Consequence::LateRefund(payment) => {
                    refunds.open(trade, order, (RefundOrigin::Late, payment, paid))?;
                }
                Consequence::SurplusRefund(payment) => {
                    refunds.open(trade, order, (RefundOrigin::Surplus, payment, paid))?;
                }
                Consequence::FailOpenRefunds(payment) => refunds.fail(payment, now),
                _ => {}
            }
        }
        Ok(Some(refunds))
    }

    /// What the order shows of them; `to` has its new state.
    pub(super) fn show(&self, to: &mut StoredOrder) -> Result<(), StoreError> {
        refund::show(to, &self.all)
    }

    /// Adds what changed to the write that changes the order.
    pub(super) fn write(&self, mut write: Write) -> Write {
        for refund in &self.opened {
            write = refund.insert_into(write);
        }
        for (before, after) in &self.failed {
            write = before.moved_in(write, after);
        }
        write
    }

    // Once for each payment, by its key: facts repeat.
    fn open(
        &mut self,
        trade: &Inner,
        order: &StoredOrder,
        (origin, payment, paid): (RefundOrigin, Attempt, Fen),
    ) -> Result<(), TradeError> {
        let by = match origin {
            RefundOrigin::Late => order.state.canceled_by(),
            _ => None,
        };
        let by = by.unwrap_or(CanceledBy::System);
        let amount = self.left_of(payment, paid);
        let opening = Opening {
            amount,
            ..Opening::of_payment(order, (origin, payment), by, trade.environment)
        };
        let number = &opening.merchant_refund_no;
        let mut all = self.all.iter();
        if !amount.is_positive() || all.any(|each| each.merchant_refund_no == *number) {
            return Ok(());
        }
        let refund = refund::open(trade, order, opening)?;
        self.all.push(refund.clone());
        self.opened.push(refund);
        Ok(())
    }

    // Before a reversal some of it may have gone back as it was asked to.
    fn left_of(&self, payment: Attempt, paid: Fen) -> Fen {
        let back = self.all.iter().filter(|refund| {
            refund.payment == Some(payment) && refund.state == RefundState::Succeeded
        });
        back.fold(paid, |left, refund| {
            left.minus(refund.amount).unwrap_or(Fen::ZERO)
        })
    }

    fn fail(&mut self, payment: Attempt, now: Timestamp) {
        for refund in &mut self.all {
            let is_its = refund.payment == Some(payment);
            let after = refund.after(RefundFact::PaymentReversed, now);
            if let Some(after) = after.filter(|_| is_its) {
                let before = std::mem::replace(refund, after.clone());
                self.failed.push((before, after));
            }
        }
    }
}

fn touches(consequence: Consequence) -> bool {
    matches!(
        consequence,
        Consequence::LateRefund(_)
            | Consequence::SurplusRefund(_)
            | Consequence::FailOpenRefunds(_)
    )
}
