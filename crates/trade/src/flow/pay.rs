//! `PayOrder`: the intent is written before pay-gateway is asked; the same request id is the
//! same attempt, whatever happened in between.

mod ask;
mod wanted;

use domain::{Attempt, Direction, OrderCommand, OrderState};
use proto::trade::v1 as wire;
use store::{Guard, Write, row};

use crate::attempt::StoredAttempt;
use crate::error::TradeError;
use crate::order::{Line, StoredOrder};
use crate::{Inner, flow, queries};

use ask::{ask, replace};
use wanted::Wanted;

static REQUESTED: Guard = Guard {
    insert: &queries::PAY_REQUESTS_INSERT,
    winner: &queries::PAY_REQUESTS_WINNER,
    key: &[0, 1],
};

/// What `PayOrder` answers.
pub(crate) struct Paying {
    pub(crate) order: StoredOrder,
    pub(crate) attempt: Attempt,
    pub(crate) pay_info: String,
}

/// Starts a payment, or takes up the one that is live.
pub(crate) async fn pay(
    trade: &Inner,
    request: wire::PayOrderRequest,
) -> Result<Paying, TradeError> {
    let wanted = Wanted::of(request)?;
    for _ in 0..flow::DECISIONS {
        // Known requests are looked up before the order is read, which then is as new.
        let known = known(trade, &wanted).await?;
        let order = flow::load(&trade.db, wanted.no).await?;
        let intended = match known {
            Some(attempt) => Ok(Some((order, attempt))),
            None => intend(trade, order, &wanted).await,
        };
        match intended {
            Ok(Some((order, attempt))) => return ask(trade, order, attempt, &wanted).await,
            // The live payment turned out to be over.
            Ok(None) => {}
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error),
        }
    }
    Err(TradeError::Contended(wanted.no))
}

// The attempt this request id stands for, if it was used before.
async fn known(trade: &Inner, wanted: &Wanted) -> Result<Option<Attempt>, TradeError> {
    let key = row![wanted.no.get(), wanted.request_id.clone()];
    let found = trade
        .db
        .fetch_optional(&queries::PAY_REQUESTS_GET, key)
        .await?;
    let Some(row) = found else { return Ok(None) };
    if row.int("pay_type")? != i64::from(wanted.pay_type.code()) {
        return Err(TradeError::RequestDiffers(wanted.no));
    }
    let attempt = Attempt::try_from(row.int("attempt")?);
    Ok(Some(attempt.map_err(|e| row.corrupt("attempt", e))?))
}

// The attempt a new request stands for, on record before anybody is asked to pay; none: to be
// decided again.
async fn intend(
    trade: &Inner,
    order: StoredOrder,
    wanted: &Wanted,
) -> Result<Option<(StoredOrder, Attempt)>, TradeError> {
    in_time(trade, &order)?;
    if let OrderState::Paying { payment } = order.state {
        if order.pay_type == Some(wanted.pay_type) {
            return join(trade, order, payment, wanted).await.map(Some);
        }
        replace(trade, &order, payment).await?;
        return Ok(None);
    }
    let last = order.state.payment();
    let attempt = last.map_or(Some(Attempt::FIRST), Attempt::next);
    let attempt = attempt.ok_or(TradeError::Contended(order.no))?;
    let step = order
        .state
        .command(OrderCommand::Pay { payment: attempt })?;
    // Only now: where nobody may pay, a payer would not help. Whoever shows a code is there.
    let scans = wanted.pay_type.direction() == Direction::CustomerScans;
    if scans && order.payer_id.is_none() {
        return Err(TradeError::PayerNotBound(order.no));
    }
    let Some(state) = step.moved_to() else {
        return Ok(Some((order, attempt)));
    };
    let to = begin(trade, &order, (state, attempt), wanted).await?;
    Ok(Some((to, attempt)))
}

// Its job revokes it; it may be late.
fn in_time(trade: &Inner, order: &StoredOrder) -> Result<(), TradeError> {
    let may_pay = matches!(
        order.state,
        OrderState::Unpaid | OrderState::Paying { .. } | OrderState::PayFailed { .. }
    );
    if may_pay && trade.db.clock().now() >= order.pay_limit_at {
        return Err(TradeError::PayLimitPassed(order.no));
    }
    Ok(())
}

// The same way of paying, and the same payer, since an order is bound once: what is live serves
// this request too, for good.
async fn join(
    trade: &Inner,
    order: StoredOrder,
    payment: Attempt,
    wanted: &Wanted,
) -> Result<(StoredOrder, Attempt), TradeError> {
    let request = wanted.request_row(payment, trade.db.clock().now());
    trade
        .db
        .submit(Write::new("order/join_payment", &REQUESTED, request))
        .await?;
    Ok((order, payment))
}

async fn begin(
    trade: &Inner,
    order: &StoredOrder,
    (state, attempt): (OrderState, Attempt),
    wanted: &Wanted,
) -> Result<StoredOrder, TradeError> {
    let now = trade.db.clock().now();
    let to = StoredOrder {
        state,
        pay_type: Some(wanted.pay_type),
        ..order.next()
    };
    let detail = order.out_trade_no(attempt, trade.environment).to_string();
    let line = Line {
        event: "PAY",
        actor: "rpc".into(),
        detail,
    };
    // The request's own write id says nothing: the order's line is the guard.
    let request = [wanted.request_row(attempt, now), row![0]].concat();
    let write = order
        .change("order/pay", &to, &line, now)
        .insert(&queries::PAY_REQUESTS_INSERT, request);
    let write = StoredAttempt::new(attempt, wanted.pay_type).insert_into(write, order.no, now);
    trade.db.submit(write).await?;
    trade.watched.ring(order.no);
    Ok(to)
}
