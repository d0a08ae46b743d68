//! The one way a payment's row changes: with a line of its story, what it owes from then on,
//! and what trade is told.

use std::time::Duration;

use domain::obligation::{Change, owed_by_payment};
use domain::{
    Direction, Fen, ObligationKind, PayId, PaymentEffects, PaymentState, PollSchedule, Tell,
};
use jiff::Timestamp;
use prost::Message;
use proto::gateway::v1::{PaymentEvent, PaymentFact};
use store::feed::Event;
use store::{Guard, Value, Write, row};

use super::{Actor, CONFIRM_AGES, Line, StoredPayment};
use crate::{convert, queries};

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
    /// The write that creates it, at version 1, with its first line and what it owes; its
    /// schedules run `compression` times as fast.
    pub(crate) fn create(&self, line: &Line, tell: Option<Tell>, compression: u32) -> Write {
        let log = [self.log_row(None, line, self.created_at), row![0]].concat();
        let write = Write::new("payment/create", &CREATED, self.row())
            .insert(&queries::PAYMENT_LOG_INSERT, log);
        let write = self.owe(write, &[], (self.created_at, compression));
        self.tell(write, tell, (line.actor, self.created_at))
    }

    /// The write that changes `self` into `to`, which must be the next version of it.
    pub(crate) fn change(
        &self,
        to: &Self,
        line: &Line,
        outcome: (Option<&PaymentEffects>, Timestamp),
    ) -> Write {
        self.step(to, line, outcome, 1)
    }

    /// The same for a move; the schedules that begin with it run `compression` times as fast.
    pub(crate) fn step(
        &self,
        to: &Self,
        line: &Line,
        (effects, at): (Option<&PaymentEffects>, Timestamp),
        compression: u32,
    ) -> Write {
        let log = to.log_row(Some(self.state), line, at);
        let write = Write::new("payment/change", &CHANGED, log)
            .update(&queries::PAYMENTS_MOVE, to.moved_row());
        let mut write = to.owe(write, owed_by_payment(self.state), (at, compression));
        if let Some(due) = effects.and_then(|effects| effects.due) {
            write = write.arm(due.code(), to.owes(), at);
        }
        // Evidence may have asked for a query of what was dead; the move has answered it.
        if self.state.is_dead() && to.state != self.state {
            write = write.end(ObligationKind::Close.code(), to.owes());
        }
        let tell = effects.and_then(|effects| effects.tell);
        to.tell(write, tell, (line.actor, at))
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
                let first = self.first_poll(compression);
                // Not before the call that prepares it has ended: nothing can be known till then.
                match self.asked.pay_type.direction() {
                    Direction::CustomerScans if compression > 1 => {
                        (at + first).max(self.send_before)
                    }
                    _ => at + first,
                }
            }
            ObligationKind::Confirm => at + CONFIRM_AGES[0] / compression,
            _ => at,
        }
    }

    fn first_poll(&self, compression: u32) -> Duration {
        let schedule = self.polls(compression);
        schedule
            .next_after(Duration::ZERO)
            .unwrap_or_else(|| self.pay_time())
    }

    /// When it is asked about, by its age; `compression` times as fast.
    pub(crate) fn polls(&self, compression: u32) -> PollSchedule {
        let schedule = match self.asked.pay_type.direction() {
            // Only the pauses are shorter: the payer has as long as was told.
            Direction::CustomerScans => {
                PollSchedule::customer_scans(self.pay_time().saturating_mul(compression))
            }
            Direction::MerchantScans => PollSchedule::merchant_scans(),
        };
        schedule.compressed(compression)
    }

    // What the payer has to pay in.
    fn pay_time(&self) -> Duration {
        let limit = self.created_at.duration_until(self.asked.expires_at);
        limit.unsigned_abs()
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

    // === the rows ===

    fn row(&self) -> Vec<Value> {
        let (asked, account) = (&self.asked, &self.account);
        row![
            self.number.order.get(),
            self.number.attempt.get(),
            self.live_column(),
            self.state.code(),
            self.reason.clone(),
            asked.shop_id,
            asked.pay_type.code(),
            asked.amount.get(),
            self.pay_id.map_or(0, PayId::code),
            asked.description.clone(),
            asked.payer_id.clone(),
            asked.client_ip.clone(),
            asked.expires_at,
            self.send_before,
            account.id,
            account.mch_id.clone(),
            account.key_name.clone(),
            account.sign_agentno.clone(),
            account.sub_appid.clone(),
            account.groupno.clone(),
            self.pay_info.clone(),
            self.channel_trade_no.clone(),
            self.paid_at,
            self.paid_amount.map(Fen::get),
            self.closing.sent_at,
            self.closing.ended_at,
            self.closing.reason.clone(),
            self.version,
            self.created_at,
            self.changed_at
        ]
    }

    fn moved_row(&self) -> Vec<Value> {
        row![
            self.number.order.get(),
            self.number.attempt.get(),
            self.version,
            self.live_column(),
            self.state.code(),
            self.reason.clone(),
            self.pay_info.clone(),
            self.channel_trade_no.clone(),
            self.paid_at,
            self.paid_amount.map(Fen::get),
            self.closing.sent_at,
            self.closing.ended_at,
            self.closing.reason.clone(),
            self.changed_at
        ]
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

    fn live_column(&self) -> Option<i64> {
        self.live.then_some(1)
    }
}
