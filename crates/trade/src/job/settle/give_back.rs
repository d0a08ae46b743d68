//! What goes back of a charge: a refund takes its share of the fee with it, a reversal all
//! that is left.

use domain::{
    Alarm, Attempt, Consequence, OrderNo, RefundNo, RefundState, SettleError, Settlement,
};
use store::obligation::Claimed;
use tracing::warn;
use work::Verdict;

use super::ledger::{Entry, Settled, record};
use crate::error::TradeError;
use crate::flow::refunds::DECISIONS;
use crate::refund::StoredRefund;
use crate::{Inner, flow};

/// Settles a refund of one of our payments.
pub(super) async fn refund(
    trade: &Inner,
    no: RefundNo,
    owed: &Claimed,
) -> Result<Verdict, TradeError> {
    let Some(refund) = StoredRefund::get(&trade.db, no).await? else {
        return Ok(Verdict::give_up("there is no such refund"));
    };
    let Some(payment) = refund.payment else {
        // A platform's money was never settled.
        return Ok(Verdict::Moot);
    };
    if refund.state != RefundState::Succeeded {
        return Ok(Verdict::give_up("the refund has not succeeded"));
    }
    let source = source(trade, &refund);
    let share = |settled: &Settled| {
        if settled.has(&reversal_of(payment)) {
            // What the reversal gave back was all that was left, this refund included.
            warn!(refund = %refund.no, order = %refund.order, "a refund of a payment whose reversal is settled");
            return Ok(None);
        }
        let share = settled.charge.give_back(settled.returned, refund.amount);
        share.map(Some)
    };
    give_back(trade, (refund.order, payment), (&source, owed), share).await
}

/// Settles the reversal of one of our payments, once its refunds are settled.
pub(super) async fn reversal(
    trade: &Inner,
    (order, payment): (OrderNo, Attempt),
    owed: &Claimed,
) -> Result<Verdict, TradeError> {
    // Read before the ledger, like everything it is compared with.
    let refunds = StoredRefund::of_order(&trade.db, order).await?;
    let ended = |refund: &&StoredRefund| {
        refund.payment == Some(payment) && refund.state == RefundState::Succeeded
    };
    let ended: Vec<String> = refunds
        .iter()
        .filter(ended)
        .map(|refund| source(trade, refund))
        .collect();
    if let Some(settled) = Settled::of(trade, (order, payment)).await?
        && !settled.has(&reversal_of(payment))
        && !ended.iter().all(|source| settled.has(source))
    {
        return Ok(wait(trade, owed));
    }
    // Whoever took the fact in may have died before telling anybody.
    flow::alarms(order, &[Consequence::Alarm(Alarm::Reversed)]);
    let rest = |settled: &Settled| settled.charge.give_back_rest(settled.returned);
    give_back(trade, (order, payment), (&reversal_of(payment), owed), rest).await
}

// Computed against the rows that are there, and recorded under the next number: whoever
// comes second finds it taken and computes again.
async fn give_back(
    trade: &Inner,
    (order, payment): (OrderNo, Attempt),
    (source, owed): (&str, &Claimed),
    share: impl Fn(&Settled) -> Result<Option<Settlement>, SettleError>,
) -> Result<Verdict, TradeError> {
    for _ in 0..DECISIONS {
        let Some(settled) = Settled::of(trade, (order, payment)).await? else {
            return Ok(wait(trade, owed));
        };
        if settled.has(source) {
            return Ok(Verdict::Moot);
        }
        let share = match share(&settled) {
            Ok(Some(share)) => share,
            Ok(None) => return Ok(Verdict::Moot),
            Err(error) => return Ok(Verdict::give_up(error)),
        };
        let entry = Entry {
            order,
            payment,
            source: source.to_owned(),
            seq: settled.next,
            settled: share,
            rate: settled.rate,
            paid_at: settled.paid_at,
            owed: (owed.subject, owed.part),
        };
        if record(trade, entry).await? {
            return Ok(Verdict::Done);
        }
    }
    Ok(Verdict::retry("others settle the same payment"))
}

// Until what comes first is settled: its charge, which waits for a rate, or its refunds.
fn wait(trade: &Inner, owed: &Claimed) -> Verdict {
    Verdict::Snooze(trade.config.backoff(owed.attempts))
}

fn source(trade: &Inner, refund: &StoredRefund) -> String {
    format!("refund:{}", refund.number(trade.environment))
}

fn reversal_of(payment: Attempt) -> String {
    format!("reversal:{payment}")
}
