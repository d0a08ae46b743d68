use jiff::Timestamp;
use proto::gateway::v1::{
    FlaggedCallback, PaymentLogEntry, PaymentState, RefundLogEntry, RefundState,
};
use proto::time::to_proto;
use proto::trade::v1::{OrderStatus, TimelineEntry};

use super::*;

fn at(micros: i64) -> prost_types::Timestamp {
    to_proto(Timestamp::from_microsecond(micros).unwrap())
}

fn paid(version: i64, micros: i64) -> TimelineEntry {
    TimelineEntry {
        version,
        time: Some(at(micros)),
        from_status: OrderStatus::Paying.into(),
        to_status: OrderStatus::Paid.into(),
        event: "SUCCEEDED".to_owned(),
        actor: "feed".to_owned(),
        ..TimelineEntry::default()
    }
}

fn sent(out_trade_no: &str, version: i64, micros: i64) -> PaymentLogEntry {
    PaymentLogEntry {
        out_trade_no: out_trade_no.to_owned(),
        version,
        time: Some(at(micros)),
        to_state: PaymentState::Sent.into(),
        event: "PREPAY".to_owned(),
        actor: "rpc".to_owned(),
        ..PaymentLogEntry::default()
    }
}

fn refund(version: i64, micros: i64) -> RefundLogEntry {
    RefundLogEntry {
        refund_no: "R1".to_owned(),
        version,
        time: Some(at(micros)),
        from_state: RefundState::Processing.into(),
        to_state: RefundState::Succeeded.into(),
        event: "QUERY_SUCCEEDED".to_owned(),
        actor: "query".to_owned(),
        ..RefundLogEntry::default()
    }
}

fn order(entries: Vec<TimelineEntry>) -> GetTimelineResponse {
    GetTimelineResponse {
        entries,
        ..GetTimelineResponse::default()
    }
}

fn payments(entries: Vec<PaymentLogEntry>) -> ListPaymentEventsResponse {
    ListPaymentEventsResponse {
        entries,
        ..ListPaymentEventsResponse::default()
    }
}

/// What is told of it, by whom and as of which version.
fn told(trade: GetTimelineResponse, gateway: ListPaymentEventsResponse) -> Vec<(String, i64)> {
    let lines = merged(sources(trade, gateway)).into_iter();
    let whose = |line: &Line| match line.detail.split(' ').next() {
        None | Some("") => line.service.to_owned(),
        Some(number) => number.to_owned(),
    };
    lines
        .map(|line| (whose(&line), line.version.unwrap_or_default()))
        .collect()
}

fn is(told: &[(String, i64)], expected: &[(&str, i64)]) {
    let told: Vec<_> = told.iter().map(|(who, v)| (who.as_str(), *v)).collect();
    assert_eq!(told, expected);
}

#[test]
fn both_services_tell_one_story() {
    let gateway = ListPaymentEventsResponse {
        refund_entries: vec![refund(2, 4_000_000)],
        flagged_callbacks: vec![FlaggedCallback {
            out_trade_no: "W10000".to_owned(),
            time: Some(at(2_000_000)),
            reason: "AMOUNT_DIFFERS".to_owned(),
            amount_fen: Some(1),
            channel_trade_no: "4200001".to_owned(),
            mch_id: "7551".to_owned(),
        }],
        ..payments(vec![sent("W10000", 1, 1_500_000)])
    };
    let lines = merged(sources(order(vec![paid(4, 3_000_000)]), gateway));
    let told: Vec<String> = lines.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "1970-01-01 08:00:01.500000 pay-gateway v1   → SENT               PREPAY            rpc       W10000",
            "1970-01-01 08:00:02.000000 pay-gateway                           CALLBACK_FLAGGED  callback  W10000 AMOUNT_DIFFERS: merchant 7551 told of 1 fen under \"4200001\"",
            "1970-01-01 08:00:03.000000 trade       v4   PAYING → PAID        SUCCEEDED         feed",
            "1970-01-01 08:00:04.000000 pay-gateway v2   PROCESSING → SUCCEEDED QUERY_SUCCEEDED   query     R1",
        ]
    );
}

#[test]
fn in_the_same_instant_trade_speaks_first() {
    let lines = told(order(vec![paid(4, 5)]), payments(vec![sent("W1", 1, 5)]));
    is(&lines, &[("trade", 4), ("W1", 1)]);
}

#[test]
fn a_clock_set_back_crosses_no_two_versions_of_one_thing() {
    let trade = order(vec![paid(1, 10), paid(2, 50), paid(3, 20), paid(4, 60)]);
    // As pay-gateway lists them, by time.
    let gateway = ListPaymentEventsResponse {
        refund_entries: vec![refund(2, 52), refund(1, 58)],
        ..payments(vec![
            sent("W1", 2, 5),
            sent("W2", 1, 30),
            sent("W1", 1, 40),
            sent("W2", 2, 55),
        ])
    };
    let expected = [
        ("trade", 1),
        ("W2", 1),
        ("W1", 1),
        ("W1", 2),
        ("trade", 2),
        ("trade", 3),
        ("W2", 2),
        ("R1", 1),
        ("R1", 2),
        ("trade", 4),
    ];
    is(&told(trade, gateway), &expected);
}
