//! Asks a channel what became of a payment, and takes the answer in. Money that is found this
//! way goes the way every payment goes.

use std::time::Duration;

use domain::{DeclineReason, Finding, PaymentCommand, PaymentState, Source, Step};
use jiff::Timestamp;
use tracing::{error, info};

use crate::channel::{Paid, Query, QueryAnswer};
use crate::error::GatewayError;
use crate::payment::{Actor, Line, StoredPayment};
use crate::{Inner, flow};

/// What asking came to.
#[derive(Debug, Clone)]
pub(crate) enum Examined {
    /// The payment as it stands after the answer.
    Known(Box<StoredPayment>),
    /// The same; but the channel said nothing final: silence, "not yet", "no such order".
    Open(Box<StoredPayment>, Finding),
    /// The channel has money that cannot be the payment's: of another currency, or another
    /// amount than it is known to have.
    Mismatch(String),
}

/// Asks about a payment whose fate is open; a prepay that nobody can have seen is given up.
pub(crate) async fn examine(
    gateway: &Inner,
    payment: StoredPayment,
) -> Result<Examined, GatewayError> {
    if let Some(abandoned) = abandon(gateway, &payment, Actor::Query).await? {
        return Ok(Examined::Open(Box::new(abandoned), Finding::NoEvidence));
    }
    let begun = gateway.db.clock().now();
    let query = Query {
        out_trade_no: payment.number.to_string(),
        timeout: gateway.config.swiftpass.timeout,
    };
    let answer = match gateway.accounts.channel(&payment.account) {
        Some(channel) => channel.query(&query).await,
        None => QueryAnswer::NoEvidence {
            why: format!("no key {}", payment.account.key_name),
        },
    };
    if matches!(answer, QueryAnswer::RefundedAfterPaid(_)) {
        error!(out_trade_no = %payment.number, "the channel says it was paid and then refunded");
    }
    if let Some(why) = answer.paid().and_then(Paid::is_no_money) {
        error!(out_trade_no = %payment.number, why, "the channel has what is no money of ours");
        return Ok(Examined::Mismatch(why));
    }
    let known = Box::new(record(gateway, payment, (&answer, begun)).await?);
    if let Some(why) = contradicts(&known, &answer) {
        error!(out_trade_no = %known.number, why, "the channel says otherwise than it did");
        return Ok(Examined::Mismatch(why));
    }
    Ok(match answer.finding() {
        Finding::Succeeded | Finding::NotPaid | Finding::Closed | Finding::Reversed => {
            Examined::Known(known)
        }
        open => Examined::Open(known, open),
    })
}

// Money is counted once: what was found first stays, and somebody must look.
fn contradicts(known: &StoredPayment, answer: &QueryAnswer) -> Option<String> {
    let (has, says) = (known.paid_amount?, answer.paid()?.amount);
    let counted = known.state == PaymentState::Succeeded;
    (counted && has.get() != says).then(|| format!("{says} fen, not {has}"))
}

const PAY_INFO_LOST: &str = "PAY_INFO_LOST";

/// Gives up a prepay whose `pay_info` never reached us, once it can no longer be sent. `None`:
/// that is not how it stands.
pub(crate) async fn abandon(
    gateway: &Inner,
    payment: &StoredPayment,
    actor: Actor,
) -> Result<Option<StoredPayment>, GatewayError> {
    let now = gateway.db.clock().now();
    let step = payment
        .state
        .command(PaymentCommand::Abandon, &payment.context(now));
    let Ok(Step::Moved(state, effects)) = step else {
        return Ok(None);
    };
    let mut to = payment.moved(state, effects.live, now);
    PAY_INFO_LOST.clone_into(&mut to.reason);
    PAY_INFO_LOST.clone_into(&mut to.closing.reason);
    let line = Line {
        event: PaymentCommand::Abandon.name(),
        actor,
        detail: String::new(),
    };
    let outcome = (Some(&effects), now);
    let write = payment.step(&to, &line, outcome, gateway.config.compression);
    gateway.db.submit(write).await?;
    Ok(Some(to))
}

async fn record(
    gateway: &Inner,
    mut payment: StoredPayment,
    (answer, begun): (&QueryAnswer, Timestamp),
) -> Result<StoredPayment, GatewayError> {
    let (finding, seen) = (answer.finding(), (payment.version, payment.closing.clone()));
    for _ in 0..flow::DECISIONS {
        let now = gateway.db.clock().now();
        let line = Line {
            event: event_of(answer),
            actor: Actor::Query,
            detail: evidence(answer, &payment),
        };
        // A query that a close came between has seen what was before it, whatever clocks say; and
        // what else came in between may be evidence against all but money.
        let is_fresh = match finding {
            Finding::Succeeded => payment.closing == seen.1,
            _ => payment.version == seen.0,
        };
        let begun = if is_fresh { begun } else { Timestamp::MIN };
        let source = Source::Query { begun };
        let step = payment.state.fact(finding, source, &payment.context(now));
        // A poll that brings nothing new is no line of the story: there would be dozens.
        if step.moved_to().is_none() && step.owed().is_none_or(|effects| effects.due.is_none()) {
            return Ok(payment);
        }
        let answered = (finding, source, now);
        let (to, write) = flow::find(gateway, &payment, answered, &line, |to| {
            fill(to, answer, now);
        });
        if gateway.db.wins(write).await? {
            info!(out_trade_no = %to.number, state = %to.state, event = line.event, "payment");
            alarm_unless_asked_for(&to, answer);
            return Ok(to);
        }
        let stored = StoredPayment::get(&gateway.db, payment.number).await?;
        payment = stored.ok_or(GatewayError::Contended(payment.number))?;
    }
    Err(GatewayError::Contended(payment.number))
}

// It pays nothing, and is to go back.
fn alarm_unless_asked_for(to: &StoredPayment, answer: &QueryAnswer) {
    let taken = answer
        .paid()
        .filter(|_| to.state == PaymentState::Succeeded);
    if let Some(why) = taken.and_then(|paid| to.differs(paid)) {
        error!(out_trade_no = %to.number, why, "the channel has money of another amount");
        metrics::counter!("gateway_amount_differs_total").increment(1);
    }
}

fn fill(to: &mut StoredPayment, answer: &QueryAnswer, now: Timestamp) {
    if let Some(paid) = answer.paid() {
        to.take(paid, now);
        return;
    }
    let reason = match to.state {
        PaymentState::Declined => DeclineReason::NotPaid.name(),
        PaymentState::Closed | PaymentState::Reversed => to.closing.reason.as_str(),
        _ => "",
    };
    to.reason = reason.to_owned();
}

fn event_of(answer: &QueryAnswer) -> &'static str {
    match answer {
        QueryAnswer::Succeeded(_) => "QUERY_PAID",
        QueryAnswer::RefundedAfterPaid(_) => "QUERY_REFUNDED",
        QueryAnswer::Waiting => "QUERY_WAITING",
        QueryAnswer::Closed => "QUERY_CLOSED",
        QueryAnswer::Reversed => "QUERY_REVERSED",
        QueryAnswer::NotPaid => "QUERY_NOT_PAID",
        QueryAnswer::NotFound => "QUERY_NOT_FOUND",
        QueryAnswer::NoEvidence { .. } => "QUERY_NO_EVIDENCE",
    }
}

fn evidence(answer: &QueryAnswer, payment: &StoredPayment) -> String {
    if let QueryAnswer::NoEvidence { why } = answer {
        return why.clone();
    }
    let Some(paid) = answer.paid() else {
        return String::new();
    };
    match payment.differs(paid) {
        Some(why) => format!("{}: {why}", paid.channel_trade_no),
        None => paid.channel_trade_no.clone(),
    }
}

/// How long a poll may take: the query, and what is written of it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);
