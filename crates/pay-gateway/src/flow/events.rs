//! `ListPaymentEvents`: the story of an order's payments and of their refunds.

use domain::OrderNo;
use proto::gateway::v1::ListPaymentEventsResponse;
use store::{Row, StoreError, row};

use crate::error::GatewayError;
use crate::payment::StoredPayment;
use crate::refund::StoredRefund;
use crate::{Inner, convert, queries};

/// Every line, and payments and refunds as they stand; all empty for an order without payments.
pub(crate) async fn list(
    gateway: &Inner,
    order: OrderNo,
) -> Result<ListPaymentEventsResponse, GatewayError> {
    let (db, environment) = (&gateway.db, gateway.environment);
    let payments = StoredPayment::of_order(db, order, environment).await?;
    let lines = db
        .fetch_all(&queries::PAYMENT_LOG_OF_ORDER, row![order.get()])
        .await?;
    let refunds = StoredRefund::of_order(db, order, environment).await?;
    let refund_lines = db
        .fetch_all(&queries::REFUND_LOG_OF_ORDER, row![order.get()])
        .await?;
    Ok(ListPaymentEventsResponse {
        entries: all(&lines, |row| convert::line(row, &payments))?,
        payments: payments.iter().map(convert::payment).collect(),
        refund_entries: all(&refund_lines, |row| convert::refund_line(row, environment))?,
        refunds: refunds.iter().map(convert::refund).collect(),
    })
}

fn all<T>(
    rows: &[Row],
    read: impl Fn(&Row) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    rows.iter().map(read).collect()
}
