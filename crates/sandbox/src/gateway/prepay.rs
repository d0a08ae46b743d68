//! `pay.*.jspay`: a merchant prepares a charge that the payer pays in a wallet.

mod alipay;
mod wechat;

use http::Uri;
use jiff::Timestamp;

use super::request::Request;
use super::{Answer, Refused};
use crate::charge::NewCharge;
use crate::config::Key;
use crate::ledger::Prepare;
use crate::wallet::Wallet;
use crate::{App, SandboxError, china};

/// What a merchant sends when it wants no notice.
const NO_NOTICE: &str = "127.0.0.1";

/// Enters the charge and answers with what the payer's wallet needs.
pub(super) async fn serve(
    app: &App,
    request: &Request,
    key: &Key,
    wallet: Wallet,
) -> Result<Answer, SandboxError> {
    let prepared = match wallet {
        Wallet::WeChat => wechat::charge(app, request),
        Wallet::Alipay => alipay::charge(app, request),
    };
    let charge = match prepared {
        Ok(charge) => charge,
        Err(refused) => return Ok(Answer::Refused(refused)),
    };
    if !app.ledger.call(Prepare(charge.clone())).await? {
        return Ok(Answer::Refused(repeated()));
    }
    Ok(Answer::Accepted(match wallet {
        Wallet::WeChat => wechat::answer(app, request, &charge, key),
        Wallet::Alipay => alipay::answer(app, &charge),
    }))
}

fn repeated() -> Refused {
    let err_msg = "201 商户订单号重复".to_owned();
    Refused {
        err_code: "INVALID_REQUEST",
        err_msg,
        need_query: true,
    }
}

/// What both wallets' requests say.
fn charge(app: &App, request: &Request, wallet: Wallet) -> Result<NewCharge, Refused> {
    request.required("nonce_str", 32)?;
    request.required("mch_create_ip", 16)?;
    Ok(NewCharge {
        out_trade_no: out_trade_no(request)?,
        mch_id: request.required("mch_id", 32)?,
        signer: request.signer().to_owned(),
        token_id: app.ids.nonce(),
        amount: total_fee(request)?,
        body: request.required("body", 128)?,
        attach: request.optional("attach", 127)?,
        device_info: request.optional("device_info", 32)?,
        sub_openid: String::new(),
        sub_appid: String::new(),
        notify_url: notify_url(request)?,
        created_at: app.clock.now(),
        expires_at: expires_at(request)?,
        wallet,
        buyer_id: String::new(),
        wallet_no: None,
    })
}

fn out_trade_no(request: &Request) -> Result<String, Refused> {
    let number = request.required("out_trade_no", 32)?;
    let plain = number
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if plain && number.len() >= 5 {
        return Ok(number);
    }
    Err(Refused::invalid(
        "out_trade_no must be 5 to 32 letters, digits or underscores".to_owned(),
    ))
}

fn total_fee(request: &Request) -> Result<i64, Refused> {
    let text = request.required("total_fee", 19)?;
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let amount = text.parse().ok().filter(|amount| digits && *amount > 0);
    amount.ok_or_else(|| Refused::invalid("total_fee must be a positive number of fen".to_owned()))
}

fn notify_url(request: &Request) -> Result<Option<String>, Refused> {
    let url = request.required("notify_url", 255)?;
    if url == NO_NOTICE {
        return Ok(None);
    }
    let uri = url.parse::<Uri>().ok();
    let http = uri.is_some_and(|uri| uri.scheme_str() == Some("http") && uri.host().is_some());
    if http {
        return Ok(Some(url));
    }
    Err(Refused::invalid(
        "notify_url must begin with http://: the sandbox speaks no TLS".to_owned(),
    ))
}

/// The payer's time limit; it counts only when both ends are sent.
fn expires_at(request: &Request) -> Result<Option<Timestamp>, Refused> {
    let (start, end) = (time(request, "time_start")?, time(request, "time_expire")?);
    match (start, end) {
        (Some(start), Some(end)) if end <= start => Err(Refused::invalid(
            "time_expire must be after time_start".to_owned(),
        )),
        (Some(_), Some(end)) => Ok(Some(end)),
        _ => Ok(None),
    }
}

fn time(request: &Request, name: &str) -> Result<Option<Timestamp>, Refused> {
    let text = request.get(name);
    if text.is_empty() {
        return Ok(None);
    }
    let time = china::parse(text).map(Some);
    time.ok_or_else(|| Refused::invalid(format!("{name} must be yyyyMMddHHmmss")))
}

/// Where a person pays in a browser; `None` when the HTTP side has no public address.
fn pay_page(app: &App, token_id: &str) -> Option<String> {
    let url = app.settings.public_url.as_ref()?.trim_end_matches('/');
    Some(format!("{url}/pay/jspay?token_id={token_id}"))
}
