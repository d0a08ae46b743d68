//! Between trade's values and its protos.

use domain::{Attempt, Binding, Environment, Fulfilment, OrderKind, OrderStatus, PayType};
use prost::Message;
use proto::shop::v1 as shop;
use proto::time::to_proto;
use proto::trade::v1 as wire;
use store::{Row, StoreError};

use crate::order::StoredOrder;

pub(crate) fn order(order: &StoredOrder, environment: Environment) -> wire::Order {
    // What was stored at create is decoded by the version that wrote it or a later one.
    let details = wire::Order::decode(order.details.as_slice()).unwrap_or_default();
    let attempt = order.state.payment();
    wire::Order {
        order_no: order.no.to_string(),
        shop_id: order.shop_id,
        merchant_id: order.merchant_id,
        merchant_order_no: order.merchant_order_no.clone(),
        amount_fen: order.amount.get(),
        kind: kind(order.kind).into(),
        description: order.description.clone(),
        status: status(order.state.status()).into(),
        binding: binding(order.binding).into(),
        fulfilment: fulfilment(order.fulfilment).into(),
        out_trade_no: attempt
            .map(|attempt| order.out_trade_no(attempt, environment).to_string())
            .unwrap_or_default(),
        pay_type: order
            .pay_type
            .map_or(shop::PayType::Unspecified, pay_type)
            .into(),
        paid_time: order.paid_at.map(to_proto),
        create_time: Some(to_proto(order.created_at)),
        bind_limit_time: Some(to_proto(order.bind_limit_at)),
        pay_limit_time: Some(to_proto(order.pay_limit_at)),
        version: order.version,
        line_items: details.line_items,
        external_payment: order
            .external
            .as_ref()
            .map(|external| wire::ExternalPayment {
                platform: external.platform.clone(),
                number: external.number.clone(),
                paid_time: order.paid_at.map(to_proto),
                amount_fen: order.amount.get(),
            }),
    }
}

pub(crate) fn line(row: &Row) -> Result<wire::TimelineEntry, StoreError> {
    Ok(wire::TimelineEntry {
        version: row.int("version")?,
        time: Some(to_proto(row.time("at")?)),
        from_status: status_in(row, "from_status")?.into(),
        to_status: status_in(row, "to_status")?.into(),
        event: row.text("event")?,
        actor: row.text("actor")?,
        detail: row.text("detail")?,
        trace_id: row.text("trace_id")?,
    })
}

pub(crate) fn remedy(
    order: &StoredOrder,
    row: &Row,
    environment: Environment,
) -> Result<wire::Remedy, StoreError> {
    let attempt = Attempt::try_from(row.int("attempt")?).map_err(|e| row.corrupt("attempt", e))?;
    Ok(wire::Remedy {
        out_trade_no: order.out_trade_no(attempt, environment).to_string(),
        finder: row.text("finder")?,
        evidence: row.text("evidence")?,
        before_status: status_in(row, "before_status")?.into(),
        after_status: status_in(row, "after_status")?.into(),
        time: Some(to_proto(row.time("at")?)),
    })
}

// 0 where there was none.
fn status_in(row: &Row, column: &'static str) -> Result<wire::OrderStatus, StoreError> {
    match row.small::<i16>(column)? {
        0 => Ok(wire::OrderStatus::Unspecified),
        code => OrderStatus::from_code(code)
            .map(status)
            .map_err(|e| row.corrupt(column, e)),
    }
}

pub(crate) fn settlement(
    order: &StoredOrder,
    row: &Row,
    environment: Environment,
) -> Result<wire::Settlement, StoreError> {
    let attempt = Attempt::try_from(row.int("attempt")?).map_err(|e| row.corrupt("attempt", e))?;
    Ok(wire::Settlement {
        out_trade_no: order.out_trade_no(attempt, environment).to_string(),
        gross_fen: row.int("gross")?,
        fee_fen: row.int("fee")?,
        net_fen: row.int("net")?,
        rate_ppm: row.small("rate_ppm")?,
        scheme_version: row.int("scheme_version")?,
        paid_time: Some(to_proto(row.time("paid_at")?)),
        settle_time: Some(to_proto(row.time("settled_at")?)),
    })
}

pub(crate) fn status(status: OrderStatus) -> wire::OrderStatus {
    match status {
        OrderStatus::Unpaid => wire::OrderStatus::Unpaid,
        OrderStatus::Paying => wire::OrderStatus::Paying,
        OrderStatus::PayFailed => wire::OrderStatus::PayFailed,
        OrderStatus::Revoking => wire::OrderStatus::Revoking,
        OrderStatus::RevokeFailed => wire::OrderStatus::RevokeFailed,
        OrderStatus::Revoked => wire::OrderStatus::Revoked,
        OrderStatus::Paid => wire::OrderStatus::Paid,
        OrderStatus::Refunding => wire::OrderStatus::Refunding,
        OrderStatus::Refunded => wire::OrderStatus::Refunded,
        OrderStatus::RefundFailed => wire::OrderStatus::RefundFailed,
    }
}

fn kind(kind: OrderKind) -> wire::OrderKind {
    match kind {
        OrderKind::Store => wire::OrderKind::Store,
        OrderKind::Official => wire::OrderKind::Official,
        OrderKind::ThirdParty => wire::OrderKind::ThirdParty,
    }
}

fn binding(binding: Binding) -> wire::Binding {
    match binding {
        Binding::Unbound => wire::Binding::Unbound,
        Binding::Bound => wire::Binding::Bound,
        Binding::BindExpired => wire::Binding::BindExpired,
    }
}

fn fulfilment(fulfilment: Fulfilment) -> wire::Fulfilment {
    match fulfilment {
        Fulfilment::PendingAccept => wire::Fulfilment::PendingAccept,
        Fulfilment::Accepted => wire::Fulfilment::Accepted,
        Fulfilment::NotPrepared => wire::Fulfilment::NotPrepared,
        Fulfilment::Prepared => wire::Fulfilment::Prepared,
        Fulfilment::AwaitingPickup => wire::Fulfilment::AwaitingPickup,
        Fulfilment::PickedUp => wire::Fulfilment::PickedUp,
        Fulfilment::Delivered => wire::Fulfilment::Delivered,
    }
}

/// The pay type on the wire; unspecified for one that is not served.
pub(crate) fn pay_type(pay_type: PayType) -> shop::PayType {
    shop::PayType::try_from(i32::from(pay_type.code())).unwrap_or(shop::PayType::Unspecified)
}

/// The pay type a caller names, if it is served.
pub(crate) fn known_pay_type(number: i32) -> Option<PayType> {
    let served = shop::PayType::try_from(number).ok()? != shop::PayType::Unspecified;
    let code = i16::try_from(number).ok().filter(|_| served)?;
    PayType::from_code(code).ok()
}
