//! `RejectOrder` (拒单): the shop will not make what was ordered, so what is left of the
//! money goes back, without anybody's approval.

use domain::{CanceledBy, OrderNo, RefundOrigin};
use proto::trade::v1::RejectOrderRequest;
use work::Violations;

use crate::error::TradeError;
use crate::flow::refunds::{DECISIONS, check_reason, opened, read};
use crate::order::StoredOrder;
use crate::refund::{self, Opening, StoredRefund};
use crate::{Inner, flow};

/// Rejects the order; again changes nothing.
pub(crate) async fn reject(
    trade: &Inner,
    request: &RejectOrderRequest,
) -> Result<StoredOrder, TradeError> {
    let mut wrong = Violations::default();
    let no = wrong.take("order_no", read::<OrderNo>(&request.order_no));
    check_reason(&mut wrong, &request.reason);
    let (Some(no), true) = (no, wrong.is_empty()) else {
        return Err(wrong.into());
    };
    for _ in 0..DECISIONS {
        let order = flow::load(&trade.db, no).await?;
        // After the order: whatever came between makes the write a conflict.
        let refunds = StoredRefund::of_order(&trade.db, no).await?;
        if refunds
            .iter()
            .any(|it| it.origin == RefundOrigin::Rejection)
        {
            return flow::load(&trade.db, no).await;
        }
        order.fulfilment.reject(order.state.status())?;
        let opening = opening(trade, &order, (&refunds, &request.reason))?;
        match opened(trade, &order, refunds, (opening, "REJECT")).await {
            Err(error) if error.is_conflict() => tokio::task::yield_now().await,
            outcome => return outcome.map(|(_, order)| order),
        }
    }
    Err(TradeError::Contended(no))
}

fn opening(
    trade: &Inner,
    order: &StoredOrder,
    (refunds, reason): (&[StoredRefund], &str),
) -> Result<Opening, TradeError> {
    let payment = order.state.payment();
    let number = payment.map(|payment| order.out_trade_no(payment, trade.environment));
    let key = number.and_then(|number| RefundOrigin::Rejection.key(number));
    Ok(Opening {
        // A platform's money has no payment of ours to name.
        merchant_refund_no: key.unwrap_or_else(|| format!("reject:{}", order.no)),
        payment,
        amount: refund::tally(order, refunds)?.refundable(),
        origin: RefundOrigin::Rejection,
        by: CanceledBy::Store,
        reason: reason.to_owned(),
    })
}
