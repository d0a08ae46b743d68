//! revoke: the payment of an order that is being revoked is closed, and so is one that is live
//! while another paid. Waiting for the channel's earliest close is no failure; after several
//! failures a person is told, and it is tried on.

use std::time::Duration;

use async_trait::async_trait;
use domain::{Attempt, ObligationKind, OrderCommand, OrderNo, OrderState, OrderStatus};
use proto::gateway::v1::{Payment, PaymentState};
use store::obligation::Claimed;
use store::row;
use tracing::warn;
use work::{Job, Verdict};

use crate::error::TradeError;
use crate::flow::close::{self, Why};
use crate::flow::confirm::{Told, confirm};
use crate::order::{BESIDES, Line, StoredOrder};
use crate::{Inner, Trade, flow, queries};

// What pay-gateway and its feed may take from the channel's earliest close on.
const MARGIN: Duration = Duration::from_secs(5);

/// The job of [`ObligationKind::Revoke`].
pub(crate) struct Revoke(pub(crate) Trade);

#[async_trait]
impl Job for Revoke {
    fn kind(&self) -> i16 {
        ObligationKind::Revoke.code()
    }

    fn name(&self) -> &'static str {
        "revoke"
    }

    async fn run(&self, owed: &Claimed) -> Verdict {
        match revoke(&self.0.0, owed).await {
            Ok(verdict) => verdict,
            Err(error) => Verdict::retry(error),
        }
    }
}

async fn revoke(trade: &Inner, owed: &Claimed) -> Result<Verdict, TradeError> {
    let Ok(no) = OrderNo::try_from(owed.subject) else {
        return Ok(Verdict::give_up("its key is no order"));
    };
    let order = flow::load(&trade.db, no).await?;
    if owed.part < BESIDES {
        return its_own(trade, order, owed.attempts).await;
    }
    match Attempt::try_from(i64::from(owed.part - BESIDES)) {
        Ok(payment) => besides(trade, &order, payment, owed.attempts).await,
        Err(error) => Ok(Verdict::give_up(error)),
    }
}

// The payment of an order that is being revoked.
async fn its_own(trade: &Inner, order: StoredOrder, asked: u32) -> Result<Verdict, TradeError> {
    let (OrderState::Revoking { payment, .. } | OrderState::RevokeFailed { payment, .. }) =
        order.state
    else {
        return Ok(Verdict::Moot);
    };
    let order = resumed(trade, order).await?;
    let attempt = close::attempt_of(trade, &order, payment).await?;
    let closing = match close::close(trade, (&order, &attempt), Why::Revoke).await {
        Ok(closing) => closing,
        Err(error) => return failed(trade, &order, error.to_string()).await,
    };
    if let Some(told) = Told::of(&closing, payment, "revoke") {
        confirm(trade, order.no, &told.found_by("REVOKE")).await?;
        return Ok(Verdict::Done);
    }
    match rest(trade, &closing, asked) {
        Some(rest) => Ok(Verdict::Snooze(rest)),
        None => failed(trade, &order, why(&closing)).await,
    }
}

// What went wrong several times is tried again as if it had not.
async fn resumed(trade: &Inner, order: StoredOrder) -> Result<StoredOrder, TradeError> {
    if order.state.status() != OrderStatus::RevokeFailed {
        return Ok(order);
    }
    let command = OrderCommand::RetryRevoke;
    let Some(state) = order.state.command(command)?.moved_to() else {
        return Ok(order);
    };
    let to = StoredOrder {
        state,
        ..order.next()
    };
    step(trade, (&order, &to), command.name(), String::new()).await?;
    Ok(to)
}

// A try that failed is a line of the story; the last one that is bearable alarms.
async fn failed(trade: &Inner, order: &StoredOrder, why: String) -> Result<Verdict, TradeError> {
    let tried = tries(trade, order).await?.saturating_add(1);
    warn!(order = %order.no, tried, why, "the order resists being revoked");
    let pause = Verdict::Snooze(trade.config.backoff(tried));
    if tried < trade.config.revoke_tries {
        step(trade, (order, &order.next()), "REVOKE_TRIED", why).await?;
        return Ok(pause);
    }
    let command = OrderCommand::RevokeTriesExhausted;
    let owed = order.state.command(command)?;
    let to = StoredOrder {
        state: owed.moved_to().unwrap_or(order.state),
        ..order.next()
    };
    step(trade, (order, &to), command.name(), why).await?;
    flow::alarms(order.no, owed.owed().into_iter().flatten());
    Ok(pause)
}

async fn tries(trade: &Inner, order: &StoredOrder) -> Result<u32, TradeError> {
    let key = row![order.no.get()];
    let row = trade
        .db
        .fetch_optional(&queries::ORDER_LOG_TRIES, key)
        .await?;
    let tries = row.map(|row| row.int("tries")).transpose()?;
    Ok(u32::try_from(tries.unwrap_or(0)).unwrap_or(u32::MAX))
}

async fn step(
    trade: &Inner,
    (from, to): (&StoredOrder, &StoredOrder),
    event: &'static str,
    detail: String,
) -> Result<(), TradeError> {
    let line = Line {
        event,
        actor: "revoke".into(),
        detail,
    };
    let now = trade.db.clock().now();
    let write = from.change("order/try_to_revoke", to, &line, now);
    trade.db.submit(write).await?;
    trade.watched.ring(from.no);
    Ok(())
}

// The payment that is live though another one paid: once closing is on record it is
// pay-gateway's, and its feed tells how it ended.
async fn besides(
    trade: &Inner,
    order: &StoredOrder,
    payment: Attempt,
    tried: u32,
) -> Result<Verdict, TradeError> {
    let attempt = close::attempt_of(trade, order, payment).await?;
    let closing = match close::close(trade, (order, &attempt), Why::AnotherPaid).await {
        Ok(closing) => closing,
        Err(error) => {
            warn!(order = %order.no, %error, "a payment that is too much is not closed yet");
            return Ok(Verdict::Snooze(trade.config.backoff(tried)));
        }
    };
    if let Some(told) = Told::of(&closing, payment, "revoke") {
        confirm(trade, order.no, &told.found_by("REVOKE")).await?;
        return Ok(Verdict::Moot);
    }
    match closing.state() {
        PaymentState::Closing => Ok(Verdict::Moot),
        _ => Ok(Verdict::Snooze(trade.config.backoff(tried))),
    }
}

// How long a payment that is CLOSING may be waited for; none when that is over. The first time
// it has only just been asked for.
fn rest(trade: &Inner, closing: &Payment, asked: u32) -> Option<Duration> {
    if closing.state() != PaymentState::Closing {
        return None;
    }
    let margin = trade.config.compressed(MARGIN);
    close::wait(trade, closing, margin).or((asked <= 1).then_some(margin))
}

fn why(payment: &Payment) -> String {
    let state = payment.state().as_str_name().replace("PAYMENT_STATE_", "");
    format!("the payment is still {state}")
}
