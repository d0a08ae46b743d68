//! Asks a channel what became of a refund, and takes the answer in. Only a query ends a refund,
//! and none says that money went back while its payment is reversed.

use domain::{OutTradeNo, PaymentState, RefundFact, RefundFailure, RefundNo, RefundState};
use jiff::Timestamp;
use tracing::{error, info};

use crate::channel::{RefundQuery, RefundQueryAnswer, Refunded};
use crate::error::GatewayError;
use crate::payment::{Actor, Line, StoredPayment};
use crate::refund::StoredRefund;
use crate::{Inner, flow};

/// What asking came to.
#[derive(Debug)]
pub(crate) enum Found {
    /// The refund as it stands after the answer; if it is open, the channel has it or says
    /// nothing of it.
    Known(Box<StoredRefund>),
    /// The channel does not have it, or wants it once more: it is to be sent again.
    Wanting(Box<(StoredRefund, StoredPayment)>, &'static str),
    /// What the channel says cannot be said of this refund: another amount, another's number.
    Mismatch(String),
}

/// `QueryRefund`: the refund after asking; one that went back is not asked about again.
pub(crate) async fn query(gateway: &Inner, no: RefundNo) -> Result<StoredRefund, GatewayError> {
    let stored = StoredRefund::get(&gateway.db, no).await?;
    let refund = stored.ok_or(GatewayError::RefundNotFound(no))?;
    // A FAILED one is: the channel may have paid it after all.
    if refund.state == RefundState::Succeeded {
        return Ok(refund);
    }
    Ok(match find(gateway, refund.clone()).await? {
        Found::Known(known) => *known,
        Found::Wanting(wanting, _) => wanting.0,
        Found::Mismatch(_) => refund,
    })
}

/// Asks, and records what ends the refund.
pub(crate) async fn find(gateway: &Inner, refund: StoredRefund) -> Result<Found, GatewayError> {
    let begun = gateway.db.clock().now();
    let payment = paid_by(gateway, refund.payment).await?;
    if payment.state == PaymentState::Reversed {
        return record(gateway, refund, (Answer::REVERSED, begun)).await;
    }
    let answer = ask(gateway, &refund, &payment).await;
    info!(refund = %refund.no, ?answer, "refund query");
    // It may have been reversed while the channel was asked.
    let payment = paid_by(gateway, refund.payment).await?;
    if payment.state == PaymentState::Reversed {
        return record(gateway, refund, (Answer::REVERSED, begun)).await;
    }
    // What an earlier try came to says nothing of this one, which may never have been sent.
    let is_earlier = refund.retry > 0 && !refund.reason.is_empty();
    let answer = match answer {
        RefundQueryAnswer::Failed { .. } | RefundQueryAnswer::Changed { .. } if is_earlier => {
            return Ok(wanting((refund, payment), "RETRY_UNANSWERED"));
        }
        RefundQueryAnswer::NotSure => return Ok(wanting((refund, payment), "NOT_SURE")),
        RefundQueryAnswer::NotFound => return Ok(wanting((refund, payment), "NOT_FOUND")),
        RefundQueryAnswer::Processing | RefundQueryAnswer::NoEvidence { .. } => {
            return Ok(Found::Known(Box::new(refund)));
        }
        RefundQueryAnswer::Succeeded(refunded) => {
            if let Some(why) = mismatch(gateway, &refund, &refunded).await? {
                error!(refund = %refund.no, why, "the channel paid something else back");
                return Ok(Found::Mismatch(why));
            }
            Answer::succeeded(refunded)
        }
        RefundQueryAnswer::Failed { why } => Answer::failed(RefundFailure::Channel, why),
        RefundQueryAnswer::Changed { why } => Answer::failed(RefundFailure::Change, why),
    };
    record(gateway, refund, (answer, begun)).await
}

fn wanting(of: (StoredRefund, StoredPayment), why: &'static str) -> Found {
    Found::Wanting(Box::new(of), why)
}

async fn paid_by(gateway: &Inner, number: OutTradeNo) -> Result<StoredPayment, GatewayError> {
    let payment = StoredPayment::get(&gateway.db, number).await?;
    payment.ok_or(GatewayError::PaymentNotFound(number))
}

async fn ask(gateway: &Inner, refund: &StoredRefund, payment: &StoredPayment) -> RefundQueryAnswer {
    let query = RefundQuery {
        out_trade_no: refund.payment.to_string(),
        out_refund_no: refund.no.to_string(),
        timeout: gateway.config.swiftpass.timeout,
    };
    match gateway.accounts.channel(&payment.account) {
        Some(channel) => channel.query_refund(&query).await,
        None => RefundQueryAnswer::NoEvidence {
            why: format!("no key {}", payment.account.key_name),
        },
    }
}

async fn mismatch(
    gateway: &Inner,
    refund: &StoredRefund,
    refunded: &Refunded,
) -> Result<Option<String>, GatewayError> {
    if refunded.amount != refund.amount.get() {
        let why = format!("{} fen, not {}", refunded.amount, refund.amount);
        return Ok(Some(why));
    }
    let refunds = StoredRefund::of_payment(&gateway.db, refund.payment).await?;
    let number = Some(&refunded.channel_refund_no);
    let other = refunds
        .iter()
        .find(|other| other.no != refund.no && other.channel_refund_no.as_ref() == number);
    Ok(other.map(|other| format!("{} is of {}", refunded.channel_refund_no, other.no)))
}

// What is on record of an answer that ends a refund.
struct Answer {
    fact: RefundFact,
    event: &'static str,
    detail: String,
    refunded: Option<Refunded>,
}

impl Answer {
    const REVERSED: Self = Self {
        fact: RefundFact::PaymentReversed,
        event: "PAYMENT_REVERSED",
        detail: String::new(),
        refunded: None,
    };

    fn succeeded(refunded: Refunded) -> Self {
        Self {
            fact: RefundFact::QuerySucceeded,
            event: "QUERY_SUCCEEDED",
            detail: refunded.channel_refund_no.clone(),
            refunded: Some(refunded),
        }
    }

    fn failed(failure: RefundFailure, detail: String) -> Self {
        let event = match failure {
            RefundFailure::Change => "QUERY_CHANGED",
            _ => "QUERY_FAILED",
        };
        Self {
            fact: RefundFact::QueryFailed(failure),
            event,
            detail,
            refunded: None,
        }
    }
}

async fn record(
    gateway: &Inner,
    mut refund: StoredRefund,
    (answer, begun): (Answer, Timestamp),
) -> Result<Found, GatewayError> {
    let line = Line {
        event: answer.event,
        actor: Actor::Query,
        detail: answer.detail.clone(),
    };
    for _ in 0..flow::DECISIONS {
        let now = gateway.db.clock().now();
        let step = refund.state.fact(answer.fact);
        let failure = step.owed().and_then(|effects| effects.failure);
        // A query that began before the refund entered its state saw what was true before.
        let later = begun >= refund.changed_at;
        let Some(state) = step.moved_to().filter(|_| later) else {
            return Ok(Found::Known(Box::new(refund)));
        };
        let mut to = StoredRefund {
            failure,
            ..refund.moved(state, now)
        };
        fill(&mut to, &answer, now);
        if gateway
            .db
            .wins(refund.change(&to, &line, (now, now)))
            .await?
        {
            info!(refund = %to.no, state = %to.state, event = line.event, "refund");
            return Ok(Found::Known(Box::new(to)));
        }
        let stored = StoredRefund::get(&gateway.db, refund.no).await?;
        refund = stored.ok_or(GatewayError::RefundContended(refund.no))?;
    }
    Err(GatewayError::RefundContended(refund.no))
}

fn fill(to: &mut StoredRefund, answer: &Answer, now: Timestamp) {
    to.reason = String::new();
    match &answer.refunded {
        Some(refunded) => {
            to.channel_refund_no = Some(refunded.channel_refund_no.clone());
            // The channel tells whole seconds; nothing goes back before it was asked for.
            to.refunded_at = Some(refunded.refunded_at.unwrap_or(now).max(to.created_at));
        }
        None => to.reason.clone_from(&answer.detail),
    }
}
