//! Asks a channel what became of a payment, and takes the answer in. Money that is found this
//! way goes the way every payment goes.

use std::time::Duration;

use domain::{DeclineReason, Finding, PaymentCommand, PaymentState, Source, Step};
use jiff::Timestamp;
use tracing::{error, info};

use crate::channel::{Query, QueryAnswer};
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
    /// The channel has money that is not the payment's: another amount, another currency.
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
    if let Some(why) = answer.paid().and_then(|paid| payment.mismatch(paid)) {
        error!(out_trade_no = %payment.number, why, "the channel has money of another amount");
        return Ok(Examined::Mismatch(why));
    }
    let known = Box::new(record(gateway, payment, (&answer, begun)).await?);
    Ok(match answer.finding() {
        Finding::Succeeded | Finding::NotPaid | Finding::Closed | Finding::Reversed => {
            Examined::Known(known)
        }
        open => Examined::Open(known, open),
    })
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
    let (finding, seen) = (answer.finding(), payment.closing.clone());
    for _ in 0..flow::DECISIONS {
        let now = gateway.db.clock().now();
        let line = Line {
            event: event_of(answer),
            actor: Actor::Query,
            detail: evidence(answer),
        };
        // A query that a close came between has seen what was before it, whatever clocks say.
        let begun = if payment.closing == seen {
            begun
        } else {
            Timestamp::MIN
        };
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
            return Ok(to);
        }
        let stored = StoredPayment::get(&gateway.db, payment.number).await?;
        payment = stored.ok_or(GatewayError::Contended(payment.number))?;
    }
    Err(GatewayError::Contended(payment.number))
}

fn fill(to: &mut StoredPayment, answer: &QueryAnswer, now: Timestamp) {
    if let Some(paid) = answer.paid() {
        to.take(&paid.channel_trade_no, paid.paid_at.unwrap_or(now));
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

fn evidence(answer: &QueryAnswer) -> String {
    match answer {
        QueryAnswer::NoEvidence { why } => why.clone(),
        answer => answer
            .paid()
            .map(|paid| paid.channel_trade_no.clone())
            .unwrap_or_default(),
    }
}

/// How long a poll may take: the query, and what is written of it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);
