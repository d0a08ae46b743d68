//! The edges of fulfilment: each call moves an order's goods by one, while its money is here.

use domain::{Fulfilment, IllegalTransition, RefundOrigin, Step};
use tracing::info;

use crate::content::order_no;
use crate::error::TradeError;
use crate::order::{Line, StoredOrder};
use crate::refund::StoredRefund;
use crate::{Inner, flow};

/// Moves the goods to `to`; what lies behind them is achieved already.
pub(crate) async fn advance(
    trade: &Inner,
    order: &str,
    to: Fulfilment,
) -> Result<StoredOrder, TradeError> {
    let no = order_no(order)?;
    for _ in 0..flow::DECISIONS {
        let order = flow::load(&trade.db, no).await?;
        let step = order.fulfilment.advance(to, order.state.status())?;
        let Step::Moved(reached, ()) = step else {
            return Ok(order);
        };
        if to == Fulfilment::Accepted {
            not_rejected(trade, &order).await?;
        }
        match write(trade, &order, reached).await {
            Err(error) if error.is_conflict() => {}
            outcome => return outcome,
        }
    }
    Err(TradeError::Contended(no))
}

// What the shop has rejected it cannot accept any more, though its money is still here.
async fn not_rejected(trade: &Inner, order: &StoredOrder) -> Result<(), TradeError> {
    let refunds = StoredRefund::of_order(&trade.db, order.no).await?;
    let rejected = |refund: &StoredRefund| refund.origin == RefundOrigin::Rejection;
    if !refunds.iter().any(rejected) {
        return Ok(());
    }
    Err(TradeError::Illegal(IllegalTransition {
        machine: "fulfilment",
        from: "REJECTED",
        event: Fulfilment::Accepted.name(),
    }))
}

async fn write(
    trade: &Inner,
    order: &StoredOrder,
    reached: Fulfilment,
) -> Result<StoredOrder, TradeError> {
    let to = StoredOrder {
        fulfilment: reached,
        ..order.next()
    };
    let line = Line {
        event: reached.name(),
        actor: "rpc".into(),
        detail: String::new(),
    };
    let now = trade.db.clock().now();
    let write = order.change("order/fulfil", &to, &line, now);
    trade.db.submit(write).await?;
    trade.watched.ring(order.no);
    info!(order = %order.no, from = %order.fulfilment, to = %reached, "fulfilment");
    Ok(to)
}
