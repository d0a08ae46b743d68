//! `QueryPayment`: a payment as it is known; one whose fate is open is asked about first, and
//! one that is over if the caller wants it.

use domain::OutTradeNo;

use crate::Inner;
use crate::error::GatewayError;
use crate::flow::examine::{Examined, examine};
use crate::payment::{Account, StoredPayment};

/// The payment after asking.
pub(crate) async fn query(
    gateway: &Inner,
    number: OutTradeNo,
    refresh: bool,
) -> Result<StoredPayment, GatewayError> {
    let found = StoredPayment::get(&gateway.db, number).await?;
    let payment = found.ok_or(GatewayError::PaymentNotFound(number))?;
    let over = payment.state.is_final() && !refresh;
    // Of what never had an account no channel knows.
    if over || payment.account == Account::default() {
        return Ok(payment);
    }
    // What cannot be this payment's money is an alarm, and says nothing of it.
    match examine(gateway, payment.clone()).await {
        Ok(Examined::Known(known) | Examined::Open(known, _)) => Ok(*known),
        Ok(Examined::Mismatch(_)) => Ok(payment),
        Err(error) if error.is_conflict() => {
            let stored = StoredPayment::get(&gateway.db, number).await?;
            stored.ok_or(GatewayError::PaymentNotFound(number))
        }
        Err(error) => Err(error),
    }
}
