//! `pay_limit` (closeTrade): an order that was not paid in time is revoked, as soon as its
//! payment is known to be dead.

use async_trait::async_trait;
use domain::{ObligationKind, OrderCommand};
use store::obligation::Claimed;
use work::{Job, Verdict};

use super::bind_limit::pass;
use crate::Trade;
use crate::order::{Line, StoredOrder};

/// The job of [`ObligationKind::PayLimit`].
pub(crate) struct PayLimit(pub(crate) Trade);

#[async_trait]
impl Job for PayLimit {
    fn kind(&self) -> i16 {
        ObligationKind::PayLimit.code()
    }

    fn name(&self) -> &'static str {
        "pay_limit"
    }

    async fn run(&self, owed: &Claimed) -> Verdict {
        let limit = |order: &StoredOrder| order.pay_limit_at;
        let line = Line {
            event: OrderCommand::PayLimit.name(),
            actor: self.name().into(),
            detail: String::new(),
        };
        match pass(&self.0.0, owed, (OrderCommand::PayLimit, limit), &line).await {
            Ok(verdict) => verdict,
            Err(error) => Verdict::retry(error),
        }
    }
}
