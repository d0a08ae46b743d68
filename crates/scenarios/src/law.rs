//! Law 6 as queries, made from what the domain says each state owes: whatever is unfinished, and
//! owed by nobody. Each kind is asked for by itself, under the very key its job looks for.

use std::time::Duration;

use domain::obligation::{owed_by_order, owed_by_payment, owed_by_refund, owed_by_refund_attempt};
use domain::{
    Binding, DeclineReason, ObligationKind as Kind, OrderFact, OrderStatus, PaymentState,
    RefundFailure, RefundState,
};
use jiff::Timestamp;
use paymesh::cli::Service;

use crate::TestMesh;

// Where the parts begin of what is owed about a payment besides, and that of a settled refund.
const BESIDES: i32 = 10_000;
const REFUND: i32 = -1;
// The last question about a dead payment comes a day after its end; then CONFIRM is over.
const LAST_CONFIRM: Duration = Duration::from_hours(24);
/// A live payment beside a PAID order, which two databases tell of.
const BESIDE: &str = "a live payment beside a PAID order owes REVOKE";

/// A thing that must be owed, and the query for those it is not owed for.
struct Law {
    name: String,
    sql: String,
}

impl Law {
    // `from`: the table, its rows' key and part, and which of its rows.
    fn of(name: String, (key, part): (&str, &str), (table, which): (&str, String)) -> Self {
        let sql = format!("SELECT {key} AS subject, {part} AS part FROM {table} WHERE {which}");
        Self { name, sql }
    }
}

/// The names of all of them.
pub fn laws() -> Vec<String> {
    let now = (Timestamp::UNIX_EPOCH, 1);
    let laws = of_trade().into_iter().chain(of_pay_gateway(now));
    let names = laws.map(|law| law.name);
    names.chain([BESIDE.to_owned()]).collect()
}

impl TestMesh {
    /// Whatever is unfinished and without an obligation (law 6), each with the law it breaks:
    /// nothing, at any time.
    pub async fn forgotten(&self) -> Vec<Vec<String>> {
        let now = self.process(Service::PayGateway).ground().clock.now();
        let compression = self.config().pay_gateway.compression;
        let mut found = self.broken(Service::Trade, of_trade()).await;
        let laws = of_pay_gateway((now, compression));
        found.extend(self.broken(Service::PayGateway, laws).await);
        found.extend(self.left_beside().await);
        found
    }

    // In one statement, so that all of it is seen at one moment.
    async fn broken(&self, service: Service, laws: Vec<Law>) -> Vec<Vec<String>> {
        let each = laws.iter().enumerate();
        let each = each.map(|(n, law)| format!("SELECT {n} AS law, q.* FROM ({}) q", law.sql));
        let sql = each.collect::<Vec<_>>().join(" UNION ALL ");
        let named = |mut row: Vec<String>| {
            let law = row[0].parse().ok().and_then(|n: usize| laws.get(n));
            row[0].clone_from(&law.expect("a law").name);
            row
        };
        let rows = self.db(service).rows(&sql).await;
        rows.into_iter().map(named).collect()
    }

    // Open before the order was looked at and after it, and so open meanwhile.
    async fn left_beside(&self) -> Vec<Vec<String>> {
        let open = format!(
            "SELECT order_no, attempt FROM payments WHERE state IN ({})",
            codes(PaymentState::ALL, PaymentState::code, is_open)
        );
        let gateway = self.db(Service::PayGateway);
        let before = gateway.rows(&open).await;
        let mut left = Vec::new();
        for payment in before {
            let sql = beside(&payment[0], &payment[1]);
            if self.db(Service::Trade).count(&sql).await > 0 {
                left.push(payment);
            }
        }
        if !left.is_empty() {
            let still = gateway.rows(&open).await;
            left.retain(|payment| still.contains(payment));
        }
        let told = |payment: Vec<String>| [vec![BESIDE.to_owned()], payment].concat();
        left.into_iter().map(told).collect()
    }
}

// === trade ===

fn of_trade() -> Vec<Law> {
    let mut laws = Vec::new();
    for status in OrderStatus::ALL {
        let kinds = Kind::ALL.iter().filter_map(|kind| order(*status, *kind));
        laws.extend(kinds);
    }
    for state in RefundState::ALL {
        for kind in owed_by_refund(*state) {
            let name = format!("a refund that is {state} owes {kind}");
            let law = by_state(name, ("refunds", "refund_no"), (state.code(), *kind));
            laws.push(unless_reversed(law));
        }
    }
    laws.extend([charge(), refund(), reversal(), parked()]);
    laws
}

fn order(status: OrderStatus, kind: Kind) -> Option<Law> {
    let owes = |binding| owed_by_order(status, binding).contains(&kind);
    let bindings = codes(Binding::ALL, Binding::code, owes);
    if bindings.is_empty() {
        return None;
    }
    let part = match kind {
        Kind::PayConfirm => "t.attempt",
        _ => "0",
    };
    let which = format!(
        "t.status = {} AND t.binding IN ({bindings}) AND {}",
        status.code(),
        unowed(kind.code(), "t.order_no", part)
    );
    let name = format!("an order that is {status} owes {kind}");
    Some(Law::of(name, ("t.order_no", part), ("orders t", which)))
}

// Of what failed because its payment was reversed there is nothing to decide.
fn unless_reversed(law: Law) -> Law {
    let reversed = RefundFailure::Reversed.code();
    Law {
        sql: format!("{} AND t.failure <> {reversed}", law.sql),
        ..law
    }
}

// What was counted is settled, or owes that.
fn charge() -> Law {
    let settle = unowed(Kind::Settle.code(), "t.order_no", "t.attempt");
    let which = format!(
        "t.paid_at IS NOT NULL AND {settle} AND NOT EXISTS (SELECT 1 FROM settlements s \
         WHERE s.order_no = t.order_no AND s.attempt = t.attempt AND s.seq = 0)"
    );
    let name = "a counted charge owes SETTLE".to_owned();
    Law::of(name, ("t.order_no", "t.attempt"), ("attempts t", which))
}

// Unless the reversal of its payment gave back all that was left.
fn refund() -> Law {
    let settle = unowed(Kind::Settle.code(), "t.refund_no", &REFUND.to_string());
    let which = format!(
        "t.state = {} AND t.attempt IS NOT NULL AND {settle} AND NOT EXISTS \
         (SELECT 1 FROM settlements s WHERE s.order_no = t.order_no AND s.attempt = t.attempt \
         AND (s.source LIKE 'reversal:%' OR s.source LIKE 'refund:%' \
         AND CAST(SUBSTR(s.source, 9, 18) AS SIGNED) = t.refund_no))",
        RefundState::Succeeded.code()
    );
    let name = "a refund of ours that went back owes SETTLE".to_owned();
    Law::of(name, ("t.refund_no", "t.attempt"), ("refunds t", which))
}

// The order's own payment: a line says so, and a remedy which. Unless nothing was left of it.
fn reversal() -> Law {
    let part = format!("{BESIDES} + t.attempt");
    let fact = OrderFact::Reversed {
        payment: domain::Attempt::FIRST,
    };
    let which = format!(
        "EXISTS (SELECT 1 FROM order_log l WHERE l.order_no = t.order_no \
         AND l.version = t.version AND l.event = '{}') AND {} AND COALESCE \
         ((SELECT SUM(s.gross) FROM settlements s WHERE s.order_no = t.order_no \
         AND s.attempt = t.attempt), 1) <> 0",
        fact.name(),
        unowed(Kind::Settle.code(), "t.order_no", &part)
    );
    let name = "a counted reversal owes SETTLE".to_owned();
    Law::of(name, ("t.order_no", "t.attempt"), ("remedies t", which))
}

fn parked() -> Law {
    let which = unowed(store::parked::KIND, "t.order_key", "0");
    let name = "a parked event owes PARKED".to_owned();
    Law::of(name, ("t.order_key", "0"), ("parked t", which))
}

// One if the order of an open payment is paid by another, and trade does not owe its close.
fn beside(order_no: &str, attempt: &str) -> String {
    let paid = codes(
        OrderStatus::ALL,
        OrderStatus::code,
        OrderStatus::is_paid_or_later,
    );
    let part = format!("{BESIDES} + {attempt}");
    format!(
        "SELECT COUNT(*) FROM orders t WHERE t.order_no = {order_no} AND t.status IN ({paid}) \
         AND (t.attempt IS NULL OR t.attempt <> {attempt}) AND {}",
        unowed(Kind::Revoke.code(), "t.order_no", &part)
    )
}

// === pay-gateway ===

fn of_pay_gateway((now, compression): (Timestamp, u32)) -> Vec<Law> {
    let mut laws = Vec::new();
    for state in PaymentState::ALL {
        for kind in owed_by_payment(*state) {
            laws.push(payment(*state, *kind, now - LAST_CONFIRM / compression));
        }
    }
    for state in RefundState::ALL {
        for kind in owed_by_refund_attempt(*state) {
            let name = format!("a refund at the channel that is {state} owes {kind}");
            laws.push(by_state(
                name,
                ("refunds", "refund_no"),
                (state.code(), *kind),
            ));
        }
    }
    laws.extend([callback(), flagged()]);
    laws
}

fn payment(state: PaymentState, kind: Kind, last_confirm: Timestamp) -> Law {
    // Of what was never sent no channel knows, and after a day CONFIRM has ended.
    let asked = match kind {
        Kind::Confirm => format!(
            "t.account_id <> 0 AND (t.state <> {} OR t.reason = '{}') AND t.changed_at > {}",
            PaymentState::Declined.code(),
            DeclineReason::NotPaid.name(),
            last_confirm.as_microsecond()
        ),
        _ => "1 = 1".to_owned(),
    };
    let which = format!(
        "t.state = {} AND {asked} AND {}",
        state.code(),
        unowed(kind.code(), "t.order_no", "t.attempt")
    );
    let name = format!("a payment that is {state} owes {kind}");
    Law::of(name, ("t.order_no", "t.attempt"), ("payments t", which))
}

// It is taken in, as a line of its payment's story says, or flagged.
fn callback() -> Law {
    let which = format!(
        "{} AND NOT EXISTS (SELECT 1 FROM inbox_flags f WHERE f.inbox_id = t.id) AND NOT EXISTS \
         (SELECT 1 FROM payment_log l WHERE l.actor = 'callback' AND l.detail = t.channel_trade_no)",
        unowed(Kind::Inbox.code(), "t.id", "0")
    );
    let name = "a stored callback owes INBOX".to_owned();
    Law::of(name, ("t.id", "0"), ("inbox t", which))
}

// Until its payment is over, which explains it.
fn flagged() -> Law {
    let which = format!(
        "{} AND NOT EXISTS (SELECT 1 FROM payments p JOIN inbox i ON i.id = t.inbox_id \
         WHERE p.order_no = CAST(SUBSTR(i.out_trade_no, 2, 18) AS SIGNED) \
         AND p.attempt = CAST(SUBSTR(i.out_trade_no, 20, 4) AS SIGNED) AND p.state IN ({}))",
        unowed(Kind::Match.code(), "t.inbox_id", "0"),
        codes(
            PaymentState::ALL,
            PaymentState::code,
            PaymentState::is_final
        )
    );
    let name = "a flagged callback owes MATCH".to_owned();
    Law::of(name, ("t.inbox_id", "0"), ("inbox_flags t", which))
}

// === of both ===

fn is_open(payment: PaymentState) -> bool {
    owed_by_payment(payment).contains(&Kind::Poll)
}

fn by_state(name: String, (table, key): (&str, &str), (state, kind): (i16, Kind)) -> Law {
    let key = format!("t.{key}");
    let owed = unowed(kind.code(), &key, "0");
    let which = format!("t.state = {state} AND {owed}");
    Law::of(name, (&key, "0"), (&format!("{table} t"), which))
}

fn unowed(kind: i16, subject: &str, part: &str) -> String {
    format!(
        "NOT EXISTS (SELECT 1 FROM obligations b WHERE b.kind = {kind} AND b.subject = {subject} \
         AND b.part = {part})"
    )
}

fn codes<T: Copy>(all: &[T], code: impl Fn(T) -> i16, which: impl Fn(T) -> bool) -> String {
    let these = all.iter().filter(|each| which(**each));
    let these = these.map(|each| code(*each).to_string());
    these.collect::<Vec<_>>().join(", ")
}
