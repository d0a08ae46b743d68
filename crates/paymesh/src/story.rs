//! An order's story: what trade and pay-gateway each recorded, merged by time.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::{self, TimeZone};
use mesh::Client;
use proto::gateway::v1::payment_service_client::PaymentServiceClient;
use proto::gateway::v1::{ListPaymentEventsRequest, PaymentLogEntry};
use proto::time::from_proto;
use proto::trade::v1::trade_service_client::TradeServiceClient;
use proto::trade::v1::{GetTimelineRequest, Remedy, Settlement, TimelineEntry};
use tonic::Status;

// "W" and 18 digits.
const ORDER_NO: usize = 19;

/// One thing that happened; displayed as one line, in China time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When it was recorded.
    pub time: Timestamp,
    /// Who recorded it.
    pub service: &'static str,
    /// The order's or payment's version after it; none for a settlement.
    pub version: Option<i64>,
    /// The state before; empty for the first line and for a settlement.
    pub from: String,
    /// The state after; empty for a settlement.
    pub to: String,
    /// What happened.
    pub event: String,
    /// Who or what caused it.
    pub actor: String,
    /// For people.
    pub detail: String,
}

/// The story of an order, oldest line first; `NOT_FOUND` for a number nobody accepted.
/// `number` may be the order's, or that of one of its payments.
pub async fn story(trade: &Client, gateway: &Client, number: &str) -> Result<Vec<Line>, Status> {
    let order_no = order_no_of(number).to_owned();
    let request = GetTimelineRequest {
        order_no: order_no.clone(),
    };
    let told = TradeServiceClient::new(trade.clone())
        .get_timeline(request)
        .await?
        .into_inner();
    let request = ListPaymentEventsRequest { order_no };
    let mut payments = PaymentServiceClient::new(gateway.clone());
    let paid = payments.list_payment_events(request).await?.into_inner();
    let trade = told.entries.into_iter().map(Line::from);
    let settled = told.settlements.iter().map(Line::from);
    let remedied = told.remedies.iter().map(Line::from);
    let gateway = paid.entries.into_iter().map(Line::from);
    Ok(merged(
        trade
            .chain(remedied)
            .chain(gateway)
            .chain(settled)
            .collect(),
    ))
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

impl From<TimelineEntry> for Line {
    fn from(entry: TimelineEntry) -> Self {
        Self {
            time: time(entry.time.as_ref()),
            service: "trade",
            version: Some(entry.version),
            from: state(entry.from_status().as_str_name(), "ORDER_STATUS_"),
            to: state(entry.to_status().as_str_name(), "ORDER_STATUS_"),
            event: entry.event,
            actor: entry.actor,
            detail: entry.detail,
        }
    }
}

impl From<PaymentLogEntry> for Line {
    fn from(entry: PaymentLogEntry) -> Self {
        Self {
            time: time(entry.time.as_ref()),
            service: "pay-gateway",
            version: Some(entry.version),
            from: state(entry.from_state().as_str_name(), "PAYMENT_STATE_"),
            to: state(entry.to_state().as_str_name(), "PAYMENT_STATE_"),
            event: entry.event,
            actor: entry.actor,
            detail: [entry.out_trade_no, entry.detail]
                .join(" ")
                .trim_end()
                .to_owned(),
        }
    }
}

impl From<&Settlement> for Line {
    fn from(settlement: &Settlement) -> Self {
        let Settlement {
            gross_fen,
            fee_fen,
            net_fen,
            rate_ppm,
            ..
        } = settlement;
        Self {
            time: time(settlement.settle_time.as_ref()),
            service: "trade",
            version: None,
            from: String::new(),
            to: String::new(),
            event: "SETTLED".to_owned(),
            actor: "settle".to_owned(),
            detail: format!(
                "gross {gross_fen} = net {net_fen} + fee {fee_fen} fen at {rate_ppm} ppm"
            ),
        }
    }
}

impl From<&Remedy> for Line {
    fn from(remedy: &Remedy) -> Self {
        Self {
            time: time(remedy.time.as_ref()),
            service: "trade",
            version: None,
            from: state(remedy.before_status().as_str_name(), "ORDER_STATUS_"),
            to: state(remedy.after_status().as_str_name(), "ORDER_STATUS_"),
            event: "REMEDY".to_owned(),
            actor: remedy.finder.to_lowercase(),
            detail: remedy.evidence.clone(),
        }
    }
}

fn time(time: Option<&prost_types::Timestamp>) -> Timestamp {
    time.and_then(from_proto).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn state(name: &str, prefix: &str) -> String {
    match name.strip_prefix(prefix) {
        Some("UNSPECIFIED") => String::new(),
        Some(state) => state.to_owned(),
        None => name.to_owned(),
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zone = TimeZone::fixed(tz::offset(8));
        let time = self.time.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S%.6f");
        let version = self
            .version
            .map(|version| format!("v{version}"))
            .unwrap_or_default();
        let Self {
            service,
            from,
            to,
            event,
            actor,
            detail,
            ..
        } = self;
        let change = match (from.as_str(), to.as_str()) {
            ("", "") => String::new(),
            ("", to) => format!("→ {to}"),
            (from, to) if from == to => to.to_owned(),
            (from, to) => format!("{from} → {to}"),
        };
        let line = format!(
            "{time} {service:<11} {version:<4} {change:<20} {event:<17} {actor:<9} {detail}"
        );
        f.write_str(line.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use proto::gateway::v1::PaymentState;
    use proto::time::to_proto;
    use proto::trade::v1::OrderStatus;

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
