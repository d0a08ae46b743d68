//! What trade does, a use case a file; and what they share: submitting a write whose fate
//! may be unknown, and deciding again when another write came first.

pub(crate) mod bind;
pub(crate) mod confirm;
pub(crate) mod create;
pub(crate) mod pay;
pub(crate) mod timeline;

use domain::OrderNo;
use store::{CommitError, Db, StoreError, Write};

use crate::error::TradeError;
use crate::order::StoredOrder;

// How often a decision is taken again when others change the same order.
pub(crate) const DECISIONS: usize = 8;
// How often a write whose fate is unknown is submitted again.
const SUBMISSIONS: usize = 3;

/// Submits a write; one whose fate is not known is submitted again, which does it once.
pub(crate) async fn submit(db: &Db, mut write: Write) -> Result<(), TradeError> {
    for _ in 1..SUBMISSIONS {
        match db.submit(write).await {
            Err(CommitError::Unknown(same)) => write = *same,
            outcome => return Ok(outcome?),
        }
    }
    Ok(db.submit(write).await?)
}

/// The order, or the error for a number nobody accepted.
pub(crate) async fn load(db: &Db, no: OrderNo) -> Result<StoredOrder, TradeError> {
    StoredOrder::get(db, no).await?.ok_or(TradeError::OrderNotAccepted(no))
}

/// Whether another write came first, so that the decision is to be taken again.
pub(crate) fn is_conflict(error: &TradeError) -> bool {
    matches!(error, TradeError::Store(StoreError::Commit(CommitError::Conflict { .. })))
}
