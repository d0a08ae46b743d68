//! A refund as it is stored, and the one way its row changes: with a line of its story, what
//! it owes from then on, and what trade is told once it has ended.

use domain::obligation::{Change, owed_by_refund_attempt};
use domain::{
    Attempt, Environment, Fen, ObligationKind, OrderNo, OutTradeNo, RefundFailure, RefundNo,
    RefundState, UnknownCode,
};
use jiff::Timestamp;
use prost::Message;
use proto::gateway::v1::RefundEvent;
use store::feed::Event;
use store::{Db, Guard, Row, StoreError, Value, Write, row};

use crate::payment::{Line, StoredPayment};
use crate::{convert, queries};

/// The reason of a refund that is tried again, until the channel has taken that in.
pub(crate) const UNANSWERED: &str = "RETRY";

/// A stored refund.
#[derive(Debug, Clone)]
pub(crate) struct StoredRefund {
    pub(crate) no: RefundNo,
    /// The payment whose money it is.
    pub(crate) payment: OutTradeNo,
    pub(crate) amount: Fen,
    /// What the payment was of.
    pub(crate) total: Fen,
    pub(crate) state: RefundState,
    pub(crate) failure: Option<RefundFailure>,
    pub(crate) reason: String,
    pub(crate) channel_refund_no: Option<String>,
    pub(crate) refunded_at: Option<Timestamp>,
    pub(crate) retry: i32,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) changed_at: Timestamp,
}

/// What trade asks for; a repeat must ask for the same, but for `retry`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) no: RefundNo,
    pub(crate) payment: OutTradeNo,
    pub(crate) amount: Fen,
    pub(crate) retry: i32,
}

static CHANGED: Guard = Guard {
    insert: &queries::REFUND_LOG_INSERT,
    winner: &queries::REFUND_LOG_WINNER,
    key: &[0, 1],
};

// In the feed it stands beside the payments, which are numbered from 0.
const PART: i32 = -1;
const REASON: usize = 128;

impl StoredRefund {
    /// The refund, if there is one.
    pub(crate) async fn get(db: &Db, no: RefundNo) -> Result<Option<Self>, StoreError> {
        let row = db
            .fetch_optional(&queries::REFUNDS_GET, row![no.get()])
            .await?;
        row.map(|row| Self::read(&row, no.environment()))
            .transpose()
    }

    /// All refunds of a payment, oldest first.
    pub(crate) async fn of_payment(db: &Db, payment: OutTradeNo) -> Result<Vec<Self>, StoreError> {
        let key = row![payment.order.get(), payment.attempt.get()];
        let rows = db.fetch_all(&queries::REFUNDS_OF_PAYMENT, key).await?;
        rows.iter()
            .map(|row| Self::read(row, payment.environment))
            .collect()
    }

    /// All refunds of an order, oldest first.
    pub(crate) async fn of_order(
        db: &Db,
        order: OrderNo,
        environment: Environment,
    ) -> Result<Vec<Self>, StoreError> {
        let rows = db
            .fetch_all(&queries::REFUNDS_OF_ORDER, row![order.get()])
            .await?;
        rows.iter()
            .map(|row| Self::read(row, environment))
            .collect()
    }

    /// The refund that is wanted, at version 1, in this state.
    pub(crate) fn new(
        wanted: &Wanted,
        payment: &StoredPayment,
        (state, failure): (RefundState, Option<RefundFailure>),
        now: Timestamp,
    ) -> Self {
        Self {
            no: wanted.no,
            payment: wanted.payment,
            amount: wanted.amount,
            total: payment.amount(),
            state,
            failure,
            reason: String::new(),
            channel_refund_no: None,
            refunded_at: None,
            retry: wanted.retry,
            version: 1,
            created_at: now,
            changed_at: now,
        }
    }

    /// Whether this is what is wanted.
    pub(crate) fn is(&self, wanted: &Wanted) -> bool {
        (self.no, self.payment, self.amount) == (wanted.no, wanted.payment, wanted.amount)
    }

    /// The key of what it owes.
    pub(crate) fn owes(&self) -> (i64, i32) {
        (self.no.get(), 0)
    }

    /// The write that puts it on record: with the next line of its payment's story as guard,
    /// so that of all refunds that are decided upon at once, one is made.
    pub(crate) fn create(&self, payment: &StoredPayment, line: &Line, due: Timestamp) -> Write {
        let at = self.created_at;
        let guard = Line {
            event: "REFUND",
            actor: line.actor,
            detail: format!("{} {} fen", self.no, self.amount),
        };
        let log = [self.log_row(None, line, at), row![0]].concat();
        let write = payment
            .change(&payment.next(), &guard, (None, at))
            .insert(&queries::REFUNDS_INSERT, self.row())
            .insert(&queries::REFUND_LOG_INSERT, log);
        let write = self.owe(write, &[], due);
        self.tell(write, at)
    }

    /// The write that changes `self` into `to`, which must be the next version of it. What it
    /// newly owes is due then.
    pub(crate) fn change(
        &self,
        to: &Self,
        line: &Line,
        (at, due): (Timestamp, Timestamp),
    ) -> Write {
        let log = to.log_row(Some(self.state), line, at);
        let write = Write::new("refund/change", &CHANGED, log)
            .update(&queries::REFUNDS_MOVE, to.move_row());
        let write = to.owe(write, owed_by_refund_attempt(self.state), due);
        // Trade waits for the end of each try, be it the same as the last one's.
        if (to.state, to.retry) == (self.state, self.retry) {
            return write;
        }
        to.tell(write, at)
    }

    /// A copy at the next version, in `state`.
    pub(crate) fn moved(&self, state: RefundState, at: Timestamp) -> Self {
        Self {
            state,
            failure: None,
            changed_at: at,
            ..self.next()
        }
    }

    /// A copy at the next version.
    pub(crate) fn next(&self) -> Self {
        Self {
            version: self.version + 1,
            ..self.clone()
        }
    }

    // What the new state owes and the old one did not, and the other way round.
    fn owe(&self, mut write: Write, before: &[ObligationKind], due: Timestamp) -> Write {
        let change = Change::between(before, owed_by_refund_attempt(self.state));
        for kind in change.arm {
            write = write.arm(kind.code(), self.owes(), due);
        }
        for kind in change.end {
            write = write.end(kind.code(), self.owes());
        }
        write
    }

    fn tell(&self, write: Write, at: Timestamp) -> Write {
        if self.state.is_open() {
            return write;
        }
        let message = RefundEvent {
            refund: Some(convert::refund(self)),
        };
        write.publish(Event {
            aggregate: "refund",
            key: self.no.get(),
            key_text: self.no.to_string(),
            part: PART,
            version: self.version,
            kind: "paymesh.gateway.v1.RefundEvent",
            payload: message.encode_to_vec(),
            traceparent: mesh::Context::current().traceparent(),
            at,
        })
    }

    fn failure_code(&self) -> i16 {
        self.failure.map_or(0, RefundFailure::code)
    }

    // A channel may say more than there is room for.
    fn reason_column(&self) -> String {
        self.reason.chars().take(REASON).collect()
    }

    fn row(&self) -> Vec<Value> {
        row![
            self.no.get(),
            self.payment.order.get(),
            self.payment.attempt.get(),
            self.amount.get(),
            self.total.get(),
            self.state.code(),
            self.failure_code(),
            self.reason_column(),
            self.channel_refund_no.clone(),
            self.refunded_at,
            self.retry,
            self.version,
            self.created_at,
            self.changed_at
        ]
    }

    fn move_row(&self) -> Vec<Value> {
        row![
            self.no.get(),
            self.version,
            self.state.code(),
            self.failure_code(),
            self.reason_column(),
            self.channel_refund_no.clone(),
            self.refunded_at,
            self.retry,
            self.changed_at
        ]
    }

    fn log_row(&self, from: Option<RefundState>, line: &Line, at: Timestamp) -> Vec<Value> {
        let detail: String = line.detail.chars().take(255).collect();
        row![
            self.no.get(),
            self.version,
            at,
            from.map_or(0, RefundState::code),
            self.state.code(),
            line.event,
            line.actor.name(),
            detail,
            mesh::Context::current().trace_id()
        ]
    }

    fn read(row: &Row, environment: Environment) -> Result<Self, StoreError> {
        let unknown = |column| move |e: UnknownCode| row.corrupt(column, e);
        let failure = match row.small::<i16>("failure")? {
            0 => None,
            code => Some(RefundFailure::from_code(code).map_err(unknown("failure"))?),
        };
        let no = RefundNo::try_from(row.int("refund_no")?);
        Ok(Self {
            no: no
                .map_err(|e| row.corrupt("refund_no", e))?
                .in_environment(environment),
            payment: payment_of(row, environment)?,
            amount: Fen::new(row.int("amount")?),
            total: Fen::new(row.int("total")?),
            state: RefundState::from_code(row.small("state")?).map_err(unknown("state"))?,
            failure,
            reason: row.text("reason")?,
            channel_refund_no: row.opt_text("channel_refund_no")?,
            refunded_at: row.opt_time("refunded_at")?,
            retry: row.small("retry")?,
            version: row.int("version")?,
            created_at: row.time("created_at")?,
            changed_at: row.time("changed_at")?,
        })
    }
}

fn payment_of(row: &Row, environment: Environment) -> Result<OutTradeNo, StoreError> {
    let order = OrderNo::try_from(row.int("order_no")?);
    let attempt = Attempt::try_from(row.int("attempt")?);
    Ok(OutTradeNo {
        order: order.map_err(|e| row.corrupt("order_no", e))?,
        attempt: attempt.map_err(|e| row.corrupt("attempt", e))?,
        environment,
    })
}
