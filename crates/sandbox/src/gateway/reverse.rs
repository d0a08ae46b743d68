//! `unified.micropay.reverse`: a scanned code is not to have been charged.

use std::sync::Arc;

use super::request::Request;
use super::{Fault, Refused, own};
use crate::ledger::Reverse;
use crate::wallet::Way;
use crate::wire::Fields;
use crate::{App, mischief};

/// The service's name.
pub(super) const SERVICE: &str = "unified.micropay.reverse";

/// Undoes a charge, whatever became of it: money that was paid goes back whole.
pub(super) async fn serve(app: &Arc<App>, request: &Request) -> Result<Fields, Fault> {
    let charge = own::numbered(app, request).await?;
    if charge.prepared.way == Way::Jspay {
        let told = "only a scanned code is reversed: close, or refund".to_owned();
        return Err(Refused::invalid(told).into());
    }
    mischief::meanwhile(app, &charge).await?;
    let number = charge.prepared.out_trade_no;
    app.ledger.call(Reverse::ByMerchant(number)).await?;
    Ok(Fields::new())
}
