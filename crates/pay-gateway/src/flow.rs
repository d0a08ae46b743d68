//! What pay-gateway does, a use case a file; and what they share.

mod begin;
pub(crate) mod close;
pub(crate) mod events;
pub(crate) mod examine;
pub(crate) mod pay;
pub(crate) mod prepay;
pub(crate) mod query;
pub(crate) mod query_refund;
pub(crate) mod receive;
pub(crate) mod refund;
pub(crate) mod send_refund;
pub(crate) mod undo;

use domain::{Finding, Live, Source, Step};
use jiff::Timestamp;
use store::Write;

use crate::Inner;
use crate::payment::{Line, StoredPayment};

// How often a decision is taken again when others change the same payment.
pub(crate) const DECISIONS: usize = 8;

/// The payment as a finding leaves it, and the write that records it. A finding without a
/// row of the table is a line of the story and no change.
pub(crate) fn find(
    gateway: &Inner,
    payment: &StoredPayment,
    (finding, source, now): (Finding, Source, Timestamp),
    line: &Line,
    fill: impl FnOnce(&mut StoredPayment),
) -> (StoredPayment, Write) {
    let step = payment.state.fact(finding, source, &payment.context(now));
    let effects = step.owed();
    let mut to = match &step {
        Step::Moved(state, effects) => payment.moved(*state, effects.live, now),
        Step::Already | Step::Unchanged(_) => payment.next(),
    };
    if step.moved_to().is_some() {
        fill(&mut to);
    }
    debug_assert!(
        to.live || effects.is_none_or(|effects| effects.live == Live::Clear) || !payment.live
    );
    let write = payment.step(&to, line, (effects, now), gateway.config.compression);
    (to, write)
}
