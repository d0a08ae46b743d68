//! Between pay-gateway's values and its protos.

use std::time::Duration;

use domain::{Environment, Fen, PaymentState, RefundFailure, RefundNo, RefundState};
use proto::gateway::v1 as wire;
use proto::shop::v1::PayType as WirePayType;
use proto::time::to_proto;
use store::{Row, StoreError};

use crate::payment::StoredPayment;
use crate::refund::StoredRefund;

pub(crate) fn payment(payment: &StoredPayment) -> wire::Payment {
    let pay_type = i32::from(payment.asked.pay_type.code());
    // What lets its holder pay is told only while it can still be paid.
    let payable = payment.live && payment.state == PaymentState::Pending;
    wire::Payment {
        order_no: payment.number.order.to_string(),
        attempt: i32::from(payment.number.attempt.get()),
        out_trade_no: payment.number.to_string(),
        state: state(payment.state).into(),
        reason: payment.reason.clone(),
        amount_fen: payment.asked.amount.get(),
        pay_type: WirePayType::try_from(pay_type)
            .unwrap_or(WirePayType::Unspecified)
            .into(),
        account_id: payment.account.id,
        pay_info: payment
            .pay_info
            .clone()
            .filter(|_| payable)
            .unwrap_or_default(),
        channel_trade_no: payment.channel_trade_no.clone().unwrap_or_default(),
        paid_time: payment.paid_at.map(to_proto),
        version: payment.version,
        earliest_close_time: None,
        paid_fen: payment.paid_amount.map_or(0, Fen::get),
        pay_id: payment.pay_id.map_or(0, |pay_id| pay_id.code().into()),
    }
}

/// The same for who may want to close it: with the earliest moment, while it is open.
pub(crate) fn open_payment(stored: &StoredPayment, close_after: Duration) -> wire::Payment {
    let closable_from = Some(stored.closable_from(close_after));
    let open = closable_from.filter(|_| !stored.state.is_final());
    wire::Payment {
        earliest_close_time: open.map(to_proto),
        ..payment(stored)
    }
}

pub(crate) fn line(
    row: &Row,
    numbers: &[StoredPayment],
) -> Result<wire::PaymentLogEntry, StoreError> {
    let attempt: u16 = row.small("attempt")?;
    let number = numbers
        .iter()
        .find(|payment| payment.number.attempt.get() == attempt);
    let read = |column| match row.small::<i16>(column)? {
        0 => Ok(wire::PaymentState::Unspecified),
        code => PaymentState::from_code(code)
            .map(state)
            .map_err(|e| row.corrupt(column, e)),
    };
    Ok(wire::PaymentLogEntry {
        out_trade_no: number
            .map(|payment| payment.number.to_string())
            .unwrap_or_default(),
        version: row.int("version")?,
        time: Some(to_proto(row.time("at")?)),
        from_state: read("from_state")?.into(),
        to_state: read("to_state")?.into(),
        event: row.text("event")?,
        actor: row.text("actor")?,
        detail: row.text("detail")?,
    })
}

fn state(state: PaymentState) -> wire::PaymentState {
    match state {
        PaymentState::Sent => wire::PaymentState::Sent,
        PaymentState::Pending => wire::PaymentState::Pending,
        PaymentState::Unknown => wire::PaymentState::Unknown,
        PaymentState::Closing => wire::PaymentState::Closing,
        PaymentState::Succeeded => wire::PaymentState::Succeeded,
        PaymentState::Declined => wire::PaymentState::Declined,
        PaymentState::Closed => wire::PaymentState::Closed,
        PaymentState::Reversed => wire::PaymentState::Reversed,
    }
}

pub(crate) fn refund(refund: &StoredRefund) -> wire::Refund {
    wire::Refund {
        refund_no: refund.no.to_string(),
        order_no: refund.payment.order.to_string(),
        attempt: i32::from(refund.payment.attempt.get()),
        out_trade_no: refund.payment.to_string(),
        amount_fen: refund.amount.get(),
        state: refund_state(refund.state).into(),
        failure: refund
            .failure
            .map_or(0, |failure| refund_failure(failure).into()),
        reason: refund.reason.clone(),
        channel_refund_no: refund.channel_refund_no.clone().unwrap_or_default(),
        refunded_time: refund.refunded_at.map(to_proto),
        retry: refund.retry,
        version: refund.version,
    }
}

pub(crate) fn refund_line(
    row: &Row,
    environment: Environment,
) -> Result<wire::RefundLogEntry, StoreError> {
    let no = RefundNo::try_from(row.int("refund_no")?);
    let no = no.map_err(|e| row.corrupt("refund_no", e))?;
    let read = |column| match row.small::<i16>(column)? {
        0 => Ok(wire::RefundState::Unspecified),
        code => RefundState::from_code(code)
            .map(refund_state)
            .map_err(|e| row.corrupt(column, e)),
    };
    Ok(wire::RefundLogEntry {
        refund_no: no.in_environment(environment).to_string(),
        version: row.int("version")?,
        time: Some(to_proto(row.time("at")?)),
        from_state: read("from_state")?.into(),
        to_state: read("to_state")?.into(),
        event: row.text("event")?,
        actor: row.text("actor")?,
        detail: row.text("detail")?,
    })
}

pub(crate) fn flagged(row: &Row) -> Result<wire::FlaggedCallback, StoreError> {
    Ok(wire::FlaggedCallback {
        out_trade_no: row.text("out_trade_no")?,
        time: Some(to_proto(row.time("flagged_at")?)),
        reason: row.text("reason")?,
        amount_fen: row.opt_int("amount")?,
        channel_trade_no: row.text("channel_trade_no")?,
        mch_id: row.text("mch_id")?,
    })
}

fn refund_state(state: RefundState) -> wire::RefundState {
    match state {
        // Known to trade alone: what it has not sent, or refused.
        RefundState::Requested | RefundState::Rejected => wire::RefundState::Unspecified,
        RefundState::Processing => wire::RefundState::Processing,
        RefundState::Succeeded => wire::RefundState::Succeeded,
        RefundState::Failed => wire::RefundState::Failed,
    }
}

fn refund_failure(failure: RefundFailure) -> wire::RefundFailure {
    match failure {
        RefundFailure::Channel => wire::RefundFailure::Channel,
        RefundFailure::Change => wire::RefundFailure::Change,
        RefundFailure::Reversed => wire::RefundFailure::Reversed,
    }
}
