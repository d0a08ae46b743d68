//! Between trade's values and its protos.

use domain::{
    Attempt, Binding, CanceledBy, Environment, Fen, Fulfilment, OrderKind, OrderStatus, OutTradeNo,
    PayType, RefundOrigin, RefundState, RefundStatus, terminal,
};
use prost::Message;
use proto::shop::v1 as shop;
use proto::time::to_proto;
use proto::trade::v1 as wire;
use store::{Row, StoreError};

use crate::order::StoredOrder;
use crate::refund::StoredRefund;

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
        refund_status: refund_status(order.refund_status).into(),
        refunded_fen: refunded(order).get(),
        cancel_type: order
            .state
            .cancel_type()
            .map_or(wire::CancelType::Unspecified, cancel_type)
            .into(),
        terminal_text: terminal::label(order.state.status(), order.fulfilment)
            .unwrap_or_default()
            .to_owned(),
    }
}

// All of it, even if a reversal brought the rest back.
fn refunded(order: &StoredOrder) -> Fen {
    match order.state.status() {
        OrderStatus::Refunded => order.amount,
        _ => order.refunded,
    }
}

pub(crate) fn refund(refund: &StoredRefund, environment: Environment) -> wire::Refund {
    let payment = refund.payment.map(|attempt| OutTradeNo {
        order: refund.order,
        attempt,
        environment,
    });
    let reason = match refund.refusal.as_str() {
        "" => &refund.reason,
        refusal => refusal,
    };
    wire::Refund {
        refund_no: refund.number(environment).to_string(),
        order_no: refund.order.to_string(),
        merchant_refund_no: refund.merchant_refund_no.clone(),
        out_trade_no: payment.map(|number| number.to_string()).unwrap_or_default(),
        amount_fen: refund.amount.get(),
        state: refund_state(refund.state).into(),
        origin: refund_origin(refund.origin).into(),
        reason: reason.to_owned(),
        failure: refund
            .failure
            .map_or_else(String::new, |failure| failure.name().to_owned()),
        by: cancel_type(refund.by).into(),
        create_time: Some(to_proto(refund.created_at)),
        refunded_time: refund.refunded_at.map(to_proto),
        evidence: refund.evidence.clone(),
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
        source: row.text("source")?,
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

fn cancel_type(by: CanceledBy) -> wire::CancelType {
    match by {
        CanceledBy::System => wire::CancelType::System,
        CanceledBy::Customer => wire::CancelType::Customer,
        CanceledBy::Store => wire::CancelType::Store,
    }
}

fn refund_status(status: RefundStatus) -> wire::RefundStatus {
    match status {
        RefundStatus::None => wire::RefundStatus::None,
        RefundStatus::Requested => wire::RefundStatus::Requested,
        RefundStatus::Processing => wire::RefundStatus::Processing,
        RefundStatus::Failed => wire::RefundStatus::Failed,
        RefundStatus::Succeeded => wire::RefundStatus::Succeeded,
        RefundStatus::Rejected => wire::RefundStatus::Rejected,
    }
}

fn refund_state(state: RefundState) -> wire::RefundState {
    match state {
        RefundState::Requested => wire::RefundState::Requested,
        RefundState::Processing => wire::RefundState::Processing,
        RefundState::Rejected => wire::RefundState::Rejected,
        RefundState::Succeeded => wire::RefundState::Succeeded,
        RefundState::Failed => wire::RefundState::Failed,
    }
}

fn refund_origin(origin: RefundOrigin) -> wire::RefundOrigin {
    match origin {
        RefundOrigin::Asked => wire::RefundOrigin::Asked,
        RefundOrigin::Rejection => wire::RefundOrigin::Rejection,
        RefundOrigin::Late => wire::RefundOrigin::Late,
        RefundOrigin::Surplus => wire::RefundOrigin::Surplus,
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
