//! `refund_drive`: a PROCESSING refund is sent to pay-gateway, and asked for again until it
//! has ended. The feed tells too; this is the second net. A platform's money is not ours to
//! send: somebody is reminded of it.

use std::time::Duration;

use async_trait::async_trait;
use domain::{Attempt, ObligationKind, RefundNo, RefundState};
use proto::gateway::v1::RefundRequest;
use store::obligation::Claimed;
use tonic::Code;
use tracing::warn;
use work::{Job, Verdict};

use crate::error::TradeError;
use crate::flow::refunded::{Told, refunded};
use crate::refund::StoredRefund;
use crate::{Inner, Trade};

// Longer than pay-gateway may take.
const TIMEOUT: Duration = Duration::from_secs(15);
const DAY: Duration = Duration::from_hours(24);

/// The job of [`ObligationKind::RefundDrive`].
pub(crate) struct RefundDrive(pub(crate) Trade);

#[async_trait]
impl Job for RefundDrive {
    fn kind(&self) -> i16 {
        ObligationKind::RefundDrive.code()
    }

    fn name(&self) -> &'static str {
        "refund_drive"
    }

    fn timeout(&self) -> Duration {
        TIMEOUT
    }

    async fn run(&self, owed: &Claimed) -> Verdict {
        match drive(&self.0.0, owed).await {
            Ok(verdict) => verdict,
            Err(TradeError::Peer(status)) if is_refused(status.code()) => {
                Verdict::give_up(status.message())
            }
            Err(error) => Verdict::retry(error),
        }
    }
}

async fn drive(trade: &Inner, owed: &Claimed) -> Result<Verdict, TradeError> {
    let Ok(no) = RefundNo::try_from(owed.subject) else {
        return Ok(Verdict::give_up("its key is no refund"));
    };
    let Some(refund) = StoredRefund::get(&trade.db, no).await? else {
        return Ok(Verdict::give_up("there is no such refund"));
    };
    if refund.state != RefundState::Processing {
        return Ok(Verdict::Moot);
    }
    let Some(payment) = refund.payment else {
        return Ok(remind(trade, &refund));
    };
    let answer = send(trade, &refund, payment).await?;
    let state = match Told::of(&answer, "reply") {
        Some(told) => refunded(trade, no, &told).await?.0.state,
        None => RefundState::Processing,
    };
    // What is told may be of an earlier try.
    if state == RefundState::Processing {
        return Ok(Verdict::Snooze(trade.config.backoff(owed.attempts)));
    }
    Ok(Verdict::Done)
}

// Idempotent by number and retry: what pay-gateway knows already it answers as it stands.
async fn send(
    trade: &Inner,
    refund: &StoredRefund,
    payment: Attempt,
) -> Result<proto::gateway::v1::Refund, TradeError> {
    let request = RefundRequest {
        refund_no: refund.number(trade.environment).to_string(),
        order_no: refund.order.to_string(),
        attempt: payment.get().into(),
        amount_fen: refund.amount.get(),
        retry: refund.retry,
    };
    let answer = trade.peers.payments.clone().refund(request).await?;
    Ok(answer.into_inner().refund.unwrap_or_default())
}

fn remind(trade: &Inner, refund: &StoredRefund) -> Verdict {
    let day = trade.config.compressed(DAY);
    let (now, first) = (trade.db.clock().now(), refund.changed_at + day);
    if now < first {
        return Verdict::SnoozeUntil(first);
    }
    warn!(refund = %refund.no, order = %refund.order, amount = %refund.amount, "a platform has not confirmed a refund: call ConfirmRefund when it has");
    Verdict::Snooze(day)
}

// pay-gateway will say the same again until somebody has looked.
fn is_refused(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidArgument | Code::NotFound | Code::AlreadyExists | Code::FailedPrecondition
    )
}
