//! Between pay-gateway's values and its protos.

use domain::PaymentState;
use proto::gateway::v1 as wire;
use proto::shop::v1::PayType as WirePayType;
use proto::time::to_proto;
use store::{Row, StoreError};

use crate::payment::StoredPayment;

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
