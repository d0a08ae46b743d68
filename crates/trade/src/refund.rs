//! A refund as it is stored. Its row changes only within a write that changes its order: the
//! order's version is what keeps two refunds from taking the same money.

use domain::obligation::{Change, owed_by_refund};
use domain::{
    Attempt, CanceledBy, Environment, Fen, ObligationKind, OrderNo, OutTradeNo, RefundFact,
    RefundFailure, RefundNo, RefundOrigin, RefundState, RefundStatus, RefundTally, UnknownCode,
};
use jiff::Timestamp;
use store::{Db, Row, StoreError, Write, row};

use crate::error::TradeError;
use crate::order::StoredOrder;
use crate::{Inner, queries};

/// The part of a refund's obligation to be settled.
pub(crate) const SETTLED_REFUND: i32 = -1;

/// A stored refund.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredRefund {
    /// Its 18 digits; on the wire it has the environment's letter, see [`Self::number`].
    pub(crate) no: RefundNo,
    pub(crate) order: OrderNo,
    pub(crate) merchant_refund_no: String,
    /// The payment whose money it is; none for a platform's.
    pub(crate) payment: Option<Attempt>,
    pub(crate) amount: Fen,
    pub(crate) state: RefundState,
    pub(crate) origin: RefundOrigin,
    /// Why it is FAILED.
    pub(crate) failure: Option<RefundFailure>,
    pub(crate) by: CanceledBy,
    /// Why it was asked for.
    pub(crate) reason: String,
    /// Why it was rejected.
    pub(crate) refusal: String,
    /// The channel's number, or what shows that it was settled by hand.
    pub(crate) evidence: String,
    /// How often it was sent again after it had failed.
    pub(crate) retry: i32,
    pub(crate) refunded_at: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
    pub(crate) changed_at: Timestamp,
}

/// A refund to be opened.
#[derive(Debug, Clone)]
pub(crate) struct Opening {
    pub(crate) merchant_refund_no: String,
    pub(crate) payment: Option<Attempt>,
    pub(crate) amount: Fen,
    pub(crate) origin: RefundOrigin,
    pub(crate) by: CanceledBy,
    pub(crate) reason: String,
}

impl Opening {
    /// A refund that nobody named, of all of a payment: late or surplus money. Its number is
    /// `late:` or `surplus:` and the payment's, so that it exists once.
    pub(crate) fn of_payment(
        order: &StoredOrder,
        (origin, payment): (RefundOrigin, Attempt),
        by: CanceledBy,
        environment: Environment,
    ) -> Self {
        let number = order.out_trade_no(payment, environment);
        Self {
            merchant_refund_no: key(origin, number),
            payment: Some(payment),
            amount: order.amount,
            origin,
            by,
            reason: origin.name().to_owned(),
        }
    }
}

// What a caller asked for has no such key, and is not opened so.
fn key(origin: RefundOrigin, payment: OutTradeNo) -> String {
    origin.key(payment).unwrap_or_else(|| payment.to_string())
}

/// A new refund, under a number of its own, in the first state of its origin.
pub(crate) fn open(
    trade: &Inner,
    order: &StoredOrder,
    opening: Opening,
) -> Result<StoredRefund, TradeError> {
    let number = trade.numbers.next()?;
    // One row of numbers for both, so that no refund has an order's digits.
    let no = RefundNo::try_from(number.get()).map_err(|_| TradeError::NoNodeNumber)?;
    let now = trade.db.clock().now();
    Ok(StoredRefund {
        no,
        order: order.no,
        merchant_refund_no: opening.merchant_refund_no,
        payment: opening.payment,
        amount: opening.amount,
        state: opening.origin.first_state(),
        origin: opening.origin,
        failure: None,
        by: opening.by,
        reason: opening.reason,
        refusal: String::new(),
        evidence: String::new(),
        retry: 0,
        refunded_at: None,
        created_at: now,
        changed_at: now,
    })
}

/// The refunds of the order's own money, counted; surplus money stands outside.
pub(crate) fn tally(
    order: &StoredOrder,
    refunds: &[StoredRefund],
) -> Result<RefundTally, StoreError> {
    let each = counted(refunds).map(|refund| (refund.state, refund.amount));
    RefundTally::of(order.amount, each).ok_or_else(|| StoreError::Column {
        statement: queries::REFUNDS_OF_ORDER.name(),
        column: "amount",
        cause: "the sum of an order's refunds overflows".to_owned(),
    })
}

/// The refund status of an order in the state `to` has now, whose refunds then stand so.
pub(crate) fn status(to: &StoredOrder, refunds: &[StoredRefund]) -> RefundStatus {
    let states: Vec<RefundState> = counted(refunds).map(|refund| refund.state).collect();
    RefundStatus::of(to.state.status(), &states)
}

/// Brings up to date what an order keeps of its refunds: call it once `to` has its new state.
pub(crate) fn show(to: &mut StoredOrder, refunds: &[StoredRefund]) -> Result<(), StoreError> {
    to.refunded = tally(to, refunds)?.refunded;
    to.refund_status = status(to, refunds);
    Ok(())
}

fn counted(refunds: &[StoredRefund]) -> impl Iterator<Item = &StoredRefund> {
    refunds
        .iter()
        .filter(|refund| refund.origin != RefundOrigin::Surplus)
}

impl StoredRefund {
    /// The refund, if there is one.
    pub(crate) async fn get(db: &Db, no: RefundNo) -> Result<Option<Self>, StoreError> {
        let found = db.fetch_optional(&queries::REFUNDS_GET, row![no.get()]);
        found.await?.as_ref().map(Self::read).transpose()
    }

    /// All refunds of an order, the oldest first.
    pub(crate) async fn of_order(db: &Db, order: OrderNo) -> Result<Vec<Self>, StoreError> {
        let found = db.fetch_all(&queries::REFUNDS_OF_ORDER, row![order.get()]);
        found.await?.iter().map(Self::read).collect()
    }

    /// The refund under the caller's own number, if there is one.
    pub(crate) async fn by_merchant_no(
        db: &Db,
        order: OrderNo,
        merchant_refund_no: &str,
    ) -> Result<Option<Self>, StoreError> {
        let key = row![order.get(), merchant_refund_no];
        let found = db.fetch_optional(&queries::REFUNDS_BY_MERCHANT_NO, key);
        found.await?.as_ref().map(Self::read).transpose()
    }

    /// The number the channel knows it by.
    pub(crate) fn number(&self, environment: Environment) -> RefundNo {
        self.no.in_environment(environment)
    }

    /// What becomes of it by this fact; none when the fact changes nothing.
    pub(crate) fn after(&self, fact: RefundFact, at: Timestamp) -> Option<Self> {
        let step = self.state.fact(fact);
        let state = step.moved_to()?;
        Some(Self {
            state,
            failure: step.owed().and_then(|owed| owed.failure),
            changed_at: at,
            ..self.clone()
        })
    }

    /// Adds the row of this new refund, and what it owes, to the write that changes its order.
    pub(crate) fn insert_into(&self, write: Write) -> Write {
        let inserted = row![
            self.no.get(),
            self.order.get(),
            self.merchant_refund_no.clone(),
            self.payment.map(Attempt::get),
            self.amount.get(),
            self.state.code(),
            self.origin.code(),
            failure_column(self.failure),
            self.by.code(),
            self.reason.clone(),
            self.refusal.clone(),
            self.evidence.clone(),
            self.retry,
            self.refunded_at,
            self.created_at,
            self.changed_at
        ];
        self.owe(write.insert(&queries::REFUNDS_INSERT, inserted), &[])
    }

    /// Adds the move of `self` to `to`, and what that owes, to the write that changes the order.
    pub(crate) fn moved_in(&self, write: Write, to: &Self) -> Write {
        let moved = row![
            to.no.get(),
            self.state.code(),
            to.state.code(),
            failure_column(to.failure),
            to.refusal.clone(),
            to.evidence.clone(),
            to.retry,
            to.refunded_at,
            to.changed_at
        ];
        let write = write.update(&queries::REFUNDS_MOVE, moved);
        to.owe(write, owed_by_refund(self.state))
    }

    // What its state owes and the one before did not, and the other way round.
    fn owe(&self, mut write: Write, before: &[ObligationKind]) -> Write {
        let key = (self.no.get(), 0);
        let change = Change::between(before, owed_by_refund(self.state));
        for kind in change.arm {
            write = write.arm(kind.code(), key, self.changed_at);
        }
        for kind in change.end {
            write = write.end(kind.code(), key);
        }
        // A platform's money was never settled, so nothing of it goes back.
        if self.state == RefundState::Succeeded && self.payment.is_some() {
            let settled = (self.no.get(), SETTLED_REFUND);
            write = write.arm(ObligationKind::Settle.code(), settled, self.changed_at);
        }
        write
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        let unknown = |column| move |e: UnknownCode| row.corrupt(column, e);
        let payment = row.opt_int("attempt")?.map(Attempt::try_from).transpose();
        let failure = match row.small("failure")? {
            0 => None,
            code => Some(RefundFailure::from_code(code).map_err(unknown("failure"))?),
        };
        Ok(Self {
            no: RefundNo::try_from(row.int("refund_no")?)
                .map_err(|e| row.corrupt("refund_no", e))?,
            order: OrderNo::try_from(row.int("order_no")?)
                .map_err(|e| row.corrupt("order_no", e))?,
            merchant_refund_no: row.text("merchant_refund_no")?,
            payment: payment.map_err(|e| row.corrupt("attempt", e))?,
            amount: Fen::new(row.int("amount")?),
            state: RefundState::from_code(row.small("state")?).map_err(unknown("state"))?,
            origin: RefundOrigin::from_code(row.small("origin")?).map_err(unknown("origin"))?,
            failure,
            by: CanceledBy::from_code(row.small("by_whom")?).map_err(unknown("by_whom"))?,
            reason: row.text("reason")?,
            refusal: row.text("refusal")?,
            evidence: row.text("evidence")?,
            retry: row.small("retry")?,
            refunded_at: row.opt_time("refunded_at")?,
            created_at: row.time("created_at")?,
            changed_at: row.time("changed_at")?,
        })
    }
}

fn failure_column(failure: Option<RefundFailure>) -> i16 {
    failure.map_or(0, RefundFailure::code)
}
