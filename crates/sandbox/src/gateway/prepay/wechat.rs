//! `pay.weixin.jspay`: WeChat, 公众号.

use serde_json::json;

use super::{Refused, Request};
use crate::App;
use crate::charge::NewCharge;
use crate::gateway::{APP_ID, named};
use crate::sign::Signer;
use crate::wallet::Wallet;
use crate::wire::Fields;

/// The charge a request describes.
pub(super) fn charge(app: &App, request: &Request) -> Result<NewCharge, Refused> {
    Ok(NewCharge {
        sub_openid: request.optional("sub_openid", 128)?,
        sub_appid: request.optional("sub_appid", 32)?,
        ..super::charge(app, request, Wallet::WeChat)?
    })
}

/// What the payer's WeChat needs.
pub(super) fn answer(app: &App, request: &Request, charge: &NewCharge, signer: &Signer) -> Fields {
    named(&[
        ("appid", APP_ID),
        ("token_id", &charge.token_id),
        (
            "pay_info",
            &pay_info(app, request, &charge.token_id, signer),
        ),
    ])
}

fn pay_info(app: &App, request: &Request, token_id: &str, signer: &Signer) -> String {
    let time = app.clock.now().as_millisecond();
    let package = format!("prepay_id=wx{token_id}");
    let kind = match signer {
        Signer::Md5(_) => "MD5",
        Signer::Rsa(_) => "RSA",
    };
    let text = format!(
        "appId={APP_ID}&nonceStr={time}&package={package}&signType={kind}&timeStamp={time}"
    );
    let callback_url = Some(request.get("callback_url")).filter(|url| !url.is_empty());
    let mut info = json!({
        "appId": APP_ID,
        "timeStamp": time.to_string(),
        "status": "0",
        "signType": kind,
        "package": package,
        "callback_url": callback_url,
        "nonceStr": time.to_string(),
        "paySign": signer.sign(&text),
    });
    // WeChat has no such field: it lets a person pay in a browser.
    if let Some(url) = super::pay_page(app, token_id) {
        info["sandbox_url"] = json!(url);
    }
    info.to_string()
}
