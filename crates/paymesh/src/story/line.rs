//! One line of a story, and how what each service tells becomes one.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::{self, TimeZone};
use proto::gateway::v1::{FlaggedCallback, PaymentLogEntry, RefundLogEntry};
use proto::time::from_proto;
use proto::trade::v1::{Remedy, Settlement, TimelineEntry};

/// One thing that happened; displayed as one line, in China time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When it was recorded.
    pub time: Timestamp,
    /// Who recorded it.
    pub service: &'static str,
    /// The version after it of the order, payment or refund; none where nothing of these changed.
    pub version: Option<i64>,
    /// The state before; empty for the first line and where nothing has a state.
    pub from: String,
    /// The state after; empty where nothing has a state.
    pub to: String,
    /// What happened.
    pub event: String,
    /// Who or what caused it.
    pub actor: String,
    /// For people.
    pub detail: String,
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

impl From<RefundLogEntry> for Line {
    fn from(entry: RefundLogEntry) -> Self {
        Self {
            time: time(entry.time.as_ref()),
            service: "pay-gateway",
            version: Some(entry.version),
            from: state(entry.from_state().as_str_name(), "REFUND_STATE_"),
            to: state(entry.to_state().as_str_name(), "REFUND_STATE_"),
            event: entry.event,
            actor: entry.actor,
            detail: [entry.refund_no, entry.detail]
                .join(" ")
                .trim_end()
                .to_owned(),
        }
    }
}

impl From<FlaggedCallback> for Line {
    fn from(callback: FlaggedCallback) -> Self {
        let FlaggedCallback {
            out_trade_no,
            reason,
            mch_id,
            channel_trade_no,
            ..
        } = &callback;
        let amount = callback.amount_fen.map_or_else(
            || "no amount".to_owned(),
            |amount_fen| format!("{amount_fen} fen"),
        );
        Self {
            time: time(callback.time.as_ref()),
            service: "pay-gateway",
            version: None,
            from: String::new(),
            to: String::new(),
            event: "CALLBACK_FLAGGED".to_owned(),
            actor: "callback".to_owned(),
            detail: format!(
                "{out_trade_no} {reason}: merchant {mch_id} told of {amount} under {channel_trade_no:?}"
            ),
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
            source,
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
                "{source} gross {gross_fen} = net {net_fen} + fee {fee_fen} fen at {rate_ppm} ppm"
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
