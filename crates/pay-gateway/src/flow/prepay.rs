//! Prepay (c→b): the intent commits before the channel is asked; the answer is recorded
//! whether or not the caller still waits; a repeat is answered with what is stored.

use std::sync::Arc;

use domain::{DeclineReason, Finding, Opening, OutTradeNo, PaymentState, Source, Tell};
use jiff::Timestamp;
use mesh::Context;
use proto::gateway::v1::PrepayRequest;
use store::Write;
use tracing::info;

use crate::channel::{Prepay, PrepayAnswer, limited};
use crate::error::GatewayError;
use crate::flow::examine::abandon;
use crate::payment::{Account, Actor, Asked, Line, StoredPayment};
use crate::{Inner, flow, request};

/// Prepares the payment, or answers with the one that is stored.
pub(crate) async fn prepay(
    gateway: &Arc<Inner>,
    request: PrepayRequest,
) -> Result<StoredPayment, GatewayError> {
    let (number, asked) = request::prepay(request, gateway.environment)?;
    for _ in 0..flow::DECISIONS {
        let outcome = match StoredPayment::get(&gateway.db, number).await? {
            // A fence stands for whatever would have come.
            Some(payment) if payment.state == PaymentState::Closed => return Ok(payment),
            Some(payment) if payment.asked != asked => {
                return Err(GatewayError::PaymentDiffers(number));
            }
            Some(payment) => stored(gateway, payment).await,
            None => begin(gateway, number, &asked).await,
        };
        match outcome {
            Err(error) if error.is_conflict() => another_live(gateway, number).await?,
            outcome => return outcome,
        }
    }
    Err(GatewayError::Contended(number))
}

// A payment that was begun: what is known of it, and whether it must be given up.
async fn stored(gateway: &Inner, payment: StoredPayment) -> Result<StoredPayment, GatewayError> {
    let abandoned = abandon(gateway, &payment, Actor::Rpc).await?;
    Ok(abandoned.unwrap_or(payment))
}

async fn begin(
    gateway: &Arc<Inner>,
    number: OutTradeNo,
    asked: &Asked,
) -> Result<StoredPayment, GatewayError> {
    let account = gateway.accounts.pick(asked).await?;
    let Some(account) = account else {
        return refuse(gateway, number, asked).await;
    };
    let payment = StoredPayment {
        account,
        ..new_payment(gateway, number, asked, Opening::Pay)
    };
    let line = Line {
        event: "PREPAY",
        actor: Actor::Rpc,
        detail: format!("account {}", payment.account.id),
    };
    let intent = payment.create(&line, None, gateway.config.poll_compression);
    // On its own task, the intent included: the caller may go away, and what is on record
    // is asked for all the same; the channel's answer is never lost with a caller.
    let inner = Arc::clone(gateway);
    let asking = Context::current().scope(async move {
        inner.db.submit(intent).await?;
        ask(&inner, payment).await
    });
    let asked = gateway.calls.spawn(asking).await;
    asked.unwrap_or(Err(GatewayError::Contended(number)))
}

// No account: the payment is over before it began, and that is on record.
async fn refuse(
    gateway: &Inner,
    number: OutTradeNo,
    asked: &Asked,
) -> Result<StoredPayment, GatewayError> {
    let reason = DeclineReason::NoMerchantAccount.name();
    let payment = StoredPayment {
        reason: reason.to_owned(),
        ..new_payment(gateway, number, asked, Opening::Refused)
    };
    let line = Line {
        event: "REFUSE",
        actor: Actor::Rpc,
        detail: reason.to_owned(),
    };
    gateway
        .db
        .submit(payment.create(&line, Some(Tell::Dead), gateway.config.poll_compression))
        .await?;
    Ok(payment)
}

async fn ask(gateway: &Inner, payment: StoredPayment) -> Result<StoredPayment, GatewayError> {
    let now = gateway.db.clock().now();
    let left = now.duration_until(payment.send_before);
    let request = Prepay {
        out_trade_no: payment.number.to_string(),
        pay_type: payment.asked.pay_type,
        description: payment.asked.description.clone(),
        payer_id: payment.asked.payer_id.clone(),
        client_ip: payment.asked.client_ip.clone(),
        amount: payment.asked.amount.get(),
        starts: now,
        expires: payment.asked.expires_at,
        timeout: left.try_into().unwrap_or_default(),
    };
    let answer = match gateway.accounts.channel(&payment.account) {
        Some(channel) => channel.prepay(&request).await,
        None => PrepayAnswer::NotSent {
            why: format!("no key {}", payment.account.key_name),
        },
    };
    info!(out_trade_no = %payment.number, ?answer, "prepay");
    record(gateway, payment, answer).await
}

// The answer reaches the row unless the payment has moved on without it.
async fn record(
    gateway: &Inner,
    mut payment: StoredPayment,
    answer: PrepayAnswer,
) -> Result<StoredPayment, GatewayError> {
    let told = Told::by(answer);
    for _ in 0..flow::DECISIONS {
        let now = gateway.db.clock().now();
        let line = Line {
            event: told.event,
            actor: Actor::Reply,
            detail: told.detail.clone(),
        };
        let (to, write) = told.taken_in(&payment, &line, now);
        if gateway.db.wins(write).await? {
            return Ok(to);
        }
        let now_stored = StoredPayment::get(&gateway.db, payment.number).await?;
        payment = now_stored.ok_or(GatewayError::Contended(payment.number))?;
        // Paid, or given up, before the answer came: there is nothing to add to that. A query
        // that was quicker than the answer, and found no money, is no reason to lose it.
        if !payment.live || payment.state == PaymentState::Succeeded {
            return Ok(payment);
        }
    }
    Err(GatewayError::Contended(payment.number))
}

// What an answer is on record as.
struct Told {
    finding: Finding,
    event: &'static str,
    reason: &'static str,
    detail: String,
    pay_info: Option<String>,
}

impl Told {
    fn by(answer: PrepayAnswer) -> Self {
        let (finding, event, reason, detail) = match &answer {
            PrepayAnswer::Ready { .. } => (Finding::Waiting, "PREPARED", "", String::new()),
            PrepayAnswer::Declined { code, message } => {
                let reason = DeclineReason::NotPaid.name();
                let detail = format!("{code} {message}");
                (Finding::NotPaid, "DECLINED", reason, detail)
            }
            PrepayAnswer::Unknown { why } => {
                (Finding::NoEvidence, "NO_ANSWER", "NO_ANSWER", why.clone())
            }
            PrepayAnswer::NotSent { why } => {
                (Finding::NotSent, "NOT_SENT", not_sent(why), why.clone())
            }
        };
        let pay_info = match answer {
            PrepayAnswer::Ready { pay_info, .. } => Some(pay_info),
            _ => None,
        };
        Self {
            finding,
            event,
            reason,
            detail,
            pay_info,
        }
    }

    fn taken_in(
        &self,
        payment: &StoredPayment,
        line: &Line,
        now: Timestamp,
    ) -> (StoredPayment, Write) {
        if payment.state == PaymentState::Pending && self.pay_info.is_some() {
            let pay_info = self.pay_info.clone();
            let to = StoredPayment {
                pay_info,
                ..payment.next()
            };
            let write = payment.change(&to, line, (None, now));
            return (to, write);
        }
        let source = (self.finding, Source::Reply);
        flow::find(payment, source, line, now, |to| {
            self.reason.clone_into(&mut to.reason);
            to.pay_info.clone_from(&self.pay_info);
        })
    }
}

fn not_sent(why: &str) -> &'static str {
    match why {
        limited::BUSY => limited::BUSY,
        _ => DeclineReason::NotSent.name(),
    }
}

// A number that lost against another live payment of the order will lose again.
async fn another_live(gateway: &Inner, number: OutTradeNo) -> Result<(), GatewayError> {
    let payments = StoredPayment::of_order(&gateway.db, number.order, gateway.environment).await?;
    let own = payments.iter().any(|payment| payment.number == number);
    if !own && payments.iter().any(|payment| payment.live) {
        return Err(GatewayError::PaymentInProgress(number));
    }
    Ok(())
}

pub(super) fn new_payment(
    gateway: &Inner,
    number: OutTradeNo,
    asked: &Asked,
    opening: Opening,
) -> StoredPayment {
    let now = gateway.db.clock().now();
    StoredPayment {
        number,
        live: opening.is_live(),
        state: opening.state(),
        reason: String::new(),
        asked: asked.clone(),
        send_before: now + gateway.config.swiftpass.timeout,
        account: Account::default(),
        pay_info: None,
        channel_trade_no: None,
        paid_at: None,
        version: 1,
        created_at: now,
        changed_at: now,
    }
}
