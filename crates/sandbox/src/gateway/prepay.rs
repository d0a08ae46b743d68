//! `pay.weixin.jspay`: a merchant prepares a charge that the payer pays in WeChat.

use http::Uri;
use jiff::Timestamp;
use serde_json::json;

use super::request::Request;
use super::{Answer, Refused, named};
use crate::charge::NewCharge;
use crate::config::Key;
use crate::ledger::Prepare;
use crate::{App, SandboxError, china, receipt, sign};

/// The service's name.
pub(super) const SERVICE: &str = receipt::TRADE_TYPE;

/// What a merchant sends when it wants no notice.
const NO_NOTICE: &str = "127.0.0.1";
const APP_ID: &str = "wx5a6e64626f780000";

/// Enters the charge and answers with what the payer's WeChat needs.
pub(super) async fn serve(app: &App, request: &Request, key: &Key) -> Result<Answer, SandboxError> {
    let charge = match charge(app, request) {
        Ok(charge) => charge,
        Err(refused) => return Ok(Answer::Refused(refused)),
    };
    let token_id = charge.token_id.clone();
    if !app.ledger.call(Prepare(charge)).await? {
        return Ok(Answer::Refused(repeated()));
    }
    let pay_info = pay_info(app, request, &token_id, key);
    Ok(Answer::Accepted(named(&[
        ("appid", APP_ID),
        ("token_id", &token_id),
        ("pay_info", &pay_info),
    ])))
}

fn repeated() -> Refused {
    let err_msg = "201 商户订单号重复".to_owned();
    Refused {
        err_code: "INVALID_REQUEST",
        err_msg,
        need_query: true,
    }
}

fn charge(app: &App, request: &Request) -> Result<NewCharge, Refused> {
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
        sub_openid: request.optional("sub_openid", 128)?,
        sub_appid: request.optional("sub_appid", 32)?,
        notify_url: notify_url(request)?,
        created_at: app.clock.now(),
        expires_at: expires_at(request)?,
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

fn pay_info(app: &App, request: &Request, token_id: &str, key: &Key) -> String {
    let time = app.clock.now().as_millisecond();
    let package = format!("prepay_id=wx{token_id}");
    let signed =
        format!("appId={APP_ID}&nonceStr={time}&package={package}&signType=MD5&timeStamp={time}");
    let callback_url = Some(request.get("callback_url")).filter(|url| !url.is_empty());
    let mut info = json!({
        "appId": APP_ID,
        "timeStamp": time.to_string(),
        "status": "0",
        "signType": "MD5",
        "package": package,
        "callback_url": callback_url,
        "nonceStr": time.to_string(),
        "paySign": sign::digest(&signed, key),
    });
    // WeChat has no such field: it lets a person pay in a browser.
    if let Some(url) = &app.settings.public_url {
        let url = url.trim_end_matches('/');
        info["sandbox_url"] = json!(format!("{url}/pay/jspay?token_id={token_id}"));
    }
    info.to_string()
}
