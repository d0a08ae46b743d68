//! The charge that a request describes, whichever side scans.

use jiff::Timestamp;

use super::Refused;
use super::request::Request;
use crate::charge::NewCharge;
use crate::wallet::{Wallet, Way};
use crate::{App, china};

/// What all such requests say.
pub(super) fn charge(
    app: &App,
    request: &Request,
    (wallet, way): (Wallet, Way),
) -> Result<NewCharge, Refused> {
    request.required("nonce_str", 32)?;
    request.required("mch_create_ip", 16)?;
    Ok(NewCharge {
        out_trade_no: out_trade_no(request)?,
        mch_id: request.required("mch_id", 32)?,
        signer: request.signer().to_owned(),
        token_id: app.ids.nonce(),
        amount: request.fen("total_fee")?,
        body: request.required("body", 128)?,
        attach: request.optional("attach", 127)?,
        device_info: request.optional("device_info", 32)?,
        sub_openid: String::new(),
        sub_appid: String::new(),
        notify_url: None,
        created_at: app.clock.now(),
        expires_at: expires_at(request)?,
        wallet,
        way,
        buyer_id: String::new(),
        wallet_no: None,
    })
}

/// Alipay's number of a trade, which it gives before it is paid.
pub(super) fn alipay_no(app: &App, charge: &NewCharge) -> String {
    format!("{}{:020}", china::day(charge.created_at), app.ids.bits())
}

/// A buyer's number in Alipay, made up.
pub(super) fn alipay_buyer(app: &App) -> String {
    format!("2088{:012}", app.ids.bits() % 1_000_000_000_000)
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
