//! An order's story: what trade and pay-gateway each recorded, merged by time; then how its
//! refunds stand.

mod line;
mod refund;

use mesh::Client;
use proto::gateway::v1::ListPaymentEventsRequest;
use proto::gateway::v1::list_payment_events_request::Number;
use proto::gateway::v1::payment_service_client::PaymentServiceClient;
use proto::trade::v1::GetTimelineRequest;
use proto::trade::v1::trade_service_client::TradeServiceClient;
use tonic::Status;

pub use line::Line;
pub use refund::RefundLine;

// "W" and 18 digits.
const ORDER_NO: usize = 19;

/// All that is known of an order.
#[derive(Debug, Clone, PartialEq)]
pub struct Story {
    /// What happened, oldest first.
    pub lines: Vec<Line>,
    /// Its refunds, oldest first.
    pub refunds: Vec<RefundLine>,
}

/// The story of an order; `NOT_FOUND` for a number nobody accepted.
/// `number` may be the order's, or that of one of its payments.
pub async fn story(trade: &Client, gateway: &Client, number: &str) -> Result<Story, Status> {
    let order_no = order_no_of(number).to_owned();
    let request = GetTimelineRequest {
        order_no: order_no.clone(),
    };
    let told = TradeServiceClient::new(trade.clone())
        .get_timeline(request)
        .await?
        .into_inner();
    let request = ListPaymentEventsRequest {
        number: Some(Number::OrderNo(order_no)),
    };
    let mut payments = PaymentServiceClient::new(gateway.clone());
    let paid = payments.list_payment_events(request).await?.into_inner();
    let trade = told.entries.into_iter().map(Line::from);
    let settled = told.settlements.iter().map(Line::from);
    let remedied = told.remedies.iter().map(Line::from);
    let gateway = paid.entries.into_iter().map(Line::from);
    let refunded = paid.refund_entries.into_iter().map(Line::from);
    let lines = trade.chain(remedied).chain(gateway).chain(refunded);
    Ok(Story {
        lines: merged(lines.chain(settled).collect()),
        refunds: told.refunds.into_iter().map(RefundLine).collect(),
    })
}

/// The order a payment's number names; an order's own number names itself.
pub fn order_no_of(number: &str) -> &str {
    number.get(..ORDER_NO).unwrap_or(number)
}

// Stable: what happened in the same instant stays in the order told, trade first.
fn merged(mut lines: Vec<Line>) -> Vec<Line> {
    lines.sort_by_key(|line| line.time);
    lines
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proto::gateway::v1::{PaymentLogEntry, PaymentState, RefundLogEntry, RefundState};
    use proto::time::to_proto;
    use proto::trade::v1::{OrderStatus, TimelineEntry};

    use super::*;

    fn at(micros: i64) -> prost_types::Timestamp {
        to_proto(Timestamp::from_microsecond(micros).unwrap())
    }

    fn paid(micros: i64) -> Line {
        Line::from(TimelineEntry {
            version: 4,
            time: Some(at(micros)),
            from_status: OrderStatus::Paying.into(),
            to_status: OrderStatus::Paid.into(),
            event: "SUCCEEDED".to_owned(),
            actor: "feed".to_owned(),
            ..TimelineEntry::default()
        })
    }

    fn sent(micros: i64) -> Line {
        Line::from(PaymentLogEntry {
            out_trade_no: "W1".to_owned(),
            version: 1,
            time: Some(at(micros)),
            to_state: PaymentState::Sent.into(),
            event: "PREPAY".to_owned(),
            actor: "rpc".to_owned(),
            ..PaymentLogEntry::default()
        })
    }

    #[test]
    fn both_services_tell_one_story() {
        let story = merged(vec![paid(3_000_000), sent(1_500_000)]);
        let told: Vec<String> = story.iter().map(ToString::to_string).collect();
        assert_eq!(
            told[0],
            "1970-01-01 08:00:01.500000 pay-gateway v1   → SENT               PREPAY            rpc       W1"
        );
        assert_eq!(
            told[1],
            "1970-01-01 08:00:03.000000 trade       v4   PAYING → PAID        SUCCEEDED         feed"
        );
    }

    #[test]
    fn a_refund_is_told_from_both_sides() {
        let refund = Line::from(RefundLogEntry {
            refund_no: "R1".to_owned(),
            version: 2,
            time: Some(at(4_000_000)),
            from_state: RefundState::Processing.into(),
            to_state: RefundState::Succeeded.into(),
            event: "QUERY_SUCCEEDED".to_owned(),
            actor: "query".to_owned(),
            ..RefundLogEntry::default()
        });
        let story = merged(vec![refund, paid(3_000_000)]);
        assert_eq!(
            story[1].to_string(),
            "1970-01-01 08:00:04.000000 pay-gateway v2   PROCESSING → SUCCEEDED QUERY_SUCCEEDED   query     R1"
        );
    }

    #[test]
    fn in_the_same_instant_trade_speaks_first() {
        let story = merged(vec![paid(5), sent(5)]);
        assert_eq!(story[0].service, "trade");
    }

    #[test]
    fn a_payments_number_names_its_order() {
        let order = "W261120100903123010";
        assert_eq!(order_no_of("W2611201009031230100001T").len(), ORDER_NO);
        assert_eq!(order_no_of(order), order);
        assert_eq!(order_no_of("W1"), "W1");
        assert_eq!(order_no_of("数数数数数数数数"), "数数数数数数数数");
    }
}
