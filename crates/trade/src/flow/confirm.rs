//! What a payment did reaches its order: by the reply of an RPC and by the feed, through
//! this one transition, which is idempotent.

use domain::{Consequence, ObligationKind, OrderFact, OrderNo, OrderStatus, Step};
use jiff::Timestamp;
use store::{Value, Write, row};
use tracing::{error, info};

use crate::error::TradeError;
use crate::order::{Line, StoredOrder};
use crate::{Inner, flow, queries};

/// A fact about a payment, and how it came.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) fact: OrderFact,
    /// The channel's time of payment, if it paid.
    pub(crate) paid_at: Option<Timestamp>,
    pub(crate) actor: &'static str,
    pub(crate) detail: String,
    /// Who found money that neither a callback nor a reply told of: a remedy (补单).
    pub(crate) remedy: Option<&'static str>,
}

/// Takes the fact into the order; answers the order as it then is.
pub(crate) async fn confirm(
    trade: &Inner,
    no: OrderNo,
    told: &Told,
) -> Result<StoredOrder, TradeError> {
    for _ in 0..flow::DECISIONS {
        let order = flow::load(&trade.db, no).await?;
        match take(trade, &order, told).await {
            Err(error) if error.is_conflict() => {}
            outcome => return outcome,
        }
    }
    Err(TradeError::Contended(no))
}

async fn take(trade: &Inner, order: &StoredOrder, told: &Told) -> Result<StoredOrder, TradeError> {
    let now = trade.db.clock().now();
    let step = order.state.fact(told.fact, &order.late_money);
    let mut to = order.next();
    if let Step::Moved(state, _) = &step {
        to.state = *state;
        enter(order, &mut to, told, now);
    }
    let line = Line {
        event: told.fact.name(),
        actor: told.actor,
        detail: told.detail.clone(),
    };
    let mut write = order.change("order/confirm", &to, &line, now);
    if let OrderFact::Succeeded { payment } = told.fact {
        let paid = row![order.no.get(), payment.get(), told.paid_at.unwrap_or(now)];
        write = write.update(&queries::ATTEMPTS_PAY, paid);
    }
    if let Some(remedy) = remedy(order, &to, told, step.owed()) {
        write = write.insert(&queries::REMEDIES_INSERT, [remedy, row![now]].concat());
    }
    for consequence in step.owed().into_iter().flatten() {
        write = owe(write, order, *consequence, now);
    }
    trade.db.submit(write).await?;
    trade.watched.ring(order.no);
    info!(order = %order.no, from = %order.state.status(), to = %to.state.status(), event = line.event, "order");
    Ok(to)
}

// What comes with a new state besides it.
fn enter(order: &StoredOrder, to: &mut StoredOrder, told: &Told, now: Timestamp) {
    if to.state.status() == OrderStatus::Paid && !order.state.status().is_paid_or_later() {
        to.paid_at = Some(told.paid_at.unwrap_or(now));
        to.fulfilment = to.kind.fulfilment_once_paid();
    }
}

// The row of a remedy: for money found without its callback, and for late money.
fn remedy(
    order: &StoredOrder,
    to: &StoredOrder,
    told: &Told,
    owed: Option<&Vec<Consequence>>,
) -> Option<Vec<Value>> {
    let OrderFact::Succeeded { payment } = told.fact else {
        return None;
    };
    let late = owed?
        .iter()
        .any(|each| matches!(each, Consequence::Remedy(_)));
    let found = told.remedy.filter(|_| to.state != order.state);
    let finder = found.or(late.then_some("LATE"))?;
    let evidence: String = told.detail.chars().take(255).collect();
    Some(row![
        order.no.get(),
        to.version,
        payment.get(),
        finder,
        evidence,
        order.state.status().code(),
        to.state.status().code()
    ])
}

fn owe(write: Write, order: &StoredOrder, consequence: Consequence, now: Timestamp) -> Write {
    let arm = |write: Write, kind: ObligationKind, payment| {
        write.arm(kind.code(), order.part(payment), now)
    };
    match consequence {
        Consequence::Settle(payment) | Consequence::SettleReversal(payment) => {
            arm(write, ObligationKind::Settle, payment)
        }
        Consequence::LateRefund(payment) | Consequence::SurplusRefund(payment) => {
            arm(write, ObligationKind::RefundDrive, payment)
        }
        Consequence::ClosePayment(payment) => arm(write, ObligationKind::Revoke, payment),
        // Its row stands in the same write.
        Consequence::Remedy(_) => write,
        Consequence::FailOpenRefunds(payment) => {
            error!(order = %order.no, attempt = payment.get(), ?consequence, "needs a person");
            write
        }
        Consequence::Alarm(alarm) => {
            error!(order = %order.no, alarm = alarm.name(), "alarm");
            write
        }
    }
}
