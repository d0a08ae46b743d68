//! `ListOrders`: a shop's orders by key range, the newest first. A number tells its time, so
//! a range of time is a range of keys.

use domain::{OrderNo, OrderStatus};
use jiff::Timestamp;
use proto::time::from_proto;
use proto::trade::v1::{ListOrdersRequest, OrderStatus as WireStatus};
use ring::digest::{SHA256, digest};
use work::Violations;

use crate::Inner;
use crate::error::TradeError;
use crate::order::{Listed, StoredOrder};

const DEFAULT: i32 = 50;
const MOST: i32 = 500;

/// A page, and the token of the next one; empty if there is none.
pub(crate) async fn list(
    trade: &Inner,
    request: ListOrdersRequest,
) -> Result<(Vec<StoredOrder>, String), TradeError> {
    let filter = fingerprint(&request);
    let wanted = read(&request, &filter)?;
    // One more than asked for tells whether there is a next page.
    let looked = Listed {
        most: wanted.most + 1,
        ..wanted.clone()
    };
    let mut orders = StoredOrder::list(&trade.db, &looked).await?;
    let more = orders.len() > usize::try_from(wanted.most).unwrap_or(usize::MAX);
    if more {
        orders.pop();
    }
    let last = orders.last().filter(|_| more);
    let token = last
        .map(|order| format!("{filter}{:x}", order.no.get()))
        .unwrap_or_default();
    Ok((orders, token))
}

fn read(request: &ListOrdersRequest, filter: &str) -> Result<Listed, Violations> {
    let mut wrong = Violations::default();
    wrong.unless(request.shop_id > 0, "shop_id", "must be 1 or above");
    wrong.unless(
        request.page_size >= 0,
        "page_size",
        "must be 0 for the default, or 1 to 500",
    );
    let status = match WireStatus::try_from(request.status) {
        Ok(WireStatus::Unspecified) => Some(None),
        Ok(status) => i16::try_from(i32::from(status))
            .ok()
            .map(|code| OrderStatus::from_code(code).ok()),
        Err(_) => None,
    };
    wrong.unless(
        status.is_some(),
        "status",
        "must be one of OrderStatus, or unset",
    );
    let from = key(&mut wrong, "from_time", request.from_time.as_ref(), 0);
    let before = key(&mut wrong, "to_time", request.to_time.as_ref(), i64::MAX);
    let after = after(&request.page_token, filter);
    let again = "must be the next_page_token of the page before, with the other fields as then";
    wrong.unless(after.is_some(), "page_token", again);
    let size = if request.page_size == 0 {
        DEFAULT
    } else {
        request.page_size.min(MOST)
    };
    let listed = Listed {
        shop_id: request.shop_id,
        status: status.flatten(),
        from,
        before: before.min(after.unwrap_or(i64::MAX)),
        most: size,
    };
    wrong.into_result().map(|()| listed)
}

// The smallest number an order of that instant can have.
fn key(
    wrong: &mut Violations,
    field: &'static str,
    time: Option<&prost_types::Timestamp>,
    unset: i64,
) -> i64 {
    let Some(time) = time else { return unset };
    let key = from_proto(time).and_then(|time: Timestamp| OrderNo::compose(time, 0, 0).ok());
    wrong.unless(
        key.is_some(),
        field,
        "must be a time between the years 2000 and 2099",
    );
    key.map_or(unset, OrderNo::get)
}

// The number behind which the page begins; none for a token of other arguments.
fn after(token: &str, filter: &str) -> Option<i64> {
    if token.is_empty() {
        return Some(i64::MAX);
    }
    i64::from_str_radix(token.strip_prefix(filter)?, 16).ok()
}

// What the token must come back with; page_size may differ.
fn fingerprint(request: &ListOrdersRequest) -> String {
    let time = |time: Option<prost_types::Timestamp>| time.map(|time| (time.seconds, time.nanos));
    let (from, to) = (time(request.from_time), time(request.to_time));
    let text = format!("{}:{}:{from:?}:{to:?}", request.shop_id, request.status);
    let digest = digest(&SHA256, text.as_bytes());
    hex::encode(digest.as_ref().get(..6).unwrap_or_default())
}
