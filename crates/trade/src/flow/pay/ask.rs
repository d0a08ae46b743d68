//! pay-gateway is asked for the payment that is on record; its reply drives the same transition
//! of the order as its feed does.

use std::time::Duration;

use domain::{Attempt, Direction, OrderFact, OrderState};
use mesh::Context;
use proto::gateway::v1::{PayRequest, Payment, PaymentState, PrepayRequest};
use proto::time::to_proto;
use tracing::warn;

use super::{Paying, Wanted};
use crate::error::TradeError;
use crate::flow::close::{self, Why};
use crate::flow::confirm::{Told, confirm};
use crate::order::StoredOrder;
use crate::{Inner, convert};

// What is left of the caller's time for asking that another payment be closed.
const REPLACE: Duration = Duration::from_secs(2);
// The least a caller is asked to wait.
const SOON: Duration = Duration::from_secs(1);

/// The payment of this attempt, made now or before.
pub(super) async fn ask(
    trade: &Inner,
    order: StoredOrder,
    attempt: Attempt,
    wanted: &Wanted,
) -> Result<Paying, TradeError> {
    // An attempt that is over, or an order that is paid, is answered as it is.
    if !matches!(order.state, OrderState::Paying { payment } if payment == attempt) {
        return Ok(Paying {
            order,
            attempt,
            pay_info: String::new(),
        });
    }
    let payment = match wanted.pay_type.direction() {
        Direction::CustomerScans => prepare(trade, &order, attempt, wanted).await?,
        Direction::MerchantScans => charge(trade, &order, attempt, wanted).await?,
    };
    heed(trade, order, attempt, payment).await
}

// c→b: what the payer's device needs.
async fn prepare(
    trade: &Inner,
    order: &StoredOrder,
    attempt: Attempt,
    wanted: &Wanted,
) -> Result<Payment, TradeError> {
    let request = PrepayRequest {
        order_no: order.no.to_string(),
        attempt: i32::from(attempt.get()),
        shop_id: order.shop_id,
        pay_type: convert::pay_type(wanted.pay_type).into(),
        amount_fen: order.amount.get(),
        description: order.description.clone(),
        payer_id: order.payer_id.clone().unwrap_or_default(),
        client_ip: client_ip(order, wanted),
        expire_time: Some(to_proto(order.pay_limit_at)),
    };
    let answer = trade.peers.payments.clone().prepay(request).await?;
    Ok(answer.into_inner().payment.unwrap_or_default())
}

// b→c: the payer's code. pay-gateway uses one code for an attempt, whatever comes again.
async fn charge(
    trade: &Inner,
    order: &StoredOrder,
    attempt: Attempt,
    wanted: &Wanted,
) -> Result<Payment, TradeError> {
    let request = PayRequest {
        order_no: order.no.to_string(),
        attempt: i32::from(attempt.get()),
        shop_id: order.shop_id,
        pay_type: convert::pay_type(wanted.pay_type).into(),
        amount_fen: order.amount.get(),
        description: order.description.clone(),
        client_ip: client_ip(order, wanted),
        auth_code: wanted.auth_code.clone(),
        expire_time: Some(to_proto(order.pay_limit_at)),
    };
    let answer = trade.peers.payments.clone().pay(request).await?;
    Ok(answer.into_inner().payment.unwrap_or_default())
}

fn client_ip(order: &StoredOrder, wanted: &Wanted) -> String {
    let ip = Some(&wanted.client_ip).filter(|ip| !ip.is_empty());
    ip.unwrap_or(&order.client_ip).clone()
}

async fn heed(
    trade: &Inner,
    order: StoredOrder,
    attempt: Attempt,
    payment: Payment,
) -> Result<Paying, TradeError> {
    let Some(told) = Told::of(&payment, attempt, "reply") else {
        // Nobody can pay it any more, and how it ends is not known yet.
        if payment.state() == PaymentState::Closing {
            return Err(in_progress(trade, &order, Some(&payment)));
        }
        return Ok(Paying {
            order,
            attempt,
            pay_info: payment.pay_info,
        });
    };
    let order = confirm(trade, order.no, &told).await?;
    match told.fact {
        OrderFact::Dead { .. } | OrderFact::Mispaid { .. } => Err(TradeError::PaymentRefused {
            order: order.no,
            reason: payment.reason,
        }),
        _ => Ok(Paying {
            order,
            attempt,
            pay_info: String::new(),
        }),
    }
}

/// The live payment makes way for one of another kind: it is asked to close, and the caller to
/// come back once it is closed. Returns when it turned out to be over.
pub(super) async fn replace(
    trade: &Inner,
    order: &StoredOrder,
    payment: Attempt,
) -> Result<(), TradeError> {
    let attempt = close::attempt_of(trade, order, payment).await?;
    let asked = close::close(trade, (order, &attempt), Why::Replaced);
    let asked = Context::current().within(REPLACE).scope(asked).await;
    let closing = match asked {
        Ok(closing) => closing,
        Err(error) => {
            warn!(order = %order.no, %error, "the live payment was not asked to close");
            return Err(in_progress(trade, order, None));
        }
    };
    let Some(told) = Told::of(&closing, payment, "reply") else {
        return Err(in_progress(trade, order, Some(&closing)));
    };
    confirm(trade, order.no, &told).await?;
    Ok(())
}

fn in_progress(trade: &Inner, order: &StoredOrder, payment: Option<&Payment>) -> TradeError {
    let wait = payment.and_then(|payment| close::wait(trade, payment, Duration::ZERO));
    TradeError::PaymentInProgress {
        order: order.no,
        retry_after: wait.unwrap_or(SOON).max(SOON),
    }
}
