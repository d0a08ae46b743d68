//! `refund_review`: a refund that waits for a person, REQUESTED or FAILED, raises an alarm
//! each day until somebody has decided. Of one that FAILED pay-gateway is asked first: the
//! channel may have paid it back after all.

use std::time::Duration;

use async_trait::async_trait;
use domain::{ObligationKind, RefundFailure, RefundNo, RefundState};
use proto::gateway::v1::QueryRefundRequest;
use store::obligation::Claimed;
use tracing::{error, warn};
use work::{Job, Verdict};

use crate::error::TradeError;
use crate::flow::refunded::{Told, refunded};
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
        // The channel took the money back itself: there is nothing to decide.
        RefundState::Failed if refund.failure == Some(RefundFailure::Reversed) => {
            return Ok(Verdict::Moot);
        }
        RefundState::Failed if went_back(trade, &refund).await? => return Ok(Verdict::Done),
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

// No answer is no: a person is told all the same.
async fn went_back(trade: &Inner, refund: &StoredRefund) -> Result<bool, TradeError> {
    if refund.payment.is_none() {
        return Ok(false);
    }
    let request = QueryRefundRequest {
        refund_no: refund.number(trade.environment).to_string(),
    };
    let answer = match trade.peers.payments.clone().query_refund(request).await {
        Ok(answer) => answer.into_inner().refund.unwrap_or_default(),
        Err(status) => {
            warn!(refund = %refund.no, %status, "pay-gateway does not say what became of a refund");
            return Ok(false);
        }
    };
    let Some(told) = Told::of(&answer, "review").filter(Told::is_success) else {
        return Ok(false);
    };
    let (refund, _) = refunded(trade, refund.no, &told).await?;
    Ok(refund.state == RefundState::Succeeded)
}
