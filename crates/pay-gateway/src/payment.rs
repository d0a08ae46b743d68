//! A payment as it is stored, and the one way its row changes: with a line of its story,
//! what it owes from then on, and what trade is told.

use std::time::Duration;

use domain::obligation::{Change, owed_by_payment};
use domain::{
    Attempt, Closure, Environment, Fen, Live, ObligationKind, OrderNo, OutTradeNo, PayType,
    PaymentContext, PaymentEffects, PaymentState, PollSchedule, Tell, UnknownCode,
};
use jiff::Timestamp;
use prost::Message;
use proto::gateway::v1::{Finder, PaymentEvent, PaymentFact};
use store::feed::Event;
use store::{Db, Guard, Row, StoreError, Value, Write, row};

use crate::{convert, queries};

// How long a channel may take to know what it was told.
const GRACE: Duration = Duration::from_secs(10);
const CONFIRM_AFTER: Duration = Duration::from_mins(10);

/// A stored payment.
#[derive(Debug, Clone)]
pub(crate) struct StoredPayment {
    pub(crate) number: OutTradeNo,
    pub(crate) live: bool,
    pub(crate) state: PaymentState,
    pub(crate) reason: String,
    pub(crate) asked: Asked,
    pub(crate) send_before: Timestamp,
    pub(crate) account: Account,
    pub(crate) pay_info: Option<String>,
    pub(crate) channel_trade_no: Option<String>,
    pub(crate) paid_at: Option<Timestamp>,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) changed_at: Timestamp,
}

/// What trade asked for; a repeat must ask for the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) shop_id: i64,
    pub(crate) pay_type: PayType,
    pub(crate) amount: Fen,
    pub(crate) description: String,
    pub(crate) payer_id: String,
    pub(crate) client_ip: String,
    pub(crate) expires_at: Timestamp,
}

/// The account that takes the money; fixed for the payment's life.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Account {
    pub(crate) id: i64,
    pub(crate) mch_id: String,
    pub(crate) key_name: String,
    pub(crate) sign_agentno: String,
}

/// A line of a payment's story.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) event: &'static str,
    pub(crate) actor: Actor,
    pub(crate) detail: String,
}

/// Who or what caused a line of a payment's story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Actor {
    Rpc,
    Reply,
    Callback,
    Query,
}

impl Actor {
    fn name(self) -> &'static str {
        match self {
            Self::Rpc => "rpc",
            Self::Reply => "reply",
            Self::Callback => "callback",
            Self::Query => "query",
        }
    }

    // Who found what trade is told of.
    fn finder(self) -> Finder {
        match self {
            Self::Rpc | Self::Reply => Finder::Reply,
            Self::Callback => Finder::Callback,
            Self::Query => Finder::Query,
        }
    }
}

static CREATED: Guard = Guard {
    insert: &queries::PAYMENTS_INSERT,
    winner: &queries::PAYMENTS_WINNER,
    key: &[0, 1],
};
static CHANGED: Guard = Guard {
    insert: &queries::PAYMENT_LOG_INSERT,
    winner: &queries::PAYMENT_LOG_WINNER,
    key: &[0, 1, 2],
};

impl StoredPayment {
    /// The payment, if there is one.
    pub(crate) async fn get(db: &Db, number: OutTradeNo) -> Result<Option<Self>, StoreError> {
        let key = row![number.order.get(), number.attempt.get()];
        let row = db.fetch_optional(&queries::PAYMENTS_GET, key).await?;
        row.map(|row| Self::read(&row, number.environment))
            .transpose()
    }

    /// All payments of an order, oldest first.
    pub(crate) async fn of_order(
        db: &Db,
        order: OrderNo,
        environment: Environment,
    ) -> Result<Vec<Self>, StoreError> {
        let rows = db
            .fetch_all(&queries::PAYMENTS_OF_ORDER, row![order.get()])
            .await?;
        rows.iter()
            .map(|row| Self::read(row, environment))
            .collect()
    }

    /// The key of what it owes.
    pub(crate) fn owes(&self) -> (i64, i32) {
        (
            self.number.order.get(),
            i32::from(self.number.attempt.get()),
        )
    }

    /// Its facts at the moment of a decision.
    pub(crate) fn context(&self, now: Timestamp) -> PaymentContext {
        PaymentContext {
            now,
            since: self.changed_at,
            send_before: self.send_before,
            grace: GRACE,
            closure: Closure::NotSent,
            direction: self.asked.pay_type.direction(),
            pay_info_stored: self.pay_info.is_some(),
        }
    }

    /// The write that creates it, at version 1, with its first line and what it owes.
    /// Its polls run `compression` times as fast.
    pub(crate) fn create(&self, line: &Line, tell: Option<Tell>, compression: u32) -> Write {
        let (asked, account) = (&self.asked, &self.account);
        let guard = row![
            self.number.order.get(),
            self.number.attempt.get(),
            self.live_column(),
            self.state.code(),
            self.reason.clone(),
            asked.shop_id,
            asked.pay_type.code(),
            asked.amount.get(),
            asked.description.clone(),
            asked.payer_id.clone(),
            asked.client_ip.clone(),
            asked.expires_at,
            self.send_before,
            account.id,
            account.mch_id.clone(),
            account.key_name.clone(),
            account.sign_agentno.clone(),
            self.pay_info.clone(),
            self.channel_trade_no.clone(),
            self.paid_at,
            self.version,
            self.created_at,
            self.changed_at
        ];
        let log = [self.log_row(None, line, self.created_at), row![0]].concat();
        let write =
            Write::new("payment/create", &CREATED, guard).insert(&queries::PAYMENT_LOG_INSERT, log);
        let write = self.owe(write, &[], (self.created_at, compression));
        self.tell(write, tell, (line.actor, self.created_at))
    }

    /// The write that changes `self` into `to`, which must be the next version of it.
    pub(crate) fn change(
        &self,
        to: &Self,
        line: &Line,
        (effects, at): (Option<&PaymentEffects>, Timestamp),
    ) -> Write {
        let moved = row![
            to.number.order.get(),
            to.number.attempt.get(),
            to.version,
            to.live_column(),
            to.state.code(),
            to.reason.clone(),
            to.pay_info.clone(),
            to.channel_trade_no.clone(),
            to.paid_at,
            to.changed_at
        ];
        let write = Write::new(
            "payment/change",
            &CHANGED,
            to.log_row(Some(self.state), line, at),
        )
        .update(&queries::PAYMENTS_MOVE, moved);
        let mut write = to.owe(write, owed_by_payment(self.state), (at, 1));
        if let Some(due) = effects.and_then(|effects| effects.due) {
            write = write.arm(due.code(), to.owes(), at);
        }
        to.tell(
            write,
            effects.and_then(|effects| effects.tell),
            (line.actor, at),
        )
    }

    /// A copy at the next version, in `state` with what comes of it.
    pub(crate) fn moved(&self, state: PaymentState, live: Live, at: Timestamp) -> Self {
        Self {
            state,
            live: self.live && live == Live::Keep,
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

    fn live_column(&self) -> Option<i64> {
        self.live.then_some(1)
    }

    // What the new state owes and the old one did not, and the other way round.
    fn owe(
        &self,
        mut write: Write,
        before: &[ObligationKind],
        (at, compression): (Timestamp, u32),
    ) -> Write {
        let change = Change::between(before, owed_by_payment(self.state));
        for kind in change.arm {
            write = write.arm(kind.code(), self.owes(), self.due(kind, at, compression));
        }
        for kind in change.end {
            write = write.end(kind.code(), self.owes());
        }
        write
    }

    fn due(&self, kind: ObligationKind, at: Timestamp, compression: u32) -> Timestamp {
        match kind {
            ObligationKind::Poll => {
                let limit = self.created_at.duration_until(self.asked.expires_at);
                let polls = PollSchedule::customer_scans(limit.unsigned_abs());
                let first = polls
                    .next_after(Duration::ZERO)
                    .unwrap_or(limit.unsigned_abs());
                if compression <= 1 {
                    return at + first;
                }
                // Not before the call that prepares it has ended: nothing can be known till then.
                (at + first / compression).max(self.send_before)
            }
            ObligationKind::Confirm => at + CONFIRM_AFTER,
            _ => at,
        }
    }

    fn tell(&self, write: Write, tell: Option<Tell>, (actor, at): (Actor, Timestamp)) -> Write {
        let Some(tell) = tell else { return write };
        let fact = match tell {
            Tell::Succeeded => PaymentFact::Succeeded,
            Tell::Dead => PaymentFact::Dead,
            Tell::Reversed => PaymentFact::Reversed,
        };
        // What lets its holder pay has no place in a feed.
        let payment = proto::gateway::v1::Payment {
            pay_info: String::new(),
            ..convert::payment(self)
        };
        let message = PaymentEvent {
            payment: Some(payment),
            fact: fact.into(),
            finder: actor.finder().into(),
        };
        write.publish(Event {
            aggregate: "payment",
            key: self.number.order.get(),
            key_text: self.number.order.to_string(),
            part: i32::from(self.number.attempt.get()),
            version: self.version,
            kind: "paymesh.gateway.v1.PaymentEvent",
            payload: message.encode_to_vec(),
            traceparent: mesh::Context::current().traceparent(),
            at,
        })
    }

    fn log_row(&self, from: Option<PaymentState>, line: &Line, at: Timestamp) -> Vec<Value> {
        let detail: String = line.detail.chars().take(255).collect();
        row![
            self.number.order.get(),
            self.number.attempt.get(),
            self.version,
            at,
            from.map_or(0, PaymentState::code),
            self.state.code(),
            line.event,
            line.actor.name(),
            detail,
            mesh::Context::current().trace_id()
        ]
    }

    fn read(row: &Row, environment: Environment) -> Result<Self, StoreError> {
        let unknown = |column| move |e: UnknownCode| row.corrupt(column, e);
        let order = OrderNo::try_from(row.int("order_no")?);
        let attempt = Attempt::try_from(row.int("attempt")?);
        Ok(Self {
            number: OutTradeNo {
                order: order.map_err(|e| row.corrupt("order_no", e))?,
                attempt: attempt.map_err(|e| row.corrupt("attempt", e))?,
                environment,
            },
            live: row.opt_int("live")?.is_some(),
            state: PaymentState::from_code(row.small("state")?).map_err(unknown("state"))?,
            reason: row.text("reason")?,
            asked: Asked {
                shop_id: row.int("shop_id")?,
                pay_type: PayType::from_code(row.small("pay_type")?)
                    .map_err(unknown("pay_type"))?,
                amount: Fen::new(row.int("amount")?),
                description: row.text("description")?,
                payer_id: row.text("payer_id")?,
                client_ip: row.text("client_ip")?,
                expires_at: row.time("expires_at")?,
            },
            send_before: row.time("send_before")?,
            account: Account {
                id: row.int("account_id")?,
                mch_id: row.text("mch_id")?,
                key_name: row.text("key_name")?,
                sign_agentno: row.text("sign_agentno")?,
            },
            pay_info: row.opt_text("pay_info")?,
            channel_trade_no: row.opt_text("channel_trade_no")?,
            paid_at: row.opt_time("paid_at")?,
            version: row.int("version")?,
            created_at: row.time("created_at")?,
            changed_at: row.time("changed_at")?,
        })
    }
}
