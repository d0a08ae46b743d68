//! An order's story: what trade and pay-gateway each recorded, as one; then how its refunds
//! stand, and who could not be asked.

mod line;
mod merge;
mod number;
mod refund;
mod silent;

use std::collections::BTreeMap;

use mesh::Client;
use proto::gateway::v1::list_payment_events_request::Number as By;
use proto::gateway::v1::payment_service_client::PaymentServiceClient;
use proto::gateway::v1::{ListPaymentEventsRequest, ListPaymentEventsResponse};
use proto::trade::v1::trade_service_client::TradeServiceClient;
use proto::trade::v1::{GetTimelineRequest, GetTimelineResponse};
use tonic::Status;

use crate::assemble::{PAY_GATEWAY, TRADE};
use crate::failure::Failure;
use merge::merged;
use number::Number;

pub use line::Line;
pub use refund::RefundLine;
pub use silent::Silent;

/// All that is known of an order.
#[derive(Debug)]
pub struct Story {
    /// The order's number, whichever number it was asked by.
    pub order_no: String,
    /// What happened, oldest first.
    pub lines: Vec<Line>,
    /// Its refunds, oldest first.
    pub refunds: Vec<RefundLine>,
    /// Who told nothing; empty when the story is whole.
    pub silent: Vec<Silent>,
}

/// The story of an order, as far as somebody tells it; `TRACE_FAILED` when nobody does.
/// `number` is the order's, the `out_trade_no` of one of its payments, or a channel's own.
pub async fn story(trade: &Client, gateway: &Client, number: &str) -> Result<Story, Failure> {
    match Number::read(number)? {
        Number::Ours(order) => {
            let order_no = order.to_string();
            let by = By::OrderNo(order_no.clone());
            let told = tokio::join!(timeline(trade, &order_no), events(gateway, by));
            told_by(order_no, told)
        }
        Number::Theirs(number) => {
            let found = events(gateway, By::ChannelTradeNo(number)).await;
            let found =
                found.map_err(|status| silent::failure(&[Silent::of(PAY_GATEWAY, &status)]))?;
            let order_no = found.order_no.clone();
            let told = timeline(trade, &order_no).await;
            told_by(order_no, (told, Ok(found)))
        }
    }
}

type Told = (
    Result<GetTimelineResponse, Status>,
    Result<ListPaymentEventsResponse, Status>,
);

async fn timeline(trade: &Client, order_no: &str) -> Result<GetTimelineResponse, Status> {
    let request = GetTimelineRequest {
        order_no: order_no.to_owned(),
    };
    let mut orders = TradeServiceClient::new(trade.clone());
    Ok(orders.get_timeline(request).await?.into_inner())
}

async fn events(gateway: &Client, by: By) -> Result<ListPaymentEventsResponse, Status> {
    let request = ListPaymentEventsRequest { number: Some(by) };
    let mut payments = PaymentServiceClient::new(gateway.clone());
    Ok(payments.list_payment_events(request).await?.into_inner())
}

fn told_by(order_no: String, (trade, gateway): Told) -> Result<Story, Failure> {
    let mut silent = Vec::new();
    let mut heard = |service, status| silent.push(Silent::of(service, &status));
    let trade = trade.map_err(|status| heard(TRADE, status));
    let gateway = gateway.map_err(|status| heard(PAY_GATEWAY, status));
    let (trade, gateway) = (trade.unwrap_or_default(), gateway.unwrap_or_default());
    let refunds = trade.refunds.iter().cloned().map(RefundLine).collect();
    let lines = merged(sources(trade, gateway));
    if lines.is_empty() && !silent.is_empty() {
        return Err(silent::failure(&silent));
    }
    Ok(Story {
        order_no,
        lines,
        refunds,
        silent,
    })
}

// The order, each payment and each refund is a source of its own; in the same instant the order
// speaks first, and its settlements last.
fn sources(trade: GetTimelineResponse, gateway: ListPaymentEventsResponse) -> Vec<Vec<Line>> {
    let order = trade.entries.into_iter().map(Line::from).collect();
    let remedied = trade.remedies.iter().map(Line::from).collect();
    let settled = trade.settlements.iter().map(Line::from).collect();
    let flagged = gateway.flagged_callbacks.into_iter().map(Line::from);
    let mut sources = vec![order, remedied];
    sources.extend(of_each(gateway.entries, |line| line.out_trade_no.clone()));
    sources.extend(of_each(gateway.refund_entries, |line| {
        line.refund_no.clone()
    }));
    sources.extend([flagged.collect(), settled]);
    sources
}

fn of_each<E: Into<Line>>(
    entries: Vec<E>,
    whose: impl Fn(&E) -> String,
) -> impl Iterator<Item = Vec<Line>> {
    let mut sources: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    for entry in entries {
        let source = sources.entry(whose(&entry)).or_default();
        source.push(entry.into());
    }
    sources.into_values()
}

#[cfg(test)]
mod tests;
