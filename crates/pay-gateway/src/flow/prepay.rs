//! Prepay (c→b): the intent commits before the channel is asked; the answer is recorded
//! whether or not the caller still waits; a repeat is answered with what is stored.

use std::net::Ipv4Addr;
use std::sync::Arc;

use domain::{
    Attempt, Fen, Finding, Opening, OutTradeNo, PayType, PaymentCommand, PaymentState, Source,
    Step, Tell,
};
use jiff::Timestamp;
use mesh::Context;
use proto::gateway::v1::PrepayRequest;
use proto::shop::v1::MerchantAccount;
use proto::time::from_proto;
use tracing::info;

use crate::channel::{Prepay, PrepayAnswer};
use crate::error::GatewayError;
use crate::payment::{Account, Asked, Line, StoredPayment};
use crate::{Inner, flow};

/// Prepares the payment, or answers with the one that is stored.
pub(crate) async fn prepay(
    gateway: &Arc<Inner>,
    request: PrepayRequest,
) -> Result<StoredPayment, GatewayError> {
    let (number, asked) = read(gateway, request)?;
    for _ in 0..flow::DECISIONS {
        let outcome = match StoredPayment::get(&gateway.db, number).await? {
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
    let now = gateway.db.clock().now();
    let abandon = payment
        .state
        .command(PaymentCommand::Abandon, &payment.context(now));
    let Ok(Step::Moved(state, effects)) = abandon else {
        return Ok(payment);
    };
    let mut to = payment.moved(state, effects.live, now);
    "PAY_INFO_LOST".clone_into(&mut to.reason);
    let line = Line {
        event: PaymentCommand::Abandon.name(),
        actor: "rpc",
        detail: String::new(),
    };
    gateway
        .db
        .submit(payment.change(&to, &line, (Some(&effects), now)))
        .await?;
    Ok(to)
}

async fn begin(
    gateway: &Arc<Inner>,
    number: OutTradeNo,
    asked: &Asked,
) -> Result<StoredPayment, GatewayError> {
    let account = gateway.accounts.pick(asked.shop_id, asked.pay_type).await?;
    let Some(account) = account else {
        return refuse(gateway, number, asked).await;
    };
    let payment = new_payment(gateway, number, asked, Opening::Pay);
    let known = Account {
        id: account.account_id,
        mch_id: account.mch_id.clone(),
        key_name: account.key_name.clone(),
    };
    let payment = StoredPayment {
        account: known,
        ..payment
    };
    let line = Line {
        event: "PREPAY",
        actor: "rpc",
        detail: format!("account {}", account.account_id),
    };
    gateway.db.submit(payment.create(&line, None)).await?;
    // On its own task: the caller may go away, the channel's answer may not.
    let inner = Arc::clone(gateway);
    let asking = Context::current().scope(async move { ask(&inner, payment, &account).await });
    let asked = gateway.calls.spawn(asking).await;
    asked.unwrap_or(Err(GatewayError::Contended(number)))
}

// No account: the payment is over before it began, and that is on record.
async fn refuse(
    gateway: &Inner,
    number: OutTradeNo,
    asked: &Asked,
) -> Result<StoredPayment, GatewayError> {
    let reason = domain::DeclineReason::NoMerchantAccount.name();
    let payment = StoredPayment {
        reason: reason.to_owned(),
        ..new_payment(gateway, number, asked, Opening::Refused)
    };
    let line = Line {
        event: "REFUSE",
        actor: "rpc",
        detail: reason.to_owned(),
    };
    gateway
        .db
        .submit(payment.create(&line, Some(Tell::Dead)))
        .await?;
    Ok(payment)
}

async fn ask(
    gateway: &Inner,
    payment: StoredPayment,
    account: &MerchantAccount,
) -> Result<StoredPayment, GatewayError> {
    let now = gateway.db.clock().now();
    let left = now.duration_until(payment.send_before);
    let request = Prepay {
        out_trade_no: payment.number.to_string(),
        description: payment.asked.description.clone(),
        payer_id: payment.asked.payer_id.clone(),
        client_ip: payment.asked.client_ip.clone(),
        amount: payment.asked.amount.get(),
        starts: now,
        expires: payment.asked.expires_at,
        timeout: left.try_into().unwrap_or_default(),
    };
    let answer = match gateway.accounts.channel(account) {
        Some(channel) => channel.prepay(&request).await,
        None => PrepayAnswer::NotSent {
            why: format!("no key {}", account.key_name),
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
    let (finding, event, reason, pay_info) = told(answer);
    for _ in 0..flow::DECISIONS {
        let now = gateway.db.clock().now();
        let line = Line {
            event,
            actor: "reply",
            detail: reason.clone(),
        };
        let source = (finding, Source::Reply);
        let (to, write) = flow::find(&payment, source, &line, now, |to| {
            to.reason.clone_from(&reason);
            to.reason.truncate(64);
            to.pay_info.clone_from(&pay_info);
        });
        if gateway.db.wins(write).await? {
            return Ok(to);
        }
        let now_stored = StoredPayment::get(&gateway.db, payment.number).await?;
        payment = now_stored.ok_or(GatewayError::Contended(payment.number))?;
        // Paid, or given up, before the answer came: there is nothing to add to that.
        if payment.state != PaymentState::Sent {
            return Ok(payment);
        }
    }
    Err(GatewayError::Contended(payment.number))
}

fn told(answer: PrepayAnswer) -> (Finding, &'static str, String, Option<String>) {
    match answer {
        PrepayAnswer::Ready { pay_info, .. } => {
            (Finding::Waiting, "PREPARED", String::new(), Some(pay_info))
        }
        PrepayAnswer::Declined { code, message } => (
            Finding::NotPaid,
            "DECLINED",
            ascii(&format!("{code} {message}")),
            None,
        ),
        PrepayAnswer::Unknown { why } => (Finding::NoEvidence, "NO_ANSWER", ascii(&why), None),
        PrepayAnswer::NotSent { why } => (Finding::NotSent, "NOT_SENT", ascii(&why), None),
    }
}

// Cut to a column's bytes without cutting a character.
fn ascii(text: &str) -> String {
    text.chars().filter(char::is_ascii).take(64).collect()
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

fn new_payment(
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

fn read(gateway: &Inner, request: PrepayRequest) -> Result<(OutTradeNo, Asked), GatewayError> {
    let mut wrong: Vec<(&'static str, String)> = Vec::new();
    let order = request
        .order_no
        .parse()
        .map_err(|e| wrong.push(("order_no", format!("{e}"))));
    let attempt = Attempt::try_from(i64::from(request.attempt));
    let attempt = attempt.map_err(|e| wrong.push(("attempt", e.to_string())));
    let pay_type = i16::try_from(request.pay_type)
        .ok()
        .and_then(|code| PayType::from_code(code).ok());
    let expires_at = request
        .expire_time
        .as_ref()
        .and_then(from_proto)
        .map(micros);
    let checks = [
        (request.shop_id > 0, "shop_id", "must be 1 or above"),
        (
            pay_type == Some(PayType::SwiftpassWeChat),
            "pay_type",
            "must be PAY_TYPE_SWIFTPASS_WECHAT",
        ),
        (
            request.amount_fen > 0,
            "amount_fen",
            "must be 1 or above, in fen",
        ),
        (
            (1..=127).contains(&request.description.len()),
            "description",
            "must be 1 to 127 bytes",
        ),
        (
            (1..=128).contains(&request.payer_id.len()),
            "payer_id",
            "must be 1 to 128 bytes",
        ),
        (
            request.client_ip.parse::<Ipv4Addr>().is_ok(),
            "client_ip",
            "must be an IPv4 address",
        ),
        (expires_at.is_some(), "expire_time", "must be set"),
    ];
    let failed = checks.into_iter().filter(|(right, ..)| !right);
    wrong.extend(failed.map(|(_, field, wanted)| (field, wanted.to_owned())));
    let (Ok(order), Ok(attempt), Some(pay_type), Some(expires_at), true) =
        (order, attempt, pay_type, expires_at, wrong.is_empty())
    else {
        return Err(GatewayError::Invalid(wrong));
    };
    let asked = Asked {
        shop_id: request.shop_id,
        pay_type,
        amount: Fen::new(request.amount_fen),
        description: request.description,
        payer_id: request.payer_id,
        client_ip: request.client_ip,
        expires_at,
    };
    Ok((
        OutTradeNo {
            order,
            attempt,
            environment: gateway.environment,
        },
        asked,
    ))
}

fn micros(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}
