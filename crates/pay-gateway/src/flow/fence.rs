//! `ClosePayment` of a payment nobody knows: it goes on record as CLOSED, so that a `Prepay`
//! that comes late finds it closed.

use domain::{Fen, Opening, OutTradeNo, PayType};

use crate::Inner;
use crate::error::GatewayError;
use crate::flow::prepay::new_payment;
use crate::payment::{Actor, Asked, Line, StoredPayment};

/// What the payment would have been for.
pub(crate) struct Unknown {
    pub(crate) shop_id: i64,
    pub(crate) pay_type: PayType,
    pub(crate) amount: Fen,
}

/// The payment on record: closed by this call, or as it stands.
pub(crate) async fn fence(
    gateway: &Inner,
    number: OutTradeNo,
    unknown: Unknown,
) -> Result<StoredPayment, GatewayError> {
    let asked = Asked {
        shop_id: unknown.shop_id,
        pay_type: unknown.pay_type,
        amount: unknown.amount,
        description: String::new(),
        payer_id: String::new(),
        client_ip: String::new(),
        expires_at: gateway.db.clock().now(),
    };
    let payment = new_payment(gateway, number, &asked, Opening::Close);
    let payment = StoredPayment {
        reason: "FENCED".to_owned(),
        ..payment
    };
    let line = Line {
        event: "FENCE",
        actor: Actor::Rpc,
        detail: String::new(),
    };
    if gateway
        .db
        .wins(payment.create(&line, None, gateway.config.poll_compression))
        .await?
    {
        return Ok(payment);
    }
    let stored = StoredPayment::get(&gateway.db, number).await?;
    stored.ok_or(GatewayError::Contended(number))
}
