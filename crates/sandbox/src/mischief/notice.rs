//! Notices: lost, late, held back, repeated, lying, with forged ones before them.

use std::time::Duration;

use jiff::Timestamp;

use super::{Act, Met, Order, Step, forge, meet};
use crate::charge::{Charge, Payment};
use crate::ledger::{Hold, Postpone, Release};
use crate::notifier::{message, send};
use crate::{App, SandboxError};

/// Whether the first notice, which is due, is not to be sent now: later, or never.
pub(crate) async fn put_off(app: &App, charge: &Charge) -> Result<bool, SandboxError> {
    let Some(payment) = charge
        .payment
        .as_ref()
        .filter(|_| charge.notice_attempts == 0)
    else {
        return Ok(false);
    };
    Ok(lose(app, charge).await?
        || delay(app, charge, payment).await?
        || hold_back(app, charge, payment).await?)
}

async fn lose(app: &App, charge: &Charge) -> Result<bool, SandboxError> {
    let met = met(app, charge, |act| matches!(act, Act::Lost {})).await?;
    if met.is_empty() {
        return Ok(false);
    }
    postpone(app, charge, None).await
}

async fn delay(app: &App, charge: &Charge, payment: &Payment) -> Result<bool, SandboxError> {
    let until = |act: &Act| match act {
        Act::Late { delay } => still_ahead(app, payment, *delay),
        _ => None,
    };
    let met = met(app, charge, |act| until(act).is_some()).await?;
    match met.iter().filter_map(|met| until(&met.script.act)).max() {
        Some(until) => postpone(app, charge, Some(until)).await,
        None => Ok(false),
    }
}

async fn hold_back(app: &App, charge: &Charge, payment: &Payment) -> Result<bool, SandboxError> {
    let until = |act: &Act| match act {
        Act::Reordered { longest } => still_ahead(app, payment, *longest),
        _ => None,
    };
    let met = met(app, charge, |act| until(act).is_some()).await?;
    let Some(until) = met.iter().filter_map(|met| until(&met.script.act)).max() else {
        return Ok(false);
    };
    let out_trade_no = charge.prepared.out_trade_no.clone();
    app.ledger
        .call(Hold {
            out_trade_no,
            until,
        })
        .await
}

/// When so long after the payment is; `None` when it is over.
fn still_ahead(app: &App, payment: &Payment, delay: Duration) -> Option<Timestamp> {
    let until = payment.paid_at.checked_add(delay).ok()?;
    Some(until).filter(|until| *until > app.clock.now())
}

async fn postpone(
    app: &App,
    charge: &Charge,
    next: Option<Timestamp>,
) -> Result<bool, SandboxError> {
    let out_trade_no = charge.prepared.out_trade_no.clone();
    app.ledger.call(Postpone { out_trade_no, next }).await?;
    Ok(true)
}

/// Sends the notice as scripts have it, and answers whether it was acknowledged; `None`: no
/// script has anything to do with it.
pub(crate) async fn deliver(app: &App, charge: &Charge) -> Result<Option<bool>, SandboxError> {
    let met = met(app, charge, |act| {
        matches!(
            act,
            Act::Forged { .. } | Act::WrongAmount { .. } | Act::Repeated { .. }
        )
    });
    let met = met.await?;
    if met.is_empty() {
        return Ok(None);
    }
    let told = lie(charge, &met);
    let (copies, pause) = met.iter().find_map(repeats).unwrap_or((1, Duration::ZERO));
    let rounds = (0..copies).map(|place| round(app, (charge, &told), &met, pause * place));
    let acknowledged = futures::future::try_join_all(rounds).await?;
    Ok(Some(acknowledged.contains(&true)))
}

/// Forged notices of what is true, then one that is signed, true or not.
async fn round(
    app: &App,
    (charge, told): (&Charge, &Charge),
    met: &[Met],
    after: Duration,
) -> Result<bool, SandboxError> {
    tokio::time::sleep(after).await;
    for met in met {
        if let Act::Forged { forgeries } = &met.script.act {
            forge::send_all(app, charge, (Step::Notify, &met.script), forgeries).await?;
        }
    }
    let notice = (&told.prepared.notify_url, message::xml(app, told));
    Ok(match notice {
        (Some(url), Some(xml)) => send(app, url, xml).await,
        _ => false,
    })
}

fn lie(charge: &Charge, met: &[Met]) -> Charge {
    let mut told = charge.clone();
    for met in met {
        if let Act::WrongAmount { difference_fen } = met.script.act {
            told.prepared.amount = told.prepared.amount.saturating_add(difference_fen);
        }
    }
    told
}

fn repeats(met: &Met) -> Option<(u32, Duration)> {
    match met.script.act {
        Act::Repeated { copies, pause } => Some((copies, pause)),
        _ => None,
    }
}

/// A notice went out: those held back for it follow.
pub(crate) async fn sent(app: &App, charge: &Charge) -> Result<(), SandboxError> {
    let scripts = app.mischief.scripts();
    let reorders = |act: &Act| matches!(act, Act::Reordered { .. });
    if !scripts.iter().any(|script| reorders(&script.act)) {
        return Ok(());
    }
    let release = Release {
        sent: charge.prepared.out_trade_no.clone(),
        now: app.clock.now(),
    };
    if app.ledger.call(release).await? > 0 {
        app.wake.notify_one();
    }
    Ok(())
}

async fn met(
    app: &App,
    charge: &Charge,
    pick: impl Fn(&Act) -> bool,
) -> Result<Vec<Met>, SandboxError> {
    meet(app, Step::Notify, &Order::of(charge), pick).await
}
