//! trade's side of pay-gateway's feed: each event is taken into its order.

use async_trait::async_trait;
use domain::{OrderFact, OrderNo};
use prost::Message;
use proto::gateway::v1::{Finder, PaymentEvent, PaymentFact};
use proto::time::from_proto;
use store::feed::Sequenced;
use work::{Applied, Handler};

use crate::Trade;
use crate::error::TradeError;
use crate::flow::confirm::{Told, confirm};

/// Takes payment events into orders.
pub(crate) struct Payments(pub(crate) Trade);

#[async_trait]
impl Handler for Payments {
    async fn apply(&self, event: &Sequenced) -> Applied {
        let (order, told) = match read(event) {
            Ok(read) => read,
            Err(why) => return Applied::Poison(why),
        };
        match confirm(&self.0.0, order, &told).await {
            Ok(_) => Applied::Done,
            Err(error @ TradeError::OrderNotAccepted(_)) => Applied::Poison(error.to_string()),
            Err(error) => Applied::Retry(error.to_string()),
        }
    }
}

fn read(event: &Sequenced) -> Result<(OrderNo, Told), String> {
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
        PaymentFact::Succeeded => OrderFact::Succeeded { payment: attempt },
        PaymentFact::Dead => OrderFact::Dead { payment: attempt },
        PaymentFact::Reversed => OrderFact::Reversed { payment: attempt },
        PaymentFact::Unspecified => return Err("the event names no fact".to_owned()),
    };
    let told = Told {
        fact,
        paid_at: payment.paid_time.as_ref().and_then(from_proto),
        actor: "feed",
        remedy: (finder == Finder::Query).then_some("QUERY"),
        detail: [payment.channel_trade_no, payment.reason]
            .join(" ")
            .trim()
            .to_owned(),
    };
    Ok((order, told))
}
