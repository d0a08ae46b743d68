//! `QueryPayment`: a payment as it is known; one whose fate is open is asked about first.

use domain::OutTradeNo;

use crate::Inner;
use crate::error::GatewayError;
use crate::flow::examine::{Examined, examine};
use crate::payment::StoredPayment;

/// The payment after asking.
pub(crate) async fn query(
    gateway: &Inner,
    number: OutTradeNo,
) -> Result<StoredPayment, GatewayError> {
    let found = StoredPayment::get(&gateway.db, number).await?;
    let payment = found.ok_or(GatewayError::PaymentNotFound(number))?;
    if payment.state.is_final() {
        return Ok(payment);
    }
    // Money of another amount is an alarm, and says nothing of this payment.
    match examine(gateway, payment.clone()).await {
        Ok(Examined::Known(known) | Examined::Open(known)) => Ok(*known),
        Ok(Examined::Mismatch(_)) => Ok(payment),
        Err(error) if error.is_conflict() => {
            let stored = StoredPayment::get(&gateway.db, number).await?;
            stored.ok_or(GatewayError::PaymentNotFound(number))
        }
        Err(error) => Err(error),
    }
}
