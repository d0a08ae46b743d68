//! Pay (b→c): the channel takes the money by the code the merchant scanned. The code lives in
//! the call alone: it is no part of the payment, and never written or told.

use std::sync::Arc;

use domain::Finding;
use jiff::Timestamp;
use proto::gateway::v1::PayRequest;
use tracing::{error, info};

use super::begin::{self, Told, Way};
use crate::channel::{AuthCode, Channel, Paid, Pay, PayAnswer};
use crate::error::GatewayError;
use crate::payment::{AMOUNT_DIFFERS, StoredPayment};
use crate::{Inner, request};

/// Charges the payer, or answers with the payment that is stored; a code that comes with a
/// repeat is not used.
pub(crate) async fn pay(
    gateway: &Arc<Inner>,
    request: PayRequest,
) -> Result<StoredPayment, GatewayError> {
    let (number, asked, code) = request::pay(request, gateway.environment)?;
    begin::once(gateway, (number, asked), Way::Pay(code)).await
}

/// Asks the channel, once.
pub(super) async fn ask(
    channel: &dyn Channel,
    payment: &StoredPayment,
    (auth_code, now): (AuthCode, Timestamp),
) -> Told {
    let left = now.duration_until(payment.send_before);
    let request = Pay {
        out_trade_no: payment.number.to_string(),
        description: payment.asked.description.clone(),
        client_ip: payment.asked.client_ip.clone(),
        amount: payment.asked.amount.get(),
        auth_code,
        starts: now,
        expires: payment.asked.expires_at,
        timeout: left.try_into().unwrap_or_default(),
    };
    let answer = channel.pay(&request).await;
    info!(out_trade_no = %payment.number, ?answer, "pay");
    told(answer, payment)
}

fn told(answer: PayAnswer, payment: &StoredPayment) -> Told {
    match answer {
        PayAnswer::Succeeded(paid) => paid_or_not(paid, payment),
        PayAnswer::Waiting { code, message } => Told::new(
            Finding::Waiting,
            "REPLY_WAITING",
            format!("{code} {message}"),
        ),
        PayAnswer::Declined { code, message } => Told::declined(&code, &message),
        PayAnswer::Unknown { why } => Told::no_answer(why),
        PayAnswer::NotSent { why } => Told::not_sent(why),
    }
}

// Other money than was asked for is not taken on a reply's word: the polls ask about it.
fn paid_or_not(paid: Paid, payment: &StoredPayment) -> Told {
    if let Some(why) = paid.is_no_money().or_else(|| payment.differs(&paid)) {
        error!(out_trade_no = %payment.number, why, "the channel took other money than was asked for");
        return Told {
            reason: AMOUNT_DIFFERS,
            ..Told::new(Finding::NoEvidence, "REPLY_DIFFERS", why)
        };
    }
    let number = paid.channel_trade_no.clone();
    Told {
        paid: Some(paid),
        ..Told::new(Finding::Succeeded, "REPLY_PAID", number)
    }
}
