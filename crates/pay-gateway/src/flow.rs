//! What pay-gateway does, a use case a file; and what they share.

pub(crate) mod events;
pub(crate) mod examine;
pub(crate) mod fence;
pub(crate) mod prepay;
pub(crate) mod query;
pub(crate) mod receive;

use domain::{Finding, Live, Source, Step};
use jiff::Timestamp;
use store::Write;

use crate::payment::{Line, StoredPayment};

// How often a decision is taken again when others change the same payment.
pub(crate) const DECISIONS: usize = 8;

/// The payment as a finding leaves it, and the write that records it. A finding without a
/// row of the table is a line of the story and no change.
pub(crate) fn find(
    payment: &StoredPayment,
    (finding, source): (Finding, Source),
    line: &Line,
    now: Timestamp,
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
    let write = payment.change(&to, line, (effects, now));
    (to, write)
}
