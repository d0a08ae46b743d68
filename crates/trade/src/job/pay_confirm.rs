//! `pay_confirm`: an order that is PAYING is asked about at pay-gateway, in case neither the
//! reply nor the feed told. A payment nobody knows is fenced off first, and then it is dead.

use std::time::Duration;

use async_trait::async_trait;
use domain::{Attempt, ObligationKind, OrderFact, OrderNo, OrderState};
use proto::gateway::v1::{ClosePaymentRequest, Payment, PaymentState, QueryPaymentRequest};
use proto::time::from_proto;
use store::obligation::Claimed;
use tonic::Code;
use work::{Job, Verdict};

use crate::error::TradeError;
use crate::flow::confirm::{Told, confirm};
use crate::order::StoredOrder;
use crate::{Inner, Trade, convert, flow};

// While the payment is live pay-gateway polls it; this is only the second net.
const AGAIN: Duration = Duration::from_mins(5);

/// The job of [`ObligationKind::PayConfirm`].
pub(crate) struct PayConfirm(pub(crate) Trade);

#[async_trait]
impl Job for PayConfirm {
    fn kind(&self) -> i16 {
        ObligationKind::PayConfirm.code()
    }

    fn name(&self) -> &'static str {
        "pay_confirm"
    }

    async fn run(&self, owed: &Claimed) -> Verdict {
        match ask(&self.0.0, owed).await {
            Ok(verdict) => verdict,
            Err(error) => Verdict::retry(error),
        }
    }
}

async fn ask(trade: &Inner, owed: &Claimed) -> Result<Verdict, TradeError> {
    let (Ok(no), Ok(attempt)) = (
        OrderNo::try_from(owed.subject),
        Attempt::try_from(i64::from(owed.part)),
    ) else {
        return Ok(Verdict::give_up("its key is no payment"));
    };
    let order = flow::load(&trade.db, no).await?;
    if !matches!(order.state, OrderState::Paying { payment } if payment == attempt) {
        return Ok(Verdict::Moot);
    }
    let request = QueryPaymentRequest {
        order_no: no.to_string(),
        attempt: attempt.get().into(),
    };
    let payment = match trade.peers.payments.clone().query_payment(request).await {
        Ok(answer) => answer.into_inner().payment.unwrap_or_default(),
        Err(status) if status.code() == Code::NotFound => fence(trade, &order, attempt).await?,
        Err(status) => return Err(status.into()),
    };
    let Some(told) = told(attempt, &payment) else {
        return Ok(Verdict::Snooze(AGAIN));
    };
    confirm(trade, no, &told).await?;
    Ok(Verdict::Done)
}

async fn fence(
    trade: &Inner,
    order: &StoredOrder,
    attempt: Attempt,
) -> Result<Payment, TradeError> {
    let request = ClosePaymentRequest {
        order_no: order.no.to_string(),
        attempt: attempt.get().into(),
        shop_id: order.shop_id,
        pay_type: order
            .pay_type
            .map_or(0, |pay_type| convert::pay_type(pay_type).into()),
        amount_fen: order.amount.get(),
    };
    let answer = trade.peers.payments.clone().close_payment(request).await?;
    Ok(answer.into_inner().payment.unwrap_or_default())
}

// What the payment's state says of the order; none while it may still be paid.
fn told(attempt: Attempt, payment: &Payment) -> Option<Told> {
    let fact = match payment.state() {
        PaymentState::Succeeded => OrderFact::Succeeded { payment: attempt },
        // Reversed before this order knew of any money: nobody can pay it.
        PaymentState::Declined
        | PaymentState::Closed
        | PaymentState::Closing
        | PaymentState::Reversed => OrderFact::Dead { payment: attempt },
        _ => return None,
    };
    Some(Told {
        fact,
        paid_at: payment.paid_time.as_ref().and_then(from_proto),
        actor: "pay_confirm",
        detail: [payment.channel_trade_no.as_str(), payment.reason.as_str()]
            .join(" ")
            .trim()
            .to_owned(),
        remedy: Some("PAY_CONFIRM"),
    })
}
