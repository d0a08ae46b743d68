//! What a payment did reaches its order: by the reply of an RPC, by the question of a job and
//! by the feed, through this one transition, which is idempotent. Facts come twice, and are a
//! line; what was true before a fact that is known already is not even that.

mod refunds;
mod told;

use domain::{Consequence, ObligationKind, OrderFact, OrderNo, OrderState, OrderStatus};
use jiff::Timestamp;
use store::{Value, Write, row};
use tracing::{debug, info};

use crate::attempt::StoredAttempt;
use crate::error::TradeError;
use crate::order::{Line, StoredOrder};
use crate::{Inner, flow, queries};

use refunds::Refunds;
pub(crate) use told::Told;

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

// What is read besides the order is read after it: should it have changed since, so has the
// order, and the write finds that out.
async fn take(trade: &Inner, order: &StoredOrder, told: &Told) -> Result<StoredOrder, TradeError> {
    let stored = match told.payment() {
        Some(payment) => StoredAttempt::get(&trade.db, order.no, payment).await?,
        None => None,
    };
    if stored.is_some_and(|attempt| attempt.outdates(told.version)) {
        debug!(order = %order.no, version = told.version, event = told.fact.name(), "outdated");
        return Ok(order.clone());
    }
    let now = trade.db.clock().now();
    let fact = counted(told.fact, stored);
    let attempt = match stored {
        Some(attempt) => Some(attempt),
        None => unasked(trade, order, told)?,
    };
    let attempt = attempt.map(|attempt| attempt.told(told.version, told.paid(now)));
    let step = order.state.fact(fact, &order.late_money);
    let owed = step.owed().map_or(&[][..], Vec::as_slice);
    let mut to = entered(order, step.moved_to(), attempt);
    let refunds = Refunds::of(trade, order, owed, now).await?;
    if let Some(refunds) = &refunds {
        refunds.show(&mut to)?;
    }
    let line = Line {
        event: fact.name(),
        actor: told.actor,
        detail: told.detail.clone(),
    };
    let mut write = order.change("order/confirm", &to, &line, now);
    if let Some(attempt) = attempt {
        write = match stored {
            Some(_) => attempt.told_in(write, order.no),
            None => attempt.insert_into(write, order.no, now),
        };
    }
    if let Some(remedy) = remedy(order, &to, told, owed) {
        write = write.insert(&queries::REMEDIES_INSERT, [remedy, row![now]].concat());
    }
    if let Some(refunds) = refunds {
        write = refunds.write(write);
    }
    for consequence in owed {
        write = owe(write, order, *consequence, now);
    }
    trade.db.submit(write).await?;
    trade.watched.ring(order.no);
    flow::alarms(order.no, owed);
    info!(order = %order.no, from = %order.state.status(), to = %to.state.status(), event = line.event, "order");
    Ok(to)
}

// Money of a payment that is not on record here: no order is lost, so it is put on record. Of
// other facts about one there is a line and no more.
fn unasked(
    trade: &Inner,
    order: &StoredOrder,
    told: &Told,
) -> Result<Option<StoredAttempt>, TradeError> {
    let OrderFact::Succeeded { payment } = told.fact else {
        return Ok(None);
    };
    let unknown = TradeError::PaymentUnknown(order.out_trade_no(payment, trade.environment));
    let pay_type = told.pay_type.ok_or(unknown)?;
    Ok(Some(StoredAttempt::new(payment, pay_type)))
}

// Money that was gone before anybody here had counted it: the payment is merely dead.
fn counted(fact: OrderFact, attempt: Option<StoredAttempt>) -> OrderFact {
    let is_counted = attempt.is_some_and(|attempt| attempt.paid_at.is_some());
    match fact {
        OrderFact::Reversed { payment } if !is_counted => OrderFact::Dead { payment },
        fact => fact,
    }
}

// The order in its new state, if there is one, with what comes with that besides.
fn entered(
    order: &StoredOrder,
    state: Option<OrderState>,
    attempt: Option<StoredAttempt>,
) -> StoredOrder {
    let mut to = StoredOrder {
        state: state.unwrap_or(order.state),
        ..order.next()
    };
    let status = to.state.status();
    if order.state.status().is_paid_or_later() || !status.is_paid_or_later() {
        return to;
    }
    // It need not be the payment that was under way last.
    to.paid_at = attempt.and_then(|attempt| attempt.paid_at);
    to.pay_type = attempt.map(|attempt| attempt.pay_type);
    if status == OrderStatus::Paid {
        to.fulfilment = to.kind.fulfilment_once_paid();
    }
    to
}

// The row of a remedy: for money found without its callback, for late money, and for counted
// money that went back.
fn remedy(
    order: &StoredOrder,
    to: &StoredOrder,
    told: &Told,
    owed: &[Consequence],
) -> Option<Vec<Value>> {
    let payment = told.payment()?;
    let is_owed = owed.contains(&Consequence::Remedy(payment));
    let is_news = to.state != order.state || owed.contains(&Consequence::SurplusRefund(payment));
    let finder = match told.fact {
        OrderFact::Succeeded { .. } => {
            let found = told.remedy.filter(|_| is_news);
            found.or(is_owed.then_some("LATE"))?
        }
        _ if is_owed => told.remedy.unwrap_or("REVERSED"),
        _ => return None,
    };
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
    let settle = ObligationKind::Settle.code();
    match consequence {
        Consequence::Settle(payment) => write.arm(settle, order.part(payment), now),
        Consequence::SettleReversal(payment) => write.arm(settle, order.part_besides(payment), now),
        Consequence::ClosePayment(payment) => {
            let revoke = ObligationKind::Revoke.code();
            write.arm(revoke, order.part_besides(payment), now)
        }
        // Their rows stand in the same write; an alarm follows it.
        Consequence::Alarm(_)
        | Consequence::Remedy(_)
        | Consequence::LateRefund(_)
        | Consequence::SurplusRefund(_)
        | Consequence::FailOpenRefunds(_) => write,
    }
}
