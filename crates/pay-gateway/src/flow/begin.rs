//! How a payment begins, whoever scans: the intent commits before the channel is asked; the
//! answer is recorded whether or not the caller still waits; a repeat is answered with what is
//! stored.

use std::sync::Arc;

use domain::{
    DeclineReason, Finding, Opening, OutTradeNo, PayId, PayType, PaymentState, Source, Tell,
};
use jiff::Timestamp;
use mesh::Context;
use store::Write;
use tracing::info;

use super::examine::abandon;
use super::{pay, prepay};
use crate::channel::{AuthCode, Channel, Paid, limited};
use crate::error::GatewayError;
use crate::payment::{Account, Actor, Asked, Closing, Line, StoredPayment};
use crate::{Inner, flow};

/// What the channel is asked to begin with.
#[derive(Clone)]
pub(super) enum Way {
    /// The customer scans (c→b).
    Prepay,
    /// The merchant scanned this code (b→c).
    Pay(AuthCode),
}

/// Begins the payment, or answers with the one that is stored; the channel is asked at most
/// once, whatever comes twice.
pub(super) async fn once(
    gateway: &Arc<Inner>,
    (number, asked): (OutTradeNo, Asked),
    way: Way,
) -> Result<StoredPayment, GatewayError> {
    for _ in 0..flow::DECISIONS {
        let outcome = match StoredPayment::get(&gateway.db, number).await? {
            Some(payment) if is_fence(&payment) => return Ok(payment),
            Some(payment) if !payment.asked.is(&asked) => {
                return Err(GatewayError::PaymentDiffers(number));
            }
            Some(payment) => stored(gateway, payment).await,
            None => begin(gateway, (number, &asked), way.clone()).await,
        };
        match outcome {
            Err(error) if error.is_conflict() => another_live(gateway, number).await?,
            outcome => return outcome,
        }
    }
    Err(GatewayError::Contended(number))
}

// It stands for whatever would have come: nobody picked an account for it.
fn is_fence(payment: &StoredPayment) -> bool {
    payment.state == PaymentState::Closed && payment.account == Account::default()
}

// A payment that was begun: what is known of it, and whether it must be given up.
async fn stored(gateway: &Inner, payment: StoredPayment) -> Result<StoredPayment, GatewayError> {
    let abandoned = abandon(gateway, &payment, Actor::Rpc).await?;
    Ok(abandoned.unwrap_or(payment))
}

async fn begin(
    gateway: &Arc<Inner>,
    (number, asked): (OutTradeNo, &Asked),
    way: Way,
) -> Result<StoredPayment, GatewayError> {
    let account = match gateway.accounts.pick(asked).await? {
        Ok(account) => account,
        Err(reason) => return refuse(gateway, (number, asked), reason).await,
    };
    let payment = StoredPayment {
        account,
        pay_id: way.pay_id(asked.pay_type),
        ..new_payment(gateway, number, asked, Opening::Pay)
    };
    let line = Line {
        event: way.event(),
        actor: Actor::Rpc,
        detail: format!("account {}", payment.account.id),
    };
    let intent = payment.create(&line, None, gateway.config.compression);
    // On its own task, the intent included: the caller may go away, and what is on record
    // is asked for all the same; the channel's answer is never lost with a caller.
    let inner = Arc::clone(gateway);
    let asking = Context::current().scope(async move {
        inner.db.submit(intent).await?;
        let told = ask(&inner, &payment, way).await;
        record(&inner, payment, told).await
    });
    let asked = gateway.calls.spawn(asking).await;
    asked.unwrap_or(Err(GatewayError::Contended(number)))
}

// Nobody takes the money: the payment is over before it began, and that is on record.
async fn refuse(
    gateway: &Inner,
    (number, asked): (OutTradeNo, &Asked),
    reason: DeclineReason,
) -> Result<StoredPayment, GatewayError> {
    let reason = reason.name();
    let payment = StoredPayment {
        reason: reason.to_owned(),
        ..new_payment(gateway, number, asked, Opening::Refused)
    };
    let line = Line {
        event: "REFUSE",
        actor: Actor::Rpc,
        detail: reason.to_owned(),
    };
    let refusal = payment.create(&line, Some(Tell::Dead), gateway.config.compression);
    gateway.db.submit(refusal).await?;
    Ok(payment)
}

async fn ask(gateway: &Inner, payment: &StoredPayment, way: Way) -> Told {
    let now = gateway.db.clock().now();
    match gateway.accounts.channel(&payment.account) {
        Some(channel) => way.ask(channel.as_ref(), payment, now).await,
        None => Told::not_sent(format!("no key {}", payment.account.key_name)),
    }
}

impl Way {
    // The name of the intent in the payment's story.
    fn event(&self) -> &'static str {
        match self {
            Self::Prepay => "PREPAY",
            Self::Pay(_) => "PAY",
        }
    }

    // Which wallet it is, a pay type tells, or the code of the one that takes both.
    fn pay_id(&self, pay_type: PayType) -> Option<PayId> {
        let wallet = match self {
            Self::Prepay => pay_type.wallet(),
            Self::Pay(code) => code.wallet(),
        };
        PayId::of(pay_type, wallet?)
    }

    async fn ask(self, channel: &dyn Channel, payment: &StoredPayment, now: Timestamp) -> Told {
        match self {
            Self::Prepay => prepay::ask(channel, payment, now).await,
            Self::Pay(code) => pay::ask(channel, payment, (code, now)).await,
        }
    }
}

// The answer reaches the row unless the payment has moved on without it.
async fn record(
    gateway: &Inner,
    mut payment: StoredPayment,
    told: Told,
) -> Result<StoredPayment, GatewayError> {
    for _ in 0..flow::DECISIONS {
        let now = gateway.db.clock().now();
        let line = Line {
            event: told.event,
            actor: Actor::Reply,
            detail: told.detail.clone(),
        };
        let (to, write) = told.taken_in(gateway, &payment, &line, now);
        if gateway.db.wins(write).await? {
            info!(out_trade_no = %to.number, state = %to.state, event = line.event, "payment");
            return Ok(to);
        }
        let now_stored = StoredPayment::get(&gateway.db, payment.number).await?;
        payment = now_stored.ok_or(GatewayError::Contended(payment.number))?;
        // Paid, or given up, before the answer came: only money adds to that. A query that
        // was quicker than the answer, and found no money, is no reason to lose it.
        let over = !payment.live && told.paid.is_none();
        if over || payment.state == PaymentState::Succeeded {
            return Ok(payment);
        }
    }
    Err(GatewayError::Contended(payment.number))
}

/// What the channel's answer is on record as.
pub(super) struct Told {
    pub(super) finding: Finding,
    pub(super) event: &'static str,
    pub(super) reason: &'static str,
    pub(super) detail: String,
    pub(super) pay_info: Option<String>,
    pub(super) paid: Option<Paid>,
}

impl Told {
    /// An answer that is no money and nothing to pay with.
    pub(super) fn new(finding: Finding, event: &'static str, detail: String) -> Self {
        Self {
            finding,
            event,
            reason: "",
            detail,
            pay_info: None,
            paid: None,
        }
    }

    /// Refused under the channel's signature: not paid, finally.
    pub(super) fn declined(code: &str, message: &str) -> Self {
        Self {
            reason: DeclineReason::NotPaid.name(),
            ..Self::new(Finding::NotPaid, "DECLINED", format!("{code} {message}"))
        }
    }

    /// Nobody knows whether it is prepared or paid.
    pub(super) fn no_answer(why: String) -> Self {
        Self {
            reason: "NO_ANSWER",
            ..Self::new(Finding::NoEvidence, "NO_ANSWER", why)
        }
    }

    /// Provably, nothing of it reached the channel.
    pub(super) fn not_sent(why: String) -> Self {
        let reason = match why.as_str() {
            limited::BUSY => limited::BUSY,
            _ => DeclineReason::NotSent.name(),
        };
        Self {
            reason,
            ..Self::new(Finding::NotSent, "NOT_SENT", why)
        }
    }

    fn taken_in(
        &self,
        gateway: &Inner,
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
        let answer = (self.finding, Source::Reply, now);
        flow::find(gateway, payment, answer, line, |to| {
            self.reason.clone_into(&mut to.reason);
            to.pay_info.clone_from(&self.pay_info);
            if let Some(paid) = &self.paid {
                to.take(paid, now);
            }
        })
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

/// A payment as it begins; without an account yet.
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
        pay_id: None,
        send_before: now + gateway.config.swiftpass.timeout,
        account: Account::default(),
        pay_info: None,
        channel_trade_no: None,
        paid_at: None,
        paid_amount: None,
        closing: Closing::default(),
        version: 1,
        created_at: now,
        changed_at: now,
    }
}
