//! `ListPaymentEvents`: the story of an order's payments and of their refunds, and the callbacks
//! that named them and were not believed.

use domain::{OrderNo, OutTradeNo};
use proto::gateway::v1::{FlaggedCallback, ListPaymentEventsResponse};
use store::{Row, StoreError, row};

use crate::error::GatewayError;
use crate::payment::StoredPayment;
use crate::refund::StoredRefund;
use crate::{Inner, convert, queries};

// Whoever holds another merchant's key may send any number of them.
const MOST_FLAGS: i64 = 100;

/// By which number an order's payments are asked for.
pub(crate) enum Whose {
    /// The order's own.
    Order(OrderNo),
    /// What the channel knows one of its payments by.
    Payment(OutTradeNo),
    /// The channel's own number of one of them.
    Channel(String),
}

/// The whole story of the order's payments.
pub(crate) async fn list(
    gateway: &Inner,
    whose: Whose,
) -> Result<ListPaymentEventsResponse, GatewayError> {
    match whose {
        Whose::Order(order) => of_order(gateway, order).await,
        Whose::Payment(number) => {
            let told = of_order(gateway, number.order).await?;
            let known = knows(&told, &number.to_string());
            known
                .then_some(told)
                .ok_or(GatewayError::PaymentNotFound(number))
        }
        Whose::Channel(number) => of_order(gateway, paid_as(gateway, number).await?).await,
    }
}

// Every line, and payments and refunds as they stand; all empty for an order without payments.
async fn of_order(
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
        flagged_callbacks: flagged(gateway, order).await?,
        order_no: order.to_string(),
    })
}

// Whatever begins with the order's number: an attempt that never was, another environment's.
async fn flagged(gateway: &Inner, order: OrderNo) -> Result<Vec<FlaggedCallback>, GatewayError> {
    let first = order.to_string();
    // The character after 9.
    let beyond = format!("{order}:");
    let range = row![first, beyond, MOST_FLAGS];
    let rows = gateway
        .db
        .fetch_all(&queries::INBOX_FLAGS_OF_ORDER, range)
        .await?;
    let mut flagged = all(&rows, convert::flagged)?;
    flagged.sort_by_key(|callback| callback.time.map(|time| (time.seconds, time.nanos)));
    Ok(flagged)
}

fn knows(told: &ListPaymentEventsResponse, number: &str) -> bool {
    let payments = told.payments.iter().map(|payment| &payment.out_trade_no);
    let named = told.flagged_callbacks.iter();
    let named = named.map(|callback| &callback.out_trade_no);
    payments.chain(named).any(|known| known == number)
}

// The order one of whose payments has this number at the channel.
async fn paid_as(gateway: &Inner, number: String) -> Result<OrderNo, GatewayError> {
    let row = gateway
        .db
        .fetch_optional(&queries::PAYMENTS_OF_CHANNEL, row![number.clone()])
        .await?;
    let order = |column| {
        let found = row.as_ref().map(|row| order_of(row, column));
        found.transpose().map(Option::flatten)
    };
    match (order("first")?, order("last")?) {
        (Some(first), Some(last)) if first == last => Ok(first),
        (Some(first), Some(second)) => Err(GatewayError::ChannelNumberShared {
            number,
            first,
            second,
        }),
        _ => Err(GatewayError::ChannelNumberUnknown(number)),
    }
}

fn order_of(row: &Row, column: &'static str) -> Result<Option<OrderNo>, StoreError> {
    let order = row.opt_int(column)?.map(OrderNo::try_from);
    order.transpose().map_err(|e| row.corrupt(column, e))
}

fn all<T>(
    rows: &[Row],
    read: impl Fn(&Row) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    rows.iter().map(read).collect()
}
