//! `ListOrders`: a shop's orders by key range, the newest first. A number tells its time, so
//! a range of time is a range of keys.

use std::time::Duration;

use domain::{OrderNo, OrderStatus};
use proto::time::from_proto;
use proto::trade::v1::{ListOrdersRequest, OrderStatus as WireStatus};
use work::{Page, PageSizes, Violations};

use crate::Inner;
use crate::error::TradeError;
use crate::order::{Listed, StoredOrder};

// What a time may lack of the next whole millisecond.
const REST: Duration = Duration::from_nanos(999_999);

const SIZES: PageSizes = PageSizes {
    default: 50,
    most: 500,
};

/// A page, and the token of the next one; empty if there is none.
pub(crate) async fn list(
    trade: &Inner,
    request: ListOrdersRequest,
) -> Result<(Vec<StoredOrder>, String), TradeError> {
    let (page, wanted) = read(&request)?;
    let orders = StoredOrder::list(&trade.db, &wanted).await?;
    Ok(page.cut(orders, |order| order.no.get()))
}

fn read(request: &ListOrdersRequest) -> Result<(Page, Listed), Violations> {
    let mut wrong = Violations::default();
    wrong.unless(request.shop_id > 0, "shop_id", "must be 1 or above");
    let status = wrong.take("status", status(request.status));
    let from = key(&mut wrong, "from_time", request.from_time.as_ref(), 0);
    let before = key(&mut wrong, "to_time", request.to_time.as_ref(), i64::MAX);
    let ListOrdersRequest {
        page_size,
        page_token,
        ..
    } = request;
    let query = format!(
        "orders:{}:{}:{from}:{before}",
        request.shop_id, request.status
    );
    let page = Page::read(&mut wrong, (*page_size, page_token), query, SIZES);
    let (Some(page), Some(status), true) = (page, status, wrong.is_empty()) else {
        return Err(wrong);
    };
    let listed = Listed {
        shop_id: request.shop_id,
        status,
        from,
        before: before.min(page.after().unwrap_or(i64::MAX)),
        most: page.limit(),
    };
    Ok((page, listed))
}

// The status that is asked for, if any.
fn status(number: i32) -> Result<Option<OrderStatus>, String> {
    if number == i32::from(WireStatus::Unspecified) {
        return Ok(None);
    }
    let code = i16::try_from(number).ok();
    let status = code.and_then(|code| OrderStatus::from_code(code).ok());
    let unknown = || "must be one of OrderStatus, or unset".to_owned();
    status.map(Some).ok_or_else(unknown)
}

// The smallest number an order of that instant or a later one can have: orders are of whole
// milliseconds.
fn key(
    wrong: &mut Violations,
    field: &'static str,
    time: Option<&prost_types::Timestamp>,
    unset: i64,
) -> i64 {
    let Some(time) = time else { return unset };
    let time = from_proto(time).and_then(|time| time.checked_add(REST).ok());
    let key = time.and_then(|time| OrderNo::compose(time, 0, 0).ok());
    wrong.unless(
        key.is_some(),
        field,
        "must be a time between the years 2000 and 2099",
    );
    key.map_or(unset, OrderNo::get)
}
