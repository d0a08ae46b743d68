//! An order as it is stored, and the one way its row changes: with a line of its story.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::time::Duration;

use domain::obligation::{Change, owed_by_order};
use domain::{
    Attempt, Binding, CanceledBy, Environment, Fen, Fulfilment, LateMoneyPolicy, ObligationKind,
    OrderKind, OrderNo, OrderState, OrderStatus, OutTradeNo, PayType, RefundStatus, UnknownCode,
};
use jiff::Timestamp;
use store::{Db, Guard, Row, StoreError, Write, row};

use crate::queries;

/// A stored order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredOrder {
    pub(crate) no: OrderNo,
    pub(crate) merchant_id: i64,
    pub(crate) shop_id: i64,
    pub(crate) merchant_order_no: String,
    /// SHA-256 of what create was asked for.
    pub(crate) content: Vec<u8>,
    pub(crate) amount: Fen,
    pub(crate) kind: OrderKind,
    pub(crate) description: String,
    pub(crate) client_ip: String,
    pub(crate) details: Vec<u8>,
    pub(crate) state: OrderState,
    pub(crate) refund_status: RefundStatus,
    /// What went back, surplus money left out.
    pub(crate) refunded: Fen,
    pub(crate) fulfilment: Fulfilment,
    pub(crate) binding: Binding,
    pub(crate) payer_id: Option<String>,
    pub(crate) pay_type: Option<PayType>,
    pub(crate) paid_at: Option<Timestamp>,
    pub(crate) external: Option<External>,
    pub(crate) late_money: LateMoneyPolicy,
    pub(crate) bind_limit_at: Timestamp,
    pub(crate) pay_limit_at: Timestamp,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
}

/// A platform's payment that an order arrived with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct External {
    pub(crate) platform: String,
    pub(crate) number: String,
}

/// A line of an order's story: what happened, and who or what caused it.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) event: &'static str,
    pub(crate) actor: Cow<'static, str>,
    pub(crate) detail: String,
}

// Longer than the call to pay-gateway may take: after that somebody must ask.
const CONFIRM_AFTER: Duration = Duration::from_secs(15);

/// Where the parts of [`StoredOrder::part_besides`] begin: above every attempt.
pub(crate) const BESIDES: i32 = 10_000;

static CREATED: Guard = Guard {
    insert: &queries::ORDERS_INSERT,
    winner: &queries::ORDERS_WINNER,
    key: &[1, 3],
};
static CHANGED: Guard = Guard {
    insert: &queries::ORDER_LOG_INSERT,
    winner: &queries::ORDER_LOG_WINNER,
    key: &[0, 1],
};

impl StoredOrder {
    /// The order, if there is one.
    pub(crate) async fn get(db: &Db, no: OrderNo) -> Result<Option<Self>, StoreError> {
        let row = db
            .fetch_optional(&queries::ORDERS_GET, row![no.get()])
            .await?;
        row.as_ref().map(Self::read).transpose()
    }

    /// The order under the merchant's own number, if there is one.
    pub(crate) async fn by_merchant_no(
        db: &Db,
        merchant_id: i64,
        merchant_order_no: &str,
    ) -> Result<Option<Self>, StoreError> {
        let key = row![merchant_id, merchant_order_no];
        let row = db
            .fetch_optional(&queries::ORDERS_BY_MERCHANT_NO, key)
            .await?;
        row.as_ref().map(Self::read).transpose()
    }

    /// The order a platform's payment paid, if there is one.
    pub(crate) async fn by_external(
        db: &Db,
        external: &External,
    ) -> Result<Option<Self>, StoreError> {
        let key = row![external.platform.clone(), external.number.clone()];
        let row = db.fetch_optional(&queries::ORDERS_BY_EXTERNAL, key).await?;
        row.as_ref().map(Self::read).transpose()
    }

    /// A shop's orders, the newest first: of a range of numbers, in one status or in any.
    pub(crate) async fn list(db: &Db, wanted: &Listed) -> Result<Vec<Self>, StoreError> {
        let status = wanted.status.map_or(0, OrderStatus::code);
        let row = row![
            wanted.shop_id,
            wanted.from,
            wanted.before,
            status,
            status,
            wanted.most
        ];
        let rows = db.fetch_all(&queries::ORDERS_LIST, row).await?;
        rows.iter().map(Self::read).collect()
    }

    /// The key of what this order owes.
    pub(crate) fn owes(&self) -> (i64, i32) {
        (self.no.get(), 0)
    }

    /// The number the channel knows an attempt by.
    pub(crate) fn out_trade_no(&self, attempt: Attempt, environment: Environment) -> OutTradeNo {
        OutTradeNo {
            order: self.no,
            attempt,
            environment,
        }
    }

    /// The key of what one of its payments owes.
    pub(crate) fn part(&self, payment: Attempt) -> (i64, i32) {
        (self.no.get(), i32::from(payment.get()))
    }

    /// The key of what is owed about a payment besides: closing it because another one paid,
    /// settling its reversal.
    pub(crate) fn part_besides(&self, payment: Attempt) -> (i64, i32) {
        (self.no.get(), BESIDES + i32::from(payment.get()))
    }

    /// The write that creates it, at version 1, with its first line and what it owes.
    pub(crate) fn create(&self, line: &Line) -> Write {
        let guard = row![
            self.no.get(),
            self.merchant_id,
            self.shop_id,
            self.merchant_order_no.clone(),
            self.content.clone(),
            self.amount.get(),
            self.kind.code(),
            self.description.clone(),
            self.client_ip.clone(),
            self.details.clone(),
            self.state.status().code(),
            self.state.payment().map(Attempt::get),
            CanceledBy::to_column(self.state.canceled_by()),
            self.refund_status.code(),
            self.refunded.get(),
            self.fulfilment.code(),
            self.binding.code(),
            self.payer_id.clone(),
            self.pay_type.map(PayType::code),
            self.paid_at,
            self.external
                .as_ref()
                .map(|external| external.platform.clone()),
            self.external
                .as_ref()
                .map(|external| external.number.clone()),
            self.late_money.code(),
            self.bind_limit_at,
            self.pay_limit_at,
            self.version,
            self.created_at,
            self.created_at
        ];
        let log = log_row(self, None, line, self.created_at);
        // The line's own write id says nothing: the order's row is the guard.
        let log = [log, row![0]].concat();
        let write =
            Write::new("order/create", &CREATED, guard).insert(&queries::ORDER_LOG_INSERT, log);
        self.owe(write, None, self.created_at)
    }

    /// The write that changes `self` into `to`, which must be the next version of it.
    pub(crate) fn change(
        &self,
        name: &'static str,
        to: &Self,
        line: &Line,
        at: Timestamp,
    ) -> Write {
        let moved = row![
            to.no.get(),
            to.version,
            to.state.status().code(),
            to.state.payment().map(Attempt::get),
            CanceledBy::to_column(to.state.canceled_by()),
            to.refund_status.code(),
            to.refunded.get(),
            to.fulfilment.code(),
            to.binding.code(),
            to.payer_id.clone(),
            to.pay_type.map(PayType::code),
            to.paid_at,
            at
        ];
        let log = log_row(to, Some(self.state.status()), line, at);
        let write = Write::new(name, &CHANGED, log).update(&queries::ORDERS_MOVE, moved);
        to.owe(write, Some(self), at)
    }

    /// A copy at the next version, to be changed.
    pub(crate) fn next(&self) -> Self {
        Self {
            version: self.version + 1,
            ..self.clone()
        }
    }

    // What the new status owes and the old one did not, and the other way round.
    fn owe(&self, mut write: Write, before: Option<&Self>, at: Timestamp) -> Write {
        let owed = |order: &Self| owed_by_order(order.state.status(), order.binding);
        let change = Change::between(before.map_or(&[], owed), owed(self));
        for kind in change.arm {
            write = write.arm(kind.code(), self.key_of(kind), self.due(kind, at));
        }
        for kind in change.end {
            write = write.end(kind.code(), before.unwrap_or(self).key_of(kind));
        }
        write
    }

    fn key_of(&self, kind: ObligationKind) -> (i64, i32) {
        match (kind, self.state.payment()) {
            (ObligationKind::PayConfirm, Some(payment)) => self.part(payment),
            _ => self.owes(),
        }
    }

    fn due(&self, kind: ObligationKind, at: Timestamp) -> Timestamp {
        match kind {
            ObligationKind::BindLimit => self.bind_limit_at,
            ObligationKind::PayLimit => self.pay_limit_at,
            ObligationKind::PayConfirm => at + CONFIRM_AFTER,
            _ => at,
        }
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        let unknown = |column| move |e: UnknownCode| row.corrupt(column, e);
        let attempt = row.opt_int("attempt")?.map(Attempt::try_from).transpose();
        let attempt = attempt.map_err(|e| row.corrupt("attempt", e))?;
        let status = OrderStatus::from_code(row.small("status")?).map_err(unknown("status"))?;
        let by =
            CanceledBy::from_column(row.small("canceled_by")?).map_err(unknown("canceled_by"))?;
        let pay_type = row
            .opt_int("pay_type")?
            .and_then(|code| i16::try_from(code).ok());
        Ok(Self {
            no: OrderNo::try_from(row.int("order_no")?).map_err(|e| row.corrupt("order_no", e))?,
            merchant_id: row.int("merchant_id")?,
            shop_id: row.int("shop_id")?,
            merchant_order_no: row.text("merchant_order_no")?,
            content: row.bytes("content")?,
            amount: Fen::new(row.int("amount")?),
            kind: OrderKind::from_code(row.small("kind")?).map_err(unknown("kind"))?,
            description: row.text("description")?,
            client_ip: row.text("client_ip")?,
            details: row.bytes("details")?,
            state: OrderState::restore(status, attempt, by)
                .map_err(|e| row.corrupt("status", e))?,
            refund_status: RefundStatus::from_code(row.small("refund_status")?)
                .map_err(unknown("refund_status"))?,
            refunded: Fen::new(row.int("refunded")?),
            fulfilment: Fulfilment::from_code(row.small("fulfilment")?)
                .map_err(unknown("fulfilment"))?,
            binding: Binding::from_code(row.small("binding")?).map_err(unknown("binding"))?,
            payer_id: row.opt_text("payer_id")?,
            pay_type: pay_type
                .map(PayType::from_code)
                .transpose()
                .map_err(unknown("pay_type"))?,
            paid_at: row.opt_time("paid_at")?,
            external: External::read(row)?,
            late_money: LateMoneyPolicy::from_code(row.small("late_money")?)
                .map_err(unknown("late_money"))?,
            bind_limit_at: row.time("bind_limit_at")?,
            pay_limit_at: row.time("pay_limit_at")?,
            version: row.int("version")?,
            created_at: row.time("created_at")?,
        })
    }
}

/// Which orders to list.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) shop_id: i64,
    pub(crate) status: Option<OrderStatus>,
    /// The smallest number.
    pub(crate) from: i64,
    /// Above the greatest.
    pub(crate) before: i64,
    pub(crate) most: i64,
}

impl External {
    fn read(row: &Row) -> Result<Option<Self>, StoreError> {
        let external = (
            row.opt_text("external_platform")?,
            row.opt_text("external_no")?,
        );
        Ok(match external {
            (Some(platform), Some(number)) => Some(Self { platform, number }),
            _ => None,
        })
    }
}

fn log_row(
    to: &StoredOrder,
    from: Option<OrderStatus>,
    line: &Line,
    at: Timestamp,
) -> Vec<store::Value> {
    let detail: String = line.detail.chars().take(255).collect();
    row![
        to.no.get(),
        to.version,
        at,
        from.map_or(0, OrderStatus::code),
        to.state.status().code(),
        line.event,
        &*line.actor,
        detail,
        mesh::Context::current().trace_id()
    ]
}
