//! `refund_review`: a refund that waits for a person, REQUESTED or FAILED, raises an alarm
//! each day until somebody has decided.

use std::time::Duration;

use async_trait::async_trait;
use domain::{ObligationKind, RefundFailure, RefundNo, RefundState};
use store::obligation::Claimed;
use tracing::error;
use work::{Job, Verdict};

use crate::error::TradeError;
use crate::refund::StoredRefund;
use crate::{Inner, Trade};

const DAY: Duration = Duration::from_hours(24);

/// The job of [`ObligationKind::RefundReview`].
pub(crate) struct RefundReview(pub(crate) Trade);

#[async_trait]
impl Job for RefundReview {
    fn kind(&self) -> i16 {
        ObligationKind::RefundReview.code()
    }

    fn name(&self) -> &'static str {
        "refund_review"
    }

    async fn run(&self, owed: &Claimed) -> Verdict {
        match review(&self.0.0, owed).await {
            Ok(verdict) => verdict,
            Err(error) => Verdict::retry(error),
        }
    }
}

async fn review(trade: &Inner, owed: &Claimed) -> Result<Verdict, TradeError> {
    let Ok(no) = RefundNo::try_from(owed.subject) else {
        return Ok(Verdict::give_up("its key is no refund"));
    };
    let Some(refund) = StoredRefund::get(&trade.db, no).await? else {
        return Ok(Verdict::give_up("there is no such refund"));
    };
    let day = trade.config.compressed(DAY);
    let first = refund.changed_at + day;
    match refund.state {
        // Whoever is to approve it has a day.
        RefundState::Requested if trade.db.clock().now() < first => {
            return Ok(Verdict::SnoozeUntil(first));
        }
        RefundState::Requested | RefundState::Failed => {}
        RefundState::Processing | RefundState::Rejected | RefundState::Succeeded => {
            return Ok(Verdict::Moot);
        }
    }
    let number = refund.number(trade.environment);
    let failure = refund.failure.map_or("", RefundFailure::name);
    error!(refund = %number, order = %refund.order, amount = %refund.amount, state = %refund.state, failure, alarm = "REFUND_REVIEW", "a refund waits for a person");
    Ok(Verdict::Snooze(day))
}
