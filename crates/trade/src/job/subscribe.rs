//! trade's side of pay-gateway's feed: each event is taken into its order.

use async_trait::async_trait;
use domain::{Direction, OrderFact, OrderNo, PayType, RefundNo};
use prost::Message;
use proto::gateway::v1::{Finder, PaymentEvent, PaymentFact, RefundEvent};
use proto::time::from_proto;
use store::feed::Sequenced;
use work::{Applied, Handler};

use crate::error::TradeError;
use crate::flow::confirm::told::{paid_amount, paid_fact};
use crate::flow::confirm::{self, confirm};
use crate::flow::refunded::{self, refunded};
use crate::flow::review_refund;
use crate::{Trade, convert};

const PAYMENT: &str = "paymesh.gateway.v1.PaymentEvent";
const REFUND: &str = "paymesh.gateway.v1.RefundEvent";

/// Takes what pay-gateway tells of payments and refunds into orders.
pub(crate) struct Payments(pub(crate) Trade);

#[async_trait]
impl Handler for Payments {
    async fn apply(&self, event: &Sequenced) -> Applied {
        let taken = match event.kind.as_str() {
            PAYMENT => self.payment(event).await,
            REFUND => self.refund(event).await,
            other => return Applied::Poison(format!("nobody here takes in a {other}")),
        };
        match taken {
            Ok(applied) => applied,
            Err(error) if is_poison(&error) => Applied::Poison(error.to_string()),
            Err(error) => Applied::Retry(error.to_string()),
        }
    }
}

// What makes no sense, or was never asked for here: it will not come by waiting.
fn is_poison(error: &TradeError) -> bool {
    matches!(
        error,
        TradeError::Invalid(_)
            | TradeError::OrderNotAccepted(_)
            | TradeError::RefundNotFound(_)
            | TradeError::PaymentUnknown(_)
    )
}

impl Payments {
    async fn payment(&self, event: &Sequenced) -> Result<Applied, TradeError> {
        Ok(match payment_of(event) {
            Ok((order, told)) => {
                confirm(&self.0.0, order, &told).await?;
                Applied::Done
            }
            Err(why) => Applied::Poison(why),
        })
    }

    async fn refund(&self, event: &Sequenced) -> Result<Applied, TradeError> {
        let trade = &self.0.0;
        let message = match RefundEvent::decode(event.payload.as_slice()) {
            Ok(message) => message.refund.unwrap_or_default(),
            Err(error) => return Ok(Applied::Poison(error.to_string())),
        };
        let no: RefundNo = review_refund::number(trade, &message.refund_no)?;
        let Some(told) = refunded::Told::of(&message, "feed") else {
            return Ok(Applied::Poison(format!(
                "refund {no} is told of before it has ended"
            )));
        };
        refunded(trade, no, &told).await?;
        Ok(Applied::Done)
    }
}

fn payment_of(event: &Sequenced) -> Result<(OrderNo, confirm::Told), String> {
    let message = PaymentEvent::decode(event.payload.as_slice()).map_err(|e| e.to_string())?;
    let (fact, finder) = (message.fact(), message.finder());
    let payment = message.payment.ok_or("the event has no payment")?;
    let order: OrderNo = payment
        .order_no
        .parse()
        .map_err(|e| format!("order_no: {e}"))?;
    let attempt = domain::Attempt::try_from(i64::from(payment.attempt));
    let attempt = attempt.map_err(|e| format!("attempt: {e}"))?;
    let fact = match fact {
        PaymentFact::Succeeded => paid_fact(&payment, attempt),
        PaymentFact::Dead => OrderFact::Dead { payment: attempt },
        PaymentFact::Reversed => OrderFact::Reversed { payment: attempt },
        PaymentFact::Unspecified => return Err("the event names no fact".to_owned()),
    };
    let pay_type = convert::known_pay_type(payment.pay_type);
    let told = confirm::Told {
        fact,
        version: payment.version,
        pay_type,
        paid_at: payment.paid_time.as_ref().and_then(from_proto),
        paid_amount: paid_amount(&payment),
        actor: "feed",
        remedy: found(finder, pay_type),
        detail: [payment.channel_trade_no, payment.reason]
            .join(" ")
            .trim()
            .to_owned(),
    };
    Ok((order, told))
}

// Where the merchant scans there is no callback: a query is how it is told.
fn found(finder: Finder, pay_type: Option<PayType>) -> Option<&'static str> {
    let scans = pay_type.map(PayType::direction) == Some(Direction::MerchantScans);
    (finder == Finder::Query && !scans).then_some("QUERY")
}
