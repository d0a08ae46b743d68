//! Requests: no answer, a late one, a wrong one, or a notice that overtakes it.

use std::sync::Arc;
use std::time::Duration;

use super::{Act, Met, Order, Step, Told, forge, garbage, meet};
use crate::charge::{self, Charge, Paid};
use crate::gateway::{self, Reply};
use crate::state::TradeState;
use crate::{App, SandboxError, notifier};

/// Before anything is done: a silence, if there is to be one.
pub(crate) async fn arriving(
    app: &App,
    step: Step,
    order: &Order,
) -> Result<Option<Reply>, SandboxError> {
    let met = meet(app, step, order, |act| {
        matches!(act, Act::TimeoutBefore { .. })
    });
    let mut holds = met
        .await?
        .into_iter()
        .filter_map(|met| hold(&met.script.act));
    Ok(holds.next().map(Reply::Silence))
}

/// When all is done: what goes out instead of the answer `xml`, which accepts or refuses.
pub(crate) async fn leaving(
    app: &Arc<App>,
    (step, accepted): (Step, bool),
    order: &Order,
    xml: String,
) -> Result<Reply, SandboxError> {
    let met = meet(app, step, order, |act| match act {
        Act::Slow { .. } | Act::TimeoutAfter { .. } | Act::Garbage { .. } => true,
        // They need a charge that is new.
        Act::Forged { .. } | Act::BeforeReply {} => accepted,
        _ => false,
    });
    let met = met.await?;
    if met.is_empty() {
        return Ok(Reply::Answer(gateway::message(xml)));
    }
    overtake(app, order, &met).await?;
    tokio::time::sleep(met.iter().filter_map(|met| delay(&met.script.act)).sum()).await;
    if let Some(length) = met.iter().find_map(|met| hold(&met.script.act)) {
        return Ok(Reply::Silence(length));
    }
    Ok(Reply::Answer(match met.iter().find_map(garbage::picked) {
        Some(kind) => garbage::instead_of(&xml, kind),
        None => gateway::message(xml),
    }))
}

/// What a query is told of a charge.
pub(crate) async fn told(app: &App, charge: &Charge) -> Result<TradeState, SandboxError> {
    let (order, paid) = (Order::of(charge), charge.payment.is_some());
    let counts =
        |act: &Act| matches!(act, Act::Contradicting { unpaid_too, .. } if paid || *unpaid_too);
    let met = meet(app, Step::Query, &order, counts).await?;
    let mut told = met.iter().map(|met| met.script.act.answer(met.turn));
    Ok(match told.find(|told| *told != Told::Truth) {
        None | Some(Told::Truth) => charge.state(),
        Some(Told::NotPaid) => TradeState::NotPay,
        Some(Told::Closed) => TradeState::Closed,
        Some(Told::PayError) => TradeState::PayError,
    })
}

/// Notices that come before the answer: forged ones while nobody has paid, then a genuine one.
async fn overtake(app: &Arc<App>, order: &Order, met: &[Met]) -> Result<(), SandboxError> {
    for met in met {
        if let Act::Forged { forgeries } = &met.script.act {
            forge::unpaid(app, order, &met.script, forgeries).await?;
        }
    }
    let at_once = |met: &Met| matches!(met.script.act, Act::BeforeReply {});
    if !met.iter().any(at_once) {
        return Ok(());
    }
    // Due by schedule only if this here is broken off.
    let pause = app.settings.notify_timeout + Duration::from_secs(1);
    let number = order.out_trade_no.clone();
    if let Paid::Charged(charge) = charge::pay_quietly(app, number, pause).await? {
        notifier::attempt(app.clone(), *charge).await;
    }
    Ok(())
}

fn delay(act: &Act) -> Option<Duration> {
    match act {
        Act::Slow { delay } => Some(*delay),
        _ => None,
    }
}

fn hold(act: &Act) -> Option<Duration> {
    match act {
        Act::TimeoutBefore { hold } | Act::TimeoutAfter { hold } => Some(*hold),
        _ => None,
    }
}
