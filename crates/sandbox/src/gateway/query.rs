//! `unified.trade.query`: whether a charge was paid.

use std::sync::Arc;

use super::request::Request;
use super::{APP_ID, Answer, Refused, named};
use crate::charge::Charge;
use crate::ledger::Find;
use crate::mischief::{self, TradeState};
use crate::wallet::Wallet;
use crate::wire::Fields;
use crate::{App, SandboxError, receipt};

/// The service's name.
pub(super) const SERVICE: &str = "unified.trade.query";

/// Answers the state of a charge of this merchant.
pub(super) async fn serve(app: &Arc<App>, request: &Request) -> Result<Answer, SandboxError> {
    let Some(find) = named_in(request) else {
        return Ok(Answer::Refused(unnamed()));
    };
    let found = app.ledger.call(find).await?;
    let own = found.filter(|charge| charge.prepared.mch_id == request.get("mch_id"));
    let Some(charge) = own else {
        return Ok(Answer::Refused(unknown()));
    };
    let state = mischief::told(app, &charge, truth(&charge)).await?;
    Ok(Answer::Accepted(fields(&charge, state)))
}

/// The charge a request names; the channel's number wins over the merchant's.
pub(super) fn named_in(request: &Request) -> Option<Find> {
    match (request.get("transaction_id"), request.get("out_trade_no")) {
        ("", "") => None,
        ("", number) => Some(Find::Order(number.to_owned())),
        (number, _) => Some(Find::Transaction(number.to_owned())),
    }
}

/// An unpaid charge is NOTPAY for ever: that its time limit closes it is said nowhere.
fn truth(charge: &Charge) -> TradeState {
    if charge.payment.is_some() {
        TradeState::Success
    } else {
        TradeState::NotPay
    }
}

/// The channel's own answer about what is not paid names no number either.
fn fields(charge: &Charge, state: TradeState) -> Fields {
    let mut fields = match &charge.payment {
        Some(payment) if state == TradeState::Success => receipt::fields(charge, payment),
        _ => Fields::new(),
    };
    if charge.prepared.wallet == Wallet::WeChat {
        fields.extend(named(&[("appid", APP_ID)]));
    }
    fields.extend(named(&[("trade_state", state.name())]));
    fields
}

fn unnamed() -> Refused {
    Refused::invalid("out_trade_no or transaction_id is missing".to_owned())
}

/// The number may be on its way: this says nothing about the payment.
fn unknown() -> Refused {
    Refused {
        err_code: "ORDERNOTEXIST",
        err_msg: "订单不存在".to_owned(),
        need_query: true,
    }
}
