//! `ListPaymentEvents`: the story of an order's payments.

use domain::OrderNo;
use proto::gateway::v1::ListPaymentEventsResponse;
use store::row;

use crate::error::GatewayError;
use crate::payment::StoredPayment;
use crate::{Inner, convert, queries};

/// Every line and the payments as they stand; both empty for an order without payments.
pub(crate) async fn list(
    gateway: &Inner,
    order: OrderNo,
) -> Result<ListPaymentEventsResponse, GatewayError> {
    let payments = StoredPayment::of_order(&gateway.db, order, gateway.environment).await?;
    let lines = gateway
        .db
        .fetch_all(&queries::PAYMENT_LOG_OF_ORDER, row![order.get()])
        .await?;
    let entries = lines
        .iter()
        .map(|row| convert::line(row, &payments))
        .collect::<Result<_, _>>()?;
    let payments = payments.iter().map(convert::payment).collect();
    Ok(ListPaymentEventsResponse { entries, payments })
}
