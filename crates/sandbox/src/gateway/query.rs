//! `unified.trade.query`: whether a charge was paid.

use super::request::Request;
use super::{Answer, Refused, named};
use crate::ledger::Find;
use crate::wire::Fields;
use crate::{App, SandboxError, receipt};

/// The service's name.
pub(super) const SERVICE: &str = "unified.trade.query";

/// Answers the state of a charge of this merchant.
pub(super) async fn serve(app: &App, request: &Request) -> Result<Answer, SandboxError> {
    let find = match (request.get("transaction_id"), request.get("out_trade_no")) {
        ("", "") => return Ok(Answer::Refused(unnamed())),
        ("", number) => Find::Order(number.to_owned()),
        (number, _) => Find::Transaction(number.to_owned()),
    };
    let found = app.ledger.call(find).await?;
    let own = found.filter(|charge| charge.prepared.mch_id == request.get("mch_id"));
    let Some(charge) = own else {
        return Ok(Answer::Refused(unknown()));
    };
    let Some(payment) = &charge.payment else {
        return Ok(Answer::Accepted(unpaid()));
    };
    let mut fields = receipt::fields(&charge, payment);
    fields.insert("trade_state".to_owned(), "SUCCESS".to_owned());
    Ok(Answer::Accepted(fields))
}

/// The channel's own answer names no number either.
fn unpaid() -> Fields {
    named(&[("trade_state", "NOTPAY")])
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
