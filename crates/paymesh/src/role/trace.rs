//! `paymesh trace NUMBER`: an order's whole story, told in order.

use std::sync::Arc;
use std::time::Duration;

use ::mesh::{Client, ClientSettings, Context};
use proto::gateway::v1::payment_service_client::PaymentServiceClient;
use proto::gateway::v1::{ListPaymentEventsRequest, PaymentLogEntry, PaymentState};
use proto::time::from_proto;
use proto::trade::v1::trade_service_client::TradeServiceClient;
use proto::trade::v1::{
    GetTimelineRequest, GetTimelineResponse, OrderStatus, Settlement, TimelineEntry,
};
use seam::net::Tcp;

use crate::failure::Failure;
use crate::ground::policies;

const PATIENCE: Duration = Duration::from_secs(5);

// One line of the story: when, whose, and what.
struct Line {
    micros: i128,
    time: String,
    what: String,
}

pub async fn run(number: &str, trade: &str, gateway: &str) -> Result<(), Failure> {
    let told = Context::background(PATIENCE)
        .scope(fetch(number, trade, gateway))
        .await?;
    let (timeline, payments) = told;
    let mut lines: Vec<Line> = timeline.entries.iter().map(of_order).collect();
    lines.extend(payments.iter().map(of_payment));
    lines.extend(timeline.settlements.iter().map(of_settlement));
    lines.sort_by_key(|line| line.micros);
    print(&timeline, &lines);
    Ok(())
}

async fn fetch(
    number: &str,
    trade: &str,
    gateway: &str,
) -> Result<(GetTimelineResponse, Vec<PaymentLogEntry>), Failure> {
    let client = |address: &str| {
        Client::new(
            ClientSettings::new("trace", address),
            Arc::new(Tcp),
            policies()?,
        )
        .map_err(Failure::from)
    };
    let request = GetTimelineRequest {
        order_no: number.to_owned(),
    };
    let timeline = TradeServiceClient::new(client(trade)?)
        .get_timeline(request)
        .await;
    let timeline = timeline
        .map_err(|status| refused(trade, &status))?
        .into_inner();
    let request = ListPaymentEventsRequest {
        order_no: number.to_owned(),
    };
    let events = PaymentServiceClient::new(client(gateway)?)
        .list_payment_events(request)
        .await;
    let events = events
        .map_err(|status| refused(gateway, &status))?
        .into_inner();
    Ok((timeline, events.entries))
}

fn refused(address: &str, status: &tonic::Status) -> Failure {
    let reason = ::mesh::reason_of(status).unwrap_or_else(|| status.code().to_string());
    Failure::new(
        "TRACE_FAILED",
        format!("{address}: {reason}: {}", status.message()),
    )
}

fn print(timeline: &GetTimelineResponse, lines: &[Line]) {
    let order = timeline.order.clone().unwrap_or_default();
    println!("order    {}", order.order_no);
    println!(
        "shop     {} of merchant {}, their number {}",
        order.shop_id, order.merchant_id, order.merchant_order_no
    );
    println!("amount   {} fen, {}", order.amount_fen, order.description);
    println!(
        "status   {}",
        name(order.status().as_str_name(), "ORDER_STATUS_")
    );
    for line in lines {
        println!("  {}  {}", line.time, line.what);
    }
}

fn of_order(entry: &TimelineEntry) -> Line {
    let state = |status: OrderStatus| name(status.as_str_name(), "ORDER_STATUS_");
    let moved = moved(&state(entry.from_status()), &state(entry.to_status()));
    line(
        entry.time.as_ref(),
        "order",
        &moved,
        [&entry.event, &entry.actor, &entry.detail],
    )
}

fn of_payment(entry: &PaymentLogEntry) -> Line {
    let state = |state: PaymentState| name(state.as_str_name(), "PAYMENT_STATE_");
    let moved = moved(&state(entry.from_state()), &state(entry.to_state()));
    line(
        entry.time.as_ref(),
        "payment",
        &moved,
        [&entry.event, &entry.actor, &entry.detail],
    )
}

fn of_settlement(row: &Settlement) -> Line {
    let sums = format!(
        "gross {} = net {} + fee {}",
        row.gross_fen, row.net_fen, row.fee_fen
    );
    let rate = format!("{} ppm, scheme {}", row.rate_ppm, row.scheme_version);
    line(row.settle_time.as_ref(), "settle", &sums, [&rate, "", ""])
}

fn line(time: Option<&prost_types::Timestamp>, whose: &str, moved: &str, rest: [&str; 3]) -> Line {
    let time = time.and_then(from_proto).unwrap_or_default();
    let [event, actor, detail] = rest;
    let by = if actor.is_empty() {
        String::new()
    } else {
        format!(" by {actor}")
    };
    Line {
        micros: time.as_nanosecond(),
        time: time.to_string(),
        what: format!("{whose:8} {moved:32} {event}{by} {detail}")
            .trim_end()
            .to_owned(),
    }
}

fn moved(from: &str, to: &str) -> String {
    match from {
        "UNSPECIFIED" => to.to_owned(),
        from if from == to => format!("still {to}"),
        from => format!("{from} -> {to}"),
    }
}

fn name(full: &str, prefix: &str) -> String {
    full.strip_prefix(prefix).unwrap_or(full).to_owned()
}
