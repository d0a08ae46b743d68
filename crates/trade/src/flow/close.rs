//! Asks pay-gateway that nobody can pay an attempt any more.

use std::time::Duration;

use domain::{Attempt, OutTradeNo};
use proto::gateway::v1::{ClosePaymentRequest, Payment};
use proto::time::from_proto;

use crate::attempt::StoredAttempt;
use crate::error::TradeError;
use crate::order::StoredOrder;
use crate::{Inner, convert};

/// Why, for pay-gateway's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Its order is being revoked.
    Revoke,
    /// The payer wants to pay in another way.
    Replaced,
    /// Another payment paid its order.
    AnotherPaid,
    /// pay-gateway never heard of it.
    NeverBegun,
}

impl Why {
    fn name(self) -> &'static str {
        match self {
            Self::Revoke => "REVOKE",
            Self::Replaced => "REPLACED",
            Self::AnotherPaid => "ANOTHER_PAID",
            Self::NeverBegun => "NEVER_BEGUN",
        }
    }
}

/// The payment as pay-gateway then has it: over, or CLOSING and pay-gateway's to close.
pub(crate) async fn close(
    trade: &Inner,
    (order, attempt): (&StoredOrder, &StoredAttempt),
    why: Why,
) -> Result<Payment, TradeError> {
    let request = ClosePaymentRequest {
        order_no: order.no.to_string(),
        attempt: attempt.attempt.get().into(),
        shop_id: order.shop_id,
        pay_type: convert::pay_type(attempt.pay_type).into(),
        amount_fen: order.amount.get(),
        reason: why.name().to_owned(),
    };
    let answer = trade.peers.payments.clone().close_payment(request).await?;
    Ok(answer.into_inner().payment.unwrap_or_default())
}

/// An attempt that is on record, as it must be for every payment trade asked for.
pub(crate) async fn attempt_of(
    trade: &Inner,
    order: &StoredOrder,
    payment: Attempt,
) -> Result<StoredAttempt, TradeError> {
    let found = StoredAttempt::get(&trade.db, order.no, payment).await?;
    found.ok_or(TradeError::PaymentUnknown(OutTradeNo {
        order: order.no,
        attempt: payment,
        environment: trade.environment,
    }))
}

/// How long it is until `margin` after the channel's earliest close; none when that is over,
/// or not known.
pub(crate) fn wait(trade: &Inner, payment: &Payment, margin: Duration) -> Option<Duration> {
    let earliest = from_proto(payment.earliest_close_time.as_ref()?)?;
    let until = earliest.checked_add(margin).ok()?;
    let left = trade.db.clock().now().duration_until(until);
    Duration::try_from(left).ok().filter(|left| !left.is_zero())
}
