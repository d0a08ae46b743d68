//! What pay-gateway does, a use case a file; and what they share.

pub(crate) mod events;
pub(crate) mod prepay;
pub(crate) mod receive;

use domain::{Finding, Live, Source, Step};
use jiff::Timestamp;
use store::{CommitError, Db, Write};

use crate::error::GatewayError;
use crate::payment::{Line, StoredPayment};

// How often a decision is taken again when others change the same payment.
pub(crate) const DECISIONS: usize = 8;
// How often a write whose fate is unknown is submitted again.
const SUBMISSIONS: usize = 3;

/// Submits a write; one whose fate is not known is submitted again, which does it once.
pub(crate) async fn submit(db: &Db, mut write: Write) -> Result<(), GatewayError> {
    for _ in 1..SUBMISSIONS {
        match db.submit(write).await {
            Err(CommitError::Unknown(same)) => write = *same,
            outcome => return Ok(outcome?),
        }
    }
    Ok(db.submit(write).await?)
}

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
    debug_assert!(to.live || effects.is_none_or(|effects| effects.live == Live::Clear) || !payment.live);
    let write = payment.change(&to, line, (effects, now));
    (to, write)
}
