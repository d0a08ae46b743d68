//! `unified.trade.close`: nobody is to pay any more.

use std::sync::Arc;

use jiff::Timestamp;

use super::request::Request;
use super::{Fault, Refused, own};
use crate::charge::Charge;
use crate::ledger::Close;
use crate::state::TradeState;
use crate::wallet::Way;
use crate::wire::Fields;
use crate::{App, mischief};

/// The service's name.
pub(super) const SERVICE: &str = "unified.trade.close";

/// Closes a charge that is old enough and that nobody paid; the answer says no more.
pub(super) async fn serve(app: &Arc<App>, request: &Request) -> Result<Fields, Fault> {
    let charge = own::numbered(app, request).await?;
    if charge.prepared.way == Way::Micropay {
        let told = "a scanned code is reversed, not closed".to_owned();
        return Err(Refused::invalid(told).into());
    }
    mischief::meanwhile(app, &charge).await?;
    let close = Close {
        out_trade_no: charge.prepared.out_trade_no,
        newest: newest(app),
    };
    app.ledger.call(close).await?;
    // The payer may have been faster: there is a notice to send.
    app.wake.notify_one();
    closed(&own::numbered(app, request).await?)
}

/// The latest time a charge may be of, to be closed now.
fn newest(app: &App) -> Timestamp {
    let newest = app.clock.now().checked_sub(app.settings.close_after);
    newest.unwrap_or(Timestamp::MIN)
}

fn closed(charge: &Charge) -> Result<Fields, Fault> {
    Err(match charge.state() {
        TradeState::Closed => return Ok(Fields::new()),
        TradeState::Success | TradeState::Refund => Refused::asking("ORDERPAID", "订单已支付"),
        TradeState::Reverse => Refused::finally("ORDERREVERSED", "订单已撤销"),
        // The sandbox's own word: what the channel says of young orders is not known.
        _ => Refused::finally("ORDER_TOO_YOUNG", "订单生成时间过短，请稍后再关闭"),
    }
    .into())
}
