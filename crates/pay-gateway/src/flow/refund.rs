//! Refund: the intent commits before the channel is asked, and with it the amount is taken
//! out of what may still go back; a repeat is answered with what is stored.

use std::sync::Arc;

use domain::{PaymentState, RefundCommand, RefundFailure, RefundState, RefundTally, Step};
use proto::gateway::v1::RefundRequest;
use store::{CommitError, Refusal, StoreError};
use tracing::info;

use crate::error::GatewayError;
use crate::flow::send_refund::{self, Next, send};
use crate::payment::{Actor, Line, StoredPayment};
use crate::refund::{StoredRefund, UNANSWERED, Wanted};
use crate::{Inner, request};

// Each time one of those that compete for a payment's money is done, the others decide again.
const DECISIONS: usize = 128;

/// Sends the money back, or answers with the refund that is stored.
pub(crate) async fn refund(
    gateway: &Arc<Inner>,
    request: &RefundRequest,
) -> Result<StoredRefund, GatewayError> {
    let wanted = request::refund(request, gateway.environment)?;
    for _ in 0..DECISIONS {
        let outcome = match StoredRefund::get(&gateway.db, wanted.no).await? {
            Some(stored) => repeat(gateway, stored, &wanted).await,
            None => begin(gateway, &wanted).await,
        };
        match outcome {
            Err(error) if error.is_conflict() => tokio::task::yield_now().await,
            outcome => return outcome,
        }
    }
    Err(GatewayError::RefundContended(wanted.no))
}

async fn begin(gateway: &Arc<Inner>, wanted: &Wanted) -> Result<StoredRefund, GatewayError> {
    let payment = StoredPayment::get(&gateway.db, wanted.payment).await?;
    let payment = payment.ok_or(GatewayError::PaymentNotFound(wanted.payment))?;
    // After the payment: a refund that came in between has its next version, and this one
    // conflicts.
    let refunds = StoredRefund::of_payment(&gateway.db, wanted.payment).await?;
    if let Some(stored) = refunds.iter().find(|refund| refund.no == wanted.no) {
        return repeat(gateway, stored.clone(), wanted).await;
    }
    let begins = match payment.state {
        PaymentState::Succeeded => (RefundState::Processing, None),
        PaymentState::Reversed => (RefundState::Failed, Some(RefundFailure::Reversed)),
        _ => return Err(GatewayError::PaymentNotPaid(wanted.payment)),
    };
    fits(&payment, &refunds, wanted)?;
    let refund = StoredRefund::new(wanted, &payment, begins, gateway.db.clock().now());
    let made = make(gateway, &payment, refund).await;
    match made {
        Err(error) if is_rejected(&error) => taken(gateway, wanted, error).await,
        made => made,
    }
}

// What failed stays counted: the channel may have paid it all the same.
fn fits(
    payment: &StoredPayment,
    refunds: &[StoredRefund],
    wanted: &Wanted,
) -> Result<(), GatewayError> {
    let each = refunds.iter().map(|refund| (refund.state, refund.amount));
    let tally = RefundTally::of(payment.amount(), each);
    let left = tally.map(RefundTally::refundable).unwrap_or_default();
    if wanted.amount > left {
        return Err(GatewayError::RefundTooMuch {
            refund: wanted.no,
            left,
        });
    }
    Ok(())
}

async fn make(
    gateway: &Arc<Inner>,
    payment: &StoredPayment,
    refund: StoredRefund,
) -> Result<StoredRefund, GatewayError> {
    let line = |event, detail: &str| Line {
        event,
        actor: Actor::Rpc,
        detail: detail.to_owned(),
    };
    let due = send_refund::due(gateway, refund.created_at);
    if refund.state == RefundState::Processing {
        let intent = refund.create(payment, &line("REFUND_SENT", ""), due);
        return send(gateway, (intent, refund), &payment.account, Next::Due).await;
    }
    let refused = line("REFUND_REFUSED", "the payment was reversed");
    let write = refund.create(payment, &refused, due);
    gateway.db.submit(write).await?;
    info!(refund = %refund.no, "refund of a payment that was reversed");
    Ok(refund)
}

async fn repeat(
    gateway: &Arc<Inner>,
    stored: StoredRefund,
    wanted: &Wanted,
) -> Result<StoredRefund, GatewayError> {
    if !stored.is(wanted) {
        return Err(GatewayError::RefundDiffers(wanted.no));
    }
    if wanted.retry <= stored.retry {
        return Ok(stored);
    }
    match stored.state.command(RefundCommand::Retry) {
        Ok(Step::Moved(state, _)) => again(gateway, stored, (state, wanted.retry)).await,
        _ => Ok(stored),
    }
}

// Under the same number: what the channel did of the earlier try, it does not do twice.
async fn again(
    gateway: &Arc<Inner>,
    stored: StoredRefund,
    (state, retry): (RefundState, i32),
) -> Result<StoredRefund, GatewayError> {
    let payment = StoredPayment::get(&gateway.db, stored.payment).await?;
    let payment = payment.ok_or(GatewayError::PaymentNotFound(stored.payment))?;
    match payment.state {
        PaymentState::Succeeded => {}
        PaymentState::Reversed => return refuse_again(gateway, stored, retry).await,
        _ => return Ok(stored),
    }
    let now = gateway.db.clock().now();
    let to = StoredRefund {
        retry,
        reason: UNANSWERED.to_owned(),
        ..stored.moved(state, now)
    };
    let line = Line {
        event: "RETRY",
        actor: Actor::Rpc,
        detail: format!("retry {retry}"),
    };
    let intent = stored.change(&to, &line, (now, send_refund::due(gateway, now)));
    send(gateway, (intent, to), &payment.account, Next::Due).await
}

// Its money is back already: this try has failed before it began, and trade hears so.
async fn refuse_again(
    gateway: &Inner,
    stored: StoredRefund,
    retry: i32,
) -> Result<StoredRefund, GatewayError> {
    let now = gateway.db.clock().now();
    let to = StoredRefund {
        retry,
        failure: Some(RefundFailure::Reversed),
        reason: String::new(),
        ..stored.moved(RefundState::Failed, now)
    };
    let line = Line {
        event: "REFUND_REFUSED",
        actor: Actor::Rpc,
        detail: format!("retry {retry}: the payment was reversed"),
    };
    let write = stored.change(&to, &line, (now, now));
    gateway.db.submit(write).await?;
    info!(refund = %to.no, retry, "refund of a payment that was reversed, tried again");
    Ok(to)
}

fn is_rejected(error: &GatewayError) -> bool {
    let GatewayError::Store(StoreError::Commit(CommitError::Refused { refusal, .. })) = error
    else {
        return false;
    };
    matches!(refusal, Refusal::Rejected(_))
}

// Its number was given to a refund of another payment at the same moment.
async fn taken(
    gateway: &Inner,
    wanted: &Wanted,
    error: GatewayError,
) -> Result<StoredRefund, GatewayError> {
    match StoredRefund::get(&gateway.db, wanted.no).await? {
        Some(stored) if stored.is(wanted) => Ok(stored),
        Some(_) => Err(GatewayError::RefundDiffers(wanted.no)),
        None => Err(error),
    }
}
