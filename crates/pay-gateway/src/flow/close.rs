//! `ClosePayment`: nobody is to pay this any more. An open payment becomes CLOSING, and the job
//! close sees to the rest; one that nobody knows goes on record as CLOSED, so that what comes
//! late with its number finds it closed.

use domain::{Direction, Fen, Opening, OutTradeNo, PayType, PaymentCommand, Step};
use jiff::Timestamp;
use store::Write;
use tracing::info;

use super::begin::new_payment;
use super::examine::abandon;
use crate::error::GatewayError;
use crate::payment::{Actor, Asked, Closing, Line, StoredPayment};
use crate::{Inner, flow};

/// What the payment would have been for, and why it is to be closed.
pub(crate) struct ToClose {
    pub(crate) shop_id: i64,
    pub(crate) pay_type: PayType,
    pub(crate) amount: Fen,
    pub(crate) reason: String,
}

/// The payment as it stands then: CLOSING, or over.
pub(crate) async fn close(
    gateway: &Inner,
    number: OutTradeNo,
    wanted: ToClose,
) -> Result<StoredPayment, GatewayError> {
    for _ in 0..flow::DECISIONS {
        let outcome = match StoredPayment::get(&gateway.db, number).await? {
            Some(payment) => stop(gateway, payment, &wanted.reason).await,
            None => fence(gateway, number, &wanted).await,
        };
        match outcome {
            Err(error) if error.is_conflict() => {}
            outcome => return outcome,
        }
    }
    Err(GatewayError::Contended(number))
}

// One that nobody can have seen is dead at once; others are when the channel says so.
async fn stop(
    gateway: &Inner,
    payment: StoredPayment,
    reason: &str,
) -> Result<StoredPayment, GatewayError> {
    if let Some(abandoned) = abandon(gateway, &payment, Actor::Rpc).await? {
        return Ok(abandoned);
    }
    let now = gateway.db.clock().now();
    let Some((to, write)) = closing(gateway, &payment, (reason, Actor::Rpc), now) else {
        return Ok(payment);
    };
    gateway.db.submit(write).await?;
    info!(out_trade_no = %to.number, state = %to.state, reason, "payment");
    Ok(to)
}

/// An open payment on its way out, closed (c→b) or reversed (b→c), and the write that says so.
/// `None`: it is closing or over.
pub(crate) fn closing(
    gateway: &Inner,
    payment: &StoredPayment,
    (reason, actor): (&str, Actor),
    now: Timestamp,
) -> Option<(StoredPayment, Write)> {
    let command = match payment.asked.pay_type.direction() {
        Direction::CustomerScans => PaymentCommand::Close,
        Direction::MerchantScans => PaymentCommand::Reverse,
    };
    let step = payment.state.command(command, &payment.context(now));
    let Ok(Step::Moved(state, effects)) = step else {
        return None;
    };
    let mut to = payment.moved(state, effects.live, now);
    reason.clone_into(&mut to.reason);
    reason.clone_into(&mut to.closing.reason);
    let line = Line {
        event: command.name(),
        actor,
        detail: reason.to_owned(),
    };
    let outcome = (Some(&effects), now);
    let write = payment.step(&to, &line, outcome, gateway.config.compression);
    Some((to, write))
}

async fn fence(
    gateway: &Inner,
    number: OutTradeNo,
    wanted: &ToClose,
) -> Result<StoredPayment, GatewayError> {
    let asked = Asked {
        shop_id: wanted.shop_id,
        pay_type: wanted.pay_type,
        amount: wanted.amount,
        description: String::new(),
        payer_id: String::new(),
        client_ip: String::new(),
        expires_at: gateway.db.clock().now(),
    };
    let payment = StoredPayment {
        reason: "FENCED".to_owned(),
        closing: Closing {
            reason: wanted.reason.clone(),
            ..Closing::default()
        },
        ..new_payment(gateway, number, &asked, Opening::Close)
    };
    let line = Line {
        event: "FENCE",
        actor: Actor::Rpc,
        detail: wanted.reason.clone(),
    };
    let write = payment.create(&line, None, gateway.config.compression);
    gateway.db.submit(write).await?;
    Ok(payment)
}
