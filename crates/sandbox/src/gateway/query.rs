//! `unified.trade.query`: how a charge stands.

use super::request::Request;
use super::{APP_ID, Fault, named, own};
use crate::charge::Charge;
use crate::state::TradeState;
use crate::wallet::Wallet;
use crate::wire::Fields;
use crate::{App, mischief, receipt};

/// The service's name.
pub(super) const SERVICE: &str = "unified.trade.query";

/// Answers the state of a charge of this merchant.
pub(super) async fn serve(app: &App, request: &Request) -> Result<Fields, Fault> {
    let charge = own::charge(app, request).await?;
    let state = mischief::told(app, &charge).await?;
    Ok(fields(&charge, state))
}

/// The channel's own answer about what is not paid names no number either.
fn fields(charge: &Charge, state: TradeState) -> Fields {
    let mut fields = match &charge.payment {
        Some(payment) if state.is_paid() => receipt::fields(charge, payment),
        _ => Fields::new(),
    };
    if charge.prepared.wallet == Wallet::WeChat {
        fields.extend(named(&[("appid", APP_ID)]));
    }
    if let Some(description) = state.description() {
        fields.extend(named(&[("trade_state_desc", description)]));
    }
    fields.extend(named(&[("trade_state", state.name())]));
    fields
}
