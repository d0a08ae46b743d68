//! `unified.trade.refundquery`: what became of refunds.

use super::request::Request;
use super::{Fault, Refused, named, own};
use crate::charge::Charge;
use crate::ledger::{Find, TheRefunds};
use crate::refund::Refund;
use crate::wallet::Wallet;
use crate::wire::Fields;
use crate::{App, SandboxError, china};

/// The service's name.
pub(super) const SERVICE: &str = "unified.trade.refundquery";

/// Answers one refund by its number, or all of a charge.
pub(super) async fn serve(app: &App, request: &Request) -> Result<Fields, Fault> {
    let charge = match named_in(request) {
        None => own::charge(app, request).await?,
        Some(find) => {
            let found = app.ledger.call(find).await?;
            let own = found.filter(|charge| charge.prepared.mch_id == request.get("mch_id"));
            own.ok_or_else(unknown)?
        }
    };
    let refunds = app.ledger.call(wanted(request, &charge)?).await?;
    if refunds.is_empty() {
        return Err(unknown().into());
    }
    Ok(fields(&charge, &refunds))
}

/// The charge that a request is about; `None`: it names none that is known.
pub(super) async fn about(app: &App, request: &Request) -> Result<Option<Charge>, SandboxError> {
    for find in named_in(request).into_iter().chain(own::named_in(request)) {
        if let Some(charge) = app.ledger.call(find).await? {
            return Ok(Some(charge));
        }
    }
    Ok(None)
}

/// What the charge of a refund is to be found by; the channel's number wins.
fn named_in(request: &Request) -> Option<Find> {
    match (request.get("refund_id"), request.get("out_refund_no")) {
        ("", "") => None,
        ("", number) => Some(Find::Refund(number.to_owned())),
        (number, _) => Some(Find::RefundId(number.to_owned())),
    }
}

fn wanted(request: &Request, charge: &Charge) -> Result<TheRefunds, Refused> {
    match (request.get("refund_id"), request.get("out_refund_no")) {
        ("", "") if charge.prepared.wallet == Wallet::Alipay => Err(Refused::invalid(
            "refund_id or out_refund_no is missing, which Alipay needs".to_owned(),
        )),
        ("", "") => Ok(TheRefunds::OfCharge(charge.prepared.out_trade_no.clone())),
        ("", number) => Ok(TheRefunds::Numbered(number.to_owned())),
        (number, _) => Ok(TheRefunds::Known(number.to_owned())),
    }
}

/// It may be on its way: this says nothing about the money.
fn unknown() -> Refused {
    Refused::asking("REFUNDNOTEXIST", "退款订单不存在")
}

fn fields(charge: &Charge, refunds: &[Refund]) -> Fields {
    let mut fields = named(&[
        ("out_trade_no", &charge.prepared.out_trade_no),
        ("refund_count", &refunds.len().to_string()),
        ("trade_type", charge.prepared.trade_type()),
    ]);
    if let Some(payment) = &charge.payment {
        fields.extend(named(&[
            ("out_transaction_id", &payment.out_transaction_id),
            ("transaction_id", &payment.transaction_id),
        ]));
    }
    for (place, refund) in refunds.iter().enumerate() {
        let each = one(refund).into_iter();
        fields.extend(each.map(|(name, value)| (format!("{name}_{place}"), value)));
    }
    fields
}

fn one(refund: &Refund) -> Fields {
    let mut fields = named(&[
        ("coupon_refund_fee", "0"),
        ("out_refund_no", &refund.out_refund_no),
        ("refund_channel", "ORIGINAL"),
        ("refund_fee", &refund.amount.to_string()),
        ("refund_id", &refund.channel_no),
        ("refund_status", refund.state.name()),
    ]);
    if let Some(time) = refund.refunded_at {
        let wallets = format!("4{}", refund.channel_no);
        fields.extend(named(&[
            ("out_refund_id", &wallets),
            ("refund_time", &china::seconds(time)),
        ]));
    }
    fields
}
