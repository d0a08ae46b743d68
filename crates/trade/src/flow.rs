//! What trade does, a use case a file; and what they share: deciding again when another
//! write came first.

pub(crate) mod bind;
pub(crate) mod cancel;
pub(crate) mod close;
pub(crate) mod confirm;
pub(crate) mod create;
pub(crate) mod fulfil;
pub(crate) mod get;
pub(crate) mod get_refund;
pub(crate) mod list;
pub(crate) mod pay;
pub(crate) mod refunded;
pub(crate) mod refunds;
pub(crate) mod reject;
pub(crate) mod request_refund;
pub(crate) mod review_refund;
pub(crate) mod timeline;

use domain::{Consequence, OrderNo};
use store::Db;
use tracing::error;

use crate::error::TradeError;
use crate::order::StoredOrder;

// How often a decision is taken again when others change the same order.
pub(crate) const DECISIONS: usize = 8;

/// Tells a person, where that is owed; what it is about is on record by then.
pub(crate) fn alarms<'a>(order: OrderNo, owed: impl IntoIterator<Item = &'a Consequence>) {
    for consequence in owed {
        if let Consequence::Alarm(alarm) = consequence {
            error!(%order, alarm = alarm.name(), "alarm");
            metrics::counter!("trade_alarms_total", "alarm" => alarm.name()).increment(1);
        }
    }
}

/// The order, or the error for a number nobody accepted.
pub(crate) async fn load(db: &Db, no: OrderNo) -> Result<StoredOrder, TradeError> {
    StoredOrder::get(db, no)
        .await?
        .ok_or(TradeError::OrderNotAccepted(no))
}
