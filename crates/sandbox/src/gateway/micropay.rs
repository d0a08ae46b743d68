//! `unified.trade.micropay`: a merchant charges the code a payer shows.

use serde_json::json;

use super::request::Request;
use super::{APP_ID, Fault, Refused, described, named};
use crate::charge::{Charge, NewCharge, Payment};
use crate::ledger::{Find, Payer, Scan};
use crate::mischief::Order;
use crate::wallet::{Wallet, Way};
use crate::wire::Fields;
use crate::{App, china, mischief, receipt};

/// The service's name.
pub(super) const SERVICE: &str = "unified.trade.micropay";

/// Charges the payer, or says why not. The code is only looked at: it is kept nowhere.
pub(super) async fn serve(app: &App, request: &Request, order: &Order) -> Result<Fields, Fault> {
    let charge = charge(app, request)?;
    let find = || Find::Order(charge.out_trade_no.clone());
    // Scripts have no say in what is refused anyway.
    if app.ledger.call(find()).await?.is_some() {
        return Err(Refused::repeated().into());
    }
    let (payer, code) = mischief::scanned(app, order).await?;
    let scan = Scan {
        charge: charge.clone(),
        payer,
    };
    if !app.ledger.call(scan).await? {
        return Err(Refused::repeated().into());
    }
    match payer {
        Payer::Pays => paid(app, app.ledger.call(find()).await?.as_ref()),
        Payer::IsAsked { .. } => Err(password().into()),
        Payer::IsDeclined => Err(Refused::finally(code, "支付失败").into()),
    }
}

fn charge(app: &App, request: &Request) -> Result<NewCharge, Refused> {
    let code = request.required("auth_code", 128)?;
    let wallet = Wallet::of_auth_code(&code)
        .ok_or_else(|| Refused::finally("AUTH_CODE_INVALID", "付款码无效"))?;
    let charge = described::charge(app, request, (wallet, Way::Micropay))?;
    if charge
        .expires_at
        .is_some_and(|end| end <= charge.created_at)
    {
        return Err(Refused::invalid("time_expire is over".to_owned()));
    }
    Ok(match wallet {
        Wallet::WeChat => NewCharge {
            sub_appid: request.optional("sub_appid", 32)?,
            ..charge
        },
        Wallet::Alipay => NewCharge {
            buyer_id: described::alipay_buyer(app),
            wallet_no: Some(described::alipay_no(app, &charge)),
            ..charge
        },
    })
}

fn password() -> Refused {
    Refused::asking("USERPAYING", "等待用户输入支付密码")
}

fn paid(app: &App, charge: Option<&Charge>) -> Result<Fields, Fault> {
    match charge.map(|charge| (charge, &charge.payment)) {
        Some((charge, Some(payment))) => Ok(answer(app, charge, payment)),
        // Not to be: it was paid in the write that entered it. A query tells.
        _ => Err(password().into()),
    }
}

fn answer(app: &App, charge: &Charge, payment: &Payment) -> Fields {
    let mut fields = receipt::fields(charge, payment);
    let total = charge.prepared.amount.to_string();
    fields.extend(named(&[
        ("cash_fee", &total),
        ("coupon_fee", "0"),
        ("err_code", ""),
        ("err_msg", ""),
        ("mdiscount", "0"),
        ("need_query", "N"),
        ("pay_info", ""),
        ("pay_result", "0"),
        ("uuid", &app.ids.nonce()),
    ]));
    fields.extend(match charge.prepared.wallet {
        Wallet::WeChat => of_wechat(payment),
        Wallet::Alipay => of_alipay(charge, payment),
    });
    fields
}

fn of_wechat(payment: &Payment) -> Fields {
    named(&[
        ("appid", APP_ID),
        ("bank_billno", &payment.out_transaction_id),
        ("sub_is_subscribe", "N"),
    ])
}

/// Amounts are in yuan here, beside `total_fee` in fen.
fn of_alipay(charge: &Charge, payment: &Payment) -> Fields {
    let yuan = receipt::yuan(charge.prepared.amount);
    let bills = json!([{ "amount": yuan, "fund_channel": "ALIPAYACCOUNT" }]);
    named(&[
        ("buyer_logon_id", "pay***@example.test"),
        ("buyer_pay_amount", &yuan),
        ("buyer_user_id", &charge.prepared.buyer_id),
        ("fund_bill_list", &bills.to_string()),
        ("gmt_payment", &china::seconds(payment.paid_at)),
        ("invoice_amount", &yuan),
        ("point_amount", "0.00"),
        ("receipt_amount", &yuan),
    ])
}
