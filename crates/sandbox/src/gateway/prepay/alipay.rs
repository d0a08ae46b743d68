//! `pay.alipay.jspay`: Alipay, 服务窗.

use serde_json::json;

use super::{Refused, Request};
use crate::App;
use crate::charge::NewCharge;
use crate::gateway::{described, named};
use crate::wallet::Wallet;
use crate::wire::Fields;

/// How every buyer's number begins.
const BUYER: &str = "2088";
const BUYER_DIGITS: usize = 16;

/// The charge a request describes. Alipay numbers the trade before it is paid.
pub(super) fn charge(app: &App, request: &Request) -> Result<NewCharge, Refused> {
    let charge = super::charge(app, request, Wallet::Alipay)?;
    Ok(NewCharge {
        buyer_id: buyer_id(app, request)?,
        wallet_no: Some(described::alipay_no(app, &charge)),
        ..charge
    })
}

/// What the payer's Alipay needs.
pub(super) fn answer(app: &App, charge: &NewCharge) -> Fields {
    let mut info = json!({ "tradeNO": charge.wallet_no, "status": "0" });
    let page = super::pay_page(app, &charge.token_id);
    // Alipay has no such field in there: as WeChat's answer has it.
    if let Some(url) = &page {
        info["sandbox_url"] = json!(url);
    }
    let pay_info = info.to_string();
    let mut fields = named(&[("pay_info", &pay_info)]);
    fields.extend(page.map(|url| ("pay_url".to_owned(), url)));
    fields
}

/// Who is to pay: named by number, or by login, which gets a number of the sandbox's.
fn buyer_id(app: &App, request: &Request) -> Result<String, Refused> {
    let login = request.optional("buyer_logon_id", 100)?;
    let number = request.optional("buyer_id", 28)?;
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    match (number.as_str(), login.as_str()) {
        ("", "") => Err(Refused::invalid(
            "buyer_id or buyer_logon_id is missing".to_owned(),
        )),
        ("", _) => Ok(described::alipay_buyer(app)),
        _ if digits && number.len() == BUYER_DIGITS && number.starts_with(BUYER) => Ok(number),
        _ => Err(Refused::invalid(
            "buyer_id must be 16 digits that begin with 2088".to_owned(),
        )),
    }
}
