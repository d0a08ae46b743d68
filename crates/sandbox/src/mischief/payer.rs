//! What happens on the payer's side: passwords, refusals, a payment at the wrong moment, and how
//! refunds end.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{Act, Order, PasswordOutcome, Step, meet};
use crate::charge::Charge;
use crate::ledger::{Ending, Payer, PlanPayment};
use crate::wallet::Way;
use crate::{App, RefundState, SandboxError};

/// What comes of scanning a payer's code, and why it is declined.
pub(crate) async fn scanned(app: &App, order: &Order) -> Result<(Payer, String), SandboxError> {
    let met = meet(app, Step::Micropay, order, |act| {
        matches!(act, Act::Password { .. } | Act::Decline { .. })
    });
    let met = met.await?;
    Ok(match met.into_iter().next().map(|met| met.script.act) {
        Some(Act::Password { delay, outcome }) => (asked(app, delay, outcome), String::new()),
        Some(Act::Decline { code }) => (Payer::IsDeclined, code),
        _ => (Payer::Pays, String::new()),
    })
}

fn asked(app: &App, delay: Duration, outcome: PasswordOutcome) -> Payer {
    let at = match outcome {
        PasswordOutcome::Never => None,
        PasswordOutcome::Paid | PasswordOutcome::Refused => Some(after(app, delay)),
    };
    let pays = outcome == PasswordOutcome::Paid;
    Payer::IsAsked { at, pays }
}

/// A charge is to be closed or reversed: its payer may pay just then.
pub(crate) async fn meanwhile(app: &Arc<App>, charge: &Charge) -> Result<(), SandboxError> {
    if !charge.state().is_open() {
        return Ok(());
    }
    let step = match charge.prepared.way {
        Way::Jspay => Step::Prepay,
        Way::Micropay => Step::Micropay,
    };
    let order = Order::of(charge);
    let met = meet(app, step, &order, |act| {
        matches!(act, Act::PaidMeanwhile { .. })
    });
    for met in met.await? {
        if let Act::PaidMeanwhile { delay } = met.script.act {
            let plan = PlanPayment {
                out_trade_no: order.out_trade_no.clone(),
                at: after(app, delay),
            };
            app.ledger.call(plan).await?;
        }
    }
    Ok(())
}

/// How a refund of a charge is going to end.
pub(crate) async fn refund_ending(app: &App, charge: &Charge) -> Result<Ending, SandboxError> {
    let order = Order::of(charge);
    let met = meet(app, Step::Refund, &order, |act| {
        matches!(act, Act::RefundEnding { .. })
    });
    let (state, delay) = match met.await?.into_iter().next().map(|met| met.script.act) {
        Some(Act::RefundEnding { state, delay }) => (state, delay),
        _ => (RefundState::Success, Duration::ZERO),
    };
    let never = state == RefundState::Processing;
    let at = (!never).then(|| after(app, delay));
    Ok(Ending { state, at })
}

fn after(app: &App, delay: Duration) -> Timestamp {
    let now = app.clock.now();
    now.checked_add(delay).unwrap_or(now)
}
