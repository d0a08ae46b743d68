//! What a payment did reaches its order: by the reply of an RPC, by the question of a job and
//! by the feed, through this one transition, which is idempotent. Facts come twice, and are a
//! line; what was true before a fact that is known already is not even that.

mod refunds;
pub(crate) mod told;

use domain::{Attempt, Consequence, ObligationKind, OrderFact, OrderNo, OrderState, OrderStatus};
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
    let fact = known(order, told, stored);
    let attempt = match stored {
        Some(attempt) => Some(attempt),
        None => unasked(trade, order, told)?,
    };
    let attempt = attempt.map(|attempt| learned(attempt, (fact, told), now));
    let step = order.state.fact(fact, &order.late_money);
    let owed = step.owed().map_or(&[][..], Vec::as_slice);
    let mut to = entered(order, step.moved_to(), attempt);
    let refunds = Refunds::of(trade, (order, attempt), owed, now).await?;
    if let Some(refunds) = &refunds {
        refunds.show(&mut to)?;
    }
    let line = Line {
        event: fact.name(),
        actor: told.actor.into(),
        detail: told.detail.clone(),
    };
    let mut write = order.change("order/confirm", &to, &line, now);
    if let Some(attempt) = attempt {
        write = match stored {
            Some(_) => attempt.told_in(write, order.no),
            None => attempt.insert_into(write, order.no, now),
        };
    }
    if let Some(finder) = finder(stored, (fact, told), owed) {
        let remedy = remedy((order, &to), told, finder);
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
    let (OrderFact::Succeeded { payment } | OrderFact::Mispaid { payment }) = told.fact else {
        return Ok(None);
    };
    let unknown = TradeError::PaymentUnknown(order.out_trade_no(payment, trade.environment));
    let pay_type = told.pay_type.ok_or(unknown)?;
    Ok(Some(StoredAttempt::new(payment, pay_type)))
}

// The fact, as it is for whoever knows what was told of the payment before.
fn known(order: &StoredOrder, told: &Told, attempt: Option<StoredAttempt>) -> OrderFact {
    use OrderFact::{Dead, Mispaid, Regained, Reversed, Succeeded};
    let is_back = |attempt: StoredAttempt| {
        attempt.reversed_at.is_some() && told.version > attempt.payment_version
    };
    let is_other = |attempt: StoredAttempt| attempt.paid_of(order.amount) != order.amount;
    match told.fact {
        // Gone before anybody here had counted it: the payment is merely dead.
        Reversed { payment } if !was_counted(attempt) => Dead { payment },
        Succeeded { payment } | Mispaid { payment } if attempt.is_some_and(is_back) => {
            Regained { payment }
        }
        Succeeded { payment } if attempt.is_some_and(is_other) => Mispaid { payment },
        fact => fact,
    }
}

fn was_counted(attempt: Option<StoredAttempt>) -> bool {
    attempt.is_some_and(|attempt| attempt.paid_at.is_some())
}

// What is known of the payment from now on.
fn learned(
    attempt: StoredAttempt,
    (fact, told): (OrderFact, &Told),
    now: Timestamp,
) -> StoredAttempt {
    let attempt = attempt.told(told.version);
    match fact {
        OrderFact::Succeeded { .. } | OrderFact::Mispaid { .. } => {
            attempt.paid(told.paid_at.unwrap_or(now), told.paid_amount)
        }
        OrderFact::Reversed { .. } => StoredAttempt {
            reversed_at: Some(now),
            ..attempt
        },
        OrderFact::Regained { .. } => StoredAttempt {
            reversed_at: None,
            ..attempt
        },
        OrderFact::Dead { .. } | OrderFact::RefundsChanged { .. } => attempt,
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

// Who found what is a remedy: money without its callback, late money, money of another amount,
// and counted money that went back or came again. It is found once.
fn finder(
    stored: Option<StoredAttempt>,
    (fact, told): (OrderFact, &Told),
    owed: &[Consequence],
) -> Option<&'static str> {
    let is_owed = owed.contains(&Consequence::Remedy(told.payment()?));
    match fact {
        OrderFact::Succeeded { .. } | OrderFact::Mispaid { .. } if was_counted(stored) => None,
        OrderFact::Succeeded { .. } => told.remedy.or(is_owed.then_some("LATE")),
        _ if is_owed => told.remedy.or(Some(fact.name())),
        _ => None,
    }
}

fn remedy(
    (order, to): (&StoredOrder, &StoredOrder),
    told: &Told,
    finder: &'static str,
) -> Vec<Value> {
    let evidence: String = told.detail.chars().take(255).collect();
    row![
        order.no.get(),
        to.version,
        told.payment().map(Attempt::get),
        finder,
        evidence,
        order.state.status().code(),
        to.state.status().code()
    ]
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
