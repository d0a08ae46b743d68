//! The two ways a refund is written: opened and moved. Either way it is one write with the
//! order, whose version decides between refunds that are written at once.

use std::fmt::Display;
use std::str::FromStr;

use domain::{OrderCommand, OrderFact, OrderStep, RefundNo, RefundOrigin, Step};
use jiff::Timestamp;
use tracing::info;
use work::Violations;

use crate::error::TradeError;
use crate::order::{Line, StoredOrder};
use crate::refund::{self, Opening, StoredRefund};
use crate::{Inner, flow};

/// How often a decision about refunds is taken again: each time one of those who ask at once
/// is served, so that a hundred of them all get an answer.
pub(crate) const DECISIONS: usize = 128;

const REASON: usize = 100;

/// What a refund becomes, and the line that tells of it.
pub(crate) struct Move {
    pub(crate) to: StoredRefund,
    pub(crate) line: Line,
}

/// Opens a refund of the order's money: its amount is reserved from then on. Conflict: the
/// order or its refunds are not as they were read.
pub(crate) async fn opened(
    trade: &Inner,
    order: &StoredOrder,
    mut refunds: Vec<StoredRefund>,
    (opening, event): (Opening, &'static str),
) -> Result<(StoredRefund, StoredOrder), TradeError> {
    let step = order.state.command(OrderCommand::RequestRefund)?;
    let left = refund::tally(order, &refunds)?.refundable();
    if opening.amount > left || !opening.amount.is_positive() {
        return Err(TradeError::RefundTooMuch(order.no, left));
    }
    let opened = refund::open(trade, order, opening)?;
    refunds.push(opened.clone());
    let mut to = order.next();
    to.state = step.moved_to().unwrap_or(order.state);
    refund::show(&mut to, &refunds)?;
    let line = Line {
        event,
        actor: "rpc".into(),
        detail: told_of(trade, &opened, &opened.reason),
    };
    let write = order.change("refund/open", &to, &line, opened.created_at);
    trade.db.submit(opened.insert_into(write)).await?;
    trade.watched.ring(order.no);
    info!(order = %order.no, refund = %opened.no, amount = %opened.amount, "refund opened");
    Ok((opened, to))
}

/// Moves a refund as `decide` says; answers it and its order as they then are. `None`: there
/// is nothing to change.
pub(crate) async fn moved(
    trade: &Inner,
    no: RefundNo,
    decide: impl Fn(&StoredRefund, Timestamp) -> Result<Option<Move>, TradeError>,
) -> Result<(StoredRefund, StoredOrder), TradeError> {
    let unknown = || TradeError::RefundNotFound(no.in_environment(trade.environment).to_string());
    let found = StoredRefund::get(&trade.db, no).await?;
    let number = found.ok_or_else(unknown)?.order;
    for _ in 0..DECISIONS {
        let order = flow::load(&trade.db, number).await?;
        // After the order: whatever came between makes the write a conflict.
        let refunds = StoredRefund::of_order(&trade.db, number).await?;
        let from = refunds.iter().find(|refund| refund.no == no);
        let from = from.cloned().ok_or_else(unknown)?;
        let Some(step) = decide(&from, trade.db.clock().now())? else {
            // As new as the refund.
            return Ok((from, flow::load(&trade.db, number).await?));
        };
        match write(trade, &order, refunds, (&from, step)).await {
            Err(error) if error.is_conflict() => tokio::task::yield_now().await,
            outcome => return outcome,
        }
    }
    Err(TradeError::Contended(number))
}

/// A reason as a caller gives it: for people, and it may be empty.
pub(crate) fn check_reason(wrong: &mut Violations, reason: &str) {
    let right = reason.chars().count() <= REASON && !reason.contains(char::is_control);
    wrong.unless(
        right,
        "reason",
        "must be at most 100 characters without control characters",
    );
}

/// A number as a caller sends it, or what it must be.
pub(crate) fn read<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|e: T::Err| e.to_string())
}

/// The detail of a line about a refund.
pub(crate) fn told_of(trade: &Inner, refund: &StoredRefund, what: &str) -> String {
    let (number, amount) = (refund.number(trade.environment), refund.amount);
    format!("{number} {amount} {what}").trim_end().to_owned()
}

async fn write(
    trade: &Inner,
    order: &StoredOrder,
    refunds: Vec<StoredRefund>,
    (from, Move { to: refund, line }): (&StoredRefund, Move),
) -> Result<(StoredRefund, StoredOrder), TradeError> {
    let others = refunds.into_iter().filter(|other| other.no != refund.no);
    let refunds: Vec<StoredRefund> = others.chain([refund.clone()]).collect();
    let step = step_of(order, &refund, &refunds)?;
    let mut to = order.next();
    to.state = step.moved_to().unwrap_or(order.state);
    refund::show(&mut to, &refunds)?;
    let write = order.change("refund/move", &to, &line, refund.changed_at);
    trade.db.submit(from.moved_in(write, &refund)).await?;
    trade.watched.ring(order.no);
    info!(order = %order.no, refund = %refund.no, from = %from.state, to = %refund.state, event = line.event, "refund");
    flow::alarms(order.no, step.owed().into_iter().flatten());
    Ok((refund, to))
}

// What the refund's move does to its order: nothing, if it is surplus money.
fn step_of(
    order: &StoredOrder,
    refund: &StoredRefund,
    refunds: &[StoredRefund],
) -> Result<OrderStep, TradeError> {
    if refund.origin == RefundOrigin::Surplus {
        return Ok(Step::Unchanged(Vec::new()));
    }
    if refund.state.is_open() {
        return Ok(order.state.command(OrderCommand::RequestRefund)?);
    }
    let tally = refund::tally(order, refunds)?;
    let fact = OrderFact::RefundsChanged {
        tally,
        by: refund.by,
    };
    Ok(order.state.fact(fact, &order.late_money))
}
