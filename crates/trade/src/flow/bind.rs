//! `BindPayer`: who will pay. No payer identity ever blocks PAID.

use domain::Binding;
use work::Violations;

use crate::content::order_no;
use crate::error::TradeError;
use crate::order::{Line, StoredOrder};
use crate::{Inner, flow};

const PAYER: usize = 128;

/// Binds the payer; again with the same one changes nothing.
pub(crate) async fn bind(
    trade: &Inner,
    order: &str,
    payer_id: String,
) -> Result<StoredOrder, TradeError> {
    let no = order_no(order)?;
    let mut wrong = Violations::default();
    let right = (1..=PAYER).contains(&payer_id.len()) && !payer_id.contains(char::is_control);
    wrong.unless(
        right,
        "payer_id",
        "must be 1 to 128 bytes without control characters",
    );
    wrong.into_result()?;
    for _ in 0..flow::DECISIONS {
        let order = flow::load(&trade.db, no).await?;
        match &order.payer_id {
            Some(bound) if *bound == payer_id => return Ok(order),
            Some(_) => return Err(TradeError::PayerDiffers(no)),
            None => {}
        }
        match bound(trade, &order, &payer_id).await {
            Err(error) if error.is_conflict() => {}
            outcome => return outcome,
        }
    }
    Err(TradeError::Contended(no))
}

async fn bound(
    trade: &Inner,
    order: &StoredOrder,
    payer_id: &str,
) -> Result<StoredOrder, TradeError> {
    let now = trade.db.clock().now();
    let to = StoredOrder {
        binding: Binding::Bound,
        payer_id: Some(payer_id.to_owned()),
        ..order.next()
    };
    let line = Line {
        event: "BIND",
        actor: "rpc".into(),
        detail: String::new(),
    };
    trade
        .db
        .submit(order.change("order/bind", &to, &line, now))
        .await?;
    trade.watched.ring(order.no);
    Ok(to)
}
