//! The ledger's charges, read aloud, and taken back by the channel.

use proto::sandbox::v1::{
    Charge as ChargeMessage, ListChargesRequest, ListChargesResponse, ReverseChargeRequest,
    ReverseChargeResponse,
};
use proto::time::to_proto;
use tonic::Status;

use super::fault::{failed, invalid, not_found, not_paid};
use super::{codes, page_size};
use crate::App;
use crate::charge::Charge;
use crate::ledger::{Find, List, Reverse};
use crate::state::TradeState;

/// One page.
pub(super) async fn list(
    app: &App,
    request: ListChargesRequest,
) -> Result<ListChargesResponse, Status> {
    let size = page_size(request.page_size)?;
    // One more than asked tells whether there is a next page.
    let list = List {
        after: request.page_token,
        limit: size + 1,
    };
    let mut charges = app.ledger.call(list).await.map_err(failed)?;
    let more = charges.len() > size as usize;
    charges.truncate(size as usize);
    let end = charges.last().filter(|_| more);
    let next_page_token = end
        .map(|charge| charge.prepared.out_trade_no.clone())
        .unwrap_or_default();
    Ok(ListChargesResponse {
        charges: charges.into_iter().map(message).collect(),
        next_page_token,
    })
}

/// Takes the money of a paid charge back.
pub(super) async fn reverse(
    app: &App,
    request: ReverseChargeRequest,
) -> Result<ReverseChargeResponse, Status> {
    let number = request.out_trade_no;
    if number.is_empty() {
        return Err(invalid("out_trade_no", "name the charge to take back"));
    }
    let take_back = Reverse::ByChannel(number.clone());
    app.ledger.call(take_back).await.map_err(failed)?;
    let find = Find::Order(number);
    let charge = app.ledger.call(find).await.map_err(failed)?;
    let charge = charge.ok_or_else(not_found)?;
    let reversed = charge.payment.is_some() && charge.state() == TradeState::Reverse;
    if !reversed {
        return Err(not_paid());
    }
    Ok(ReverseChargeResponse {
        charge: Some(message(charge)),
    })
}

/// What callers are told of a charge.
pub(super) fn message(charge: Charge) -> ChargeMessage {
    let (state, payment) = (codes::state(charge.state()), charge.payment.as_ref());
    ChargeMessage {
        state: state.into(),
        paid_time: payment.map(|payment| to_proto(payment.paid_at)),
        was_paid: payment.is_some(),
        trade_type: charge.prepared.trade_type().to_owned(),
        out_trade_no: charge.prepared.out_trade_no,
        mch_id: charge.prepared.mch_id,
        transaction_id: charge
            .payment
            .map(|payment| payment.transaction_id)
            .unwrap_or_default(),
        amount_fen: charge.prepared.amount,
        notify_attempts: charge.notice_attempts,
        notify_acknowledged: charge.notice_acknowledged,
        body: charge.prepared.body,
        refunded_fen: charge.refunded,
    }
}
