//! What trade does, a use case a file; and what they share: deciding again when another
//! write came first.

pub(crate) mod bind;
pub(crate) mod confirm;
pub(crate) mod create;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod pay;
pub(crate) mod timeline;

use domain::OrderNo;
use store::Db;

use crate::error::TradeError;
use crate::order::StoredOrder;

// How often a decision is taken again when others change the same order.
pub(crate) const DECISIONS: usize = 8;

/// The order, or the error for a number nobody accepted.
pub(crate) async fn load(db: &Db, no: OrderNo) -> Result<StoredOrder, TradeError> {
    StoredOrder::get(db, no)
        .await?
        .ok_or(TradeError::OrderNotAccepted(no))
}
