//! The charge of a merchant that a request names.

use super::request::Request;
use super::{Fault, Refused};
use crate::App;
use crate::charge::Charge;
use crate::ledger::Find;

/// The charge, if it is this merchant's.
pub(super) async fn charge(app: &App, request: &Request) -> Result<Charge, Fault> {
    let find = named_in(request).ok_or_else(unnamed)?;
    find_own(app, request, find).await?.ok_or_else(unknown)
}

/// The charge of the merchant's own number, which is all that is read.
pub(super) async fn numbered(app: &App, request: &Request) -> Result<Charge, Fault> {
    let number = request.required("out_trade_no", 32)?;
    let found = find_own(app, request, Find::Order(number)).await?;
    found.ok_or_else(unknown)
}

/// What a charge is to be found by; the channel's number wins over the merchant's.
pub(super) fn named_in(request: &Request) -> Option<Find> {
    match (request.get("transaction_id"), request.get("out_trade_no")) {
        ("", "") => None,
        ("", number) => Some(Find::Order(number.to_owned())),
        (number, _) => Some(Find::Transaction(number.to_owned())),
    }
}

async fn find_own(app: &App, request: &Request, find: Find) -> Result<Option<Charge>, Fault> {
    let found = app.ledger.call(find).await?;
    Ok(found.filter(|charge| charge.prepared.mch_id == request.get("mch_id")))
}

fn unnamed() -> Fault {
    Refused::invalid("out_trade_no or transaction_id is missing".to_owned()).into()
}

/// The number may be on its way: this says nothing about the payment.
fn unknown() -> Fault {
    Refused::asking("ORDERNOTEXIST", "订单不存在").into()
}
