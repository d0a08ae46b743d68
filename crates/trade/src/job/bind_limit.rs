//! `bind_limit`: an order that nobody was bound to in time is revoked, unless a payment is live.

use async_trait::async_trait;
use domain::{ObligationKind, OrderCommand, OrderNo};
use jiff::Timestamp;
use store::obligation::Claimed;
use work::{Job, Verdict};

use crate::error::TradeError;
use crate::flow::cancel::revoke;
use crate::order::{Line, StoredOrder};
use crate::{Inner, Trade, flow};

/// The job of [`ObligationKind::BindLimit`].
pub(crate) struct BindLimit(pub(crate) Trade);

#[async_trait]
impl Job for BindLimit {
    fn kind(&self) -> i16 {
        ObligationKind::BindLimit.code()
    }

    fn name(&self) -> &'static str {
        "bind_limit"
    }

    async fn run(&self, owed: &Claimed) -> Verdict {
        let limit = |order: &StoredOrder| order.bind_limit_at;
        let line = Line {
            event: OrderCommand::BindLimit.name(),
            actor: self.name().into(),
            detail: String::new(),
        };
        match pass(&self.0.0, owed, (OrderCommand::BindLimit, limit), &line).await {
            Ok(verdict) => verdict,
            Err(error) => Verdict::retry(error),
        }
    }
}

/// A limit has passed, or is waited for. What was paid, bound or revoked meanwhile owes it no
/// more.
pub(super) async fn pass(
    trade: &Inner,
    owed: &Claimed,
    (command, limit): (OrderCommand, fn(&StoredOrder) -> Timestamp),
    line: &Line,
) -> Result<Verdict, TradeError> {
    let Ok(no) = OrderNo::try_from(owed.subject) else {
        return Ok(Verdict::give_up("its key is no order"));
    };
    let limit = limit(&flow::load(&trade.db, no).await?);
    if trade.db.clock().now() < limit {
        return Ok(Verdict::SnoozeUntil(limit));
    }
    match revoke(trade, no, command, line).await {
        // The write that changed it ended what was owed.
        Ok((_, true)) => Ok(Verdict::Done),
        Ok((_, false)) | Err(TradeError::Illegal(_)) => Ok(Verdict::Moot),
        Err(error) => Err(error),
    }
}
