//! `GetOrder` and `WatchOrder`: nobody who has seen a version is shown an older one.

use std::time::Duration;

use domain::OrderNo;
use proto::trade::v1::get_order_request::Number;
use proto::trade::v1::{GetOrderRequest, MerchantOrder};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use work::Violations;

use crate::content::{merchant_no, order_no};
use crate::error::TradeError;
use crate::order::StoredOrder;
use crate::{Inner, Trade, flow};

// How long a read waits for a version the caller has seen elsewhere.
const VISIBLE: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(25);
// How often a watched order is looked at when nothing rings here.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The order, at the caller's version or a later one.
pub(crate) async fn get(
    trade: &Inner,
    request: GetOrderRequest,
) -> Result<StoredOrder, TradeError> {
    let until = Instant::now() + VISIBLE;
    loop {
        let order = read(trade, request.number.as_ref()).await?;
        if order.version >= request.min_version {
            return Ok(order);
        }
        if timeout_at(until, sleep(LOOK)).await.is_err() {
            return Err(TradeError::VersionNotVisible(order.no, request.min_version));
        }
    }
}

async fn read(trade: &Inner, number: Option<&Number>) -> Result<StoredOrder, TradeError> {
    match number {
        Some(Number::OrderNo(number)) => flow::load(&trade.db, order_no(number)?).await,
        Some(Number::MerchantOrder(theirs)) => by_merchant_no(trade, theirs).await,
        None => Err(Violations::of("number", "set order_no or merchant_order").into()),
    }
}

async fn by_merchant_no(trade: &Inner, theirs: &MerchantOrder) -> Result<StoredOrder, TradeError> {
    let MerchantOrder {
        merchant_id,
        merchant_order_no: number,
    } = theirs;
    let mut wrong = Violations::default();
    let id = "merchant_order.merchant_id";
    wrong.unless(*merchant_id > 0, id, "must be 1 or above");
    merchant_no(&mut wrong, "merchant_order.merchant_order_no", number);
    wrong.into_result()?;
    let found = StoredOrder::by_merchant_no(&trade.db, *merchant_id, number).await?;
    found.ok_or_else(|| TradeError::MerchantOrderNotAccepted(number.clone()))
}

/// Sends the order, then each newer version of it, until nobody listens; says so when the
/// process stops.
pub(crate) async fn watch(
    trade: Trade,
    no: OrderNo,
    seen: i64,
    listener: mpsc::Sender<Result<StoredOrder, TradeError>>,
) {
    let mut bell = trade.0.watched.bell(no);
    let mut seen = seen;
    loop {
        bell.mark_unchanged();
        match flow::load(&trade.0.db, no).await {
            Ok(order) if order.version > seen => {
                seen = order.version;
                if listener.send(Ok(order)).await.is_err() {
                    return;
                }
            }
            Ok(_) => {}
            Err(error) => {
                drop(listener.send(Err(error)).await);
                return;
            }
        }
        tokio::select! {
            () = listener.closed() => return,
            () = trade.0.stop.cancelled() => {
                // An end without an error would say that there is nothing more to see.
                drop(listener.send(Err(TradeError::Stopping)).await);
                return;
            }
            _ = timeout(LOOK_AGAIN, bell.changed()) => {}
        }
    }
}
