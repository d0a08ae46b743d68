//! `unified.trade.refund`: money goes back, once for each number.

use super::request::Request;
use super::{Fault, Refused, named, own};
use crate::charge::Charge;
use crate::ledger::{SendRefund, Sent};
use crate::refund::{NewRefund, Refund, Unfit};
use crate::wire::Fields;
use crate::{App, mischief};

/// The service's name.
pub(super) const SERVICE: &str = "unified.trade.refund";

/// Takes the request; that it is accepted says nothing about the money.
pub(super) async fn serve(app: &App, request: &Request) -> Result<Fields, Fault> {
    let asked = asked(request)?;
    let charge = own::charge(app, request).await?;
    let mut send = SendRefund {
        asked: NewRefund {
            out_trade_no: charge.prepared.out_trade_no.clone(),
            ..asked
        },
        now: app.clock.now(),
        ending: None,
    };
    let undecided = match app.ledger.call(send.clone()).await?.map_err(refused)? {
        Sent::Taken(refund) => return Ok(answer(&charge, &refund)),
        Sent::Undecided => mischief::refund_ending(app, &charge).await?,
    };
    send.ending = Some(undecided);
    match app.ledger.call(send).await?.map_err(refused)? {
        Sent::Taken(refund) => Ok(answer(&charge, &refund)),
        Sent::Undecided => Err(Refused::asking("SYSTEMERROR", "系统错误").into()),
    }
}

fn asked(request: &Request) -> Result<NewRefund, Refused> {
    request.required("nonce_str", 32)?;
    let channel = request.get("refund_channel");
    if !["", "ORIGINAL"].contains(&channel) {
        let told = "refund_channel must be ORIGINAL, or be left out".to_owned();
        return Err(Refused::invalid(told));
    }
    Ok(NewRefund {
        out_refund_no: request.required("out_refund_no", 32)?,
        out_trade_no: String::new(),
        mch_id: request.required("mch_id", 32)?,
        total: request.fen("total_fee")?,
        amount: request.fen("refund_fee")?,
    })
}

fn refused(unfit: Unfit) -> Refused {
    match unfit {
        Unfit::OtherContent => {
            Refused::invalid("out_refund_no was used for another refund".to_owned())
        }
        Unfit::OtherTotal => Refused::invalid("total_fee differs from what was charged".to_owned()),
        Unfit::NotPaid => Refused::finally("ORDERNOTPAID", "订单未支付或已冲正"),
        Unfit::TooMuch => Refused::finally("REFUND_FEE_TOO_MUCH", "退款金额大于可退金额"),
    }
}

fn answer(charge: &Charge, refund: &Refund) -> Fields {
    let payment = charge.payment.as_ref();
    let (transaction_id, out_transaction_id) = payment.map_or(("", ""), |payment| {
        let (own, wallets) = (&payment.transaction_id, &payment.out_transaction_id);
        (own.as_str(), wallets.as_str())
    });
    named(&[
        ("coupon_refund_fee", "0"),
        ("out_refund_no", &refund.out_refund_no),
        ("out_trade_no", &refund.out_trade_no),
        ("out_transaction_id", out_transaction_id),
        ("refund_channel", "ORIGINAL"),
        ("refund_fee", &refund.amount.to_string()),
        ("refund_id", &refund.channel_no),
        ("trade_type", charge.prepared.trade_type()),
        ("transaction_id", transaction_id),
    ])
}
