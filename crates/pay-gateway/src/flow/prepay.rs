//! Prepay (c→b): the channel gives what the payer's device needs to pay.

use std::sync::Arc;

use domain::Finding;
use jiff::Timestamp;
use proto::gateway::v1::PrepayRequest;
use tracing::info;

use super::begin::{self, Told, Way};
use crate::channel::{Channel, Prepay, PrepayAnswer};
use crate::error::GatewayError;
use crate::payment::StoredPayment;
use crate::{Inner, request};

/// Prepares the payment, or answers with the one that is stored.
pub(crate) async fn prepay(
    gateway: &Arc<Inner>,
    request: PrepayRequest,
) -> Result<StoredPayment, GatewayError> {
    let wanted = request::prepay(request, gateway.environment)?;
    begin::once(gateway, wanted, Way::Prepay).await
}

/// Asks the channel, once.
pub(super) async fn ask(channel: &dyn Channel, payment: &StoredPayment, now: Timestamp) -> Told {
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
    let answer = channel.prepay(&request).await;
    info!(out_trade_no = %payment.number, ?answer, "prepay");
    told(answer)
}

fn told(answer: PrepayAnswer) -> Told {
    match answer {
        PrepayAnswer::Ready { pay_info, .. } => Told {
            pay_info: Some(pay_info),
            ..Told::new(Finding::Waiting, "PREPARED", String::new())
        },
        PrepayAnswer::Declined { code, message } => Told::declined(&code, &message),
        PrepayAnswer::Unknown { why } => Told::no_answer(why),
        PrepayAnswer::NotSent { why } => Told::not_sent(why),
    }
}
