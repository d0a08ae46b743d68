//! `pay.*.jspay`: a merchant prepares a charge that the payer pays in a wallet.

mod alipay;
mod wechat;

use http::Uri;

use super::request::Request;
use super::{Fault, Refused, described};
use crate::App;
use crate::charge::NewCharge;
use crate::ledger::Prepare;
use crate::sign::Signer;
use crate::wallet::{Wallet, Way};
use crate::wire::Fields;

/// What a merchant sends when it wants no notice.
const NO_NOTICE: &str = "127.0.0.1";

/// Enters the charge and answers with what the payer's wallet needs.
pub(super) async fn serve(
    app: &App,
    request: &Request,
    signer: &Signer,
    wallet: Wallet,
) -> Result<Fields, Fault> {
    let charge = match wallet {
        Wallet::WeChat => wechat::charge(app, request),
        Wallet::Alipay => alipay::charge(app, request),
    }?;
    if !app.ledger.call(Prepare(charge.clone())).await? {
        return Err(Refused::repeated().into());
    }
    Ok(match wallet {
        Wallet::WeChat => wechat::answer(app, request, &charge, signer),
        Wallet::Alipay => alipay::answer(app, &charge),
    })
}

/// What both wallets' requests say.
fn charge(app: &App, request: &Request, wallet: Wallet) -> Result<NewCharge, Refused> {
    Ok(NewCharge {
        notify_url: notify_url(request)?,
        ..described::charge(app, request, (wallet, Way::Jspay))?
    })
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

/// Where a person pays in a browser; `None` when the HTTP side has no public address.
fn pay_page(app: &App, token_id: &str) -> Option<String> {
    let url = app.settings.public_url.as_ref()?.trim_end_matches('/');
    Some(format!("{url}/pay/jspay?token_id={token_id}"))
}
