//! `CancelOrder`, and the limits: an order is revoked at once when nothing is being paid, else
//! as soon as its payment is known to be dead.

use domain::{Binding, CanceledBy, OrderCommand, OrderNo};
use proto::trade::v1 as wire;
use work::Violations;

use crate::content::order_no;
use crate::error::TradeError;
use crate::order::{Line, StoredOrder};
use crate::{Inner, flow};

const REASON: usize = 100;

/// Revokes it for the customer or the store; once more changes nothing.
pub(crate) async fn cancel(
    trade: &Inner,
    request: wire::CancelOrderRequest,
) -> Result<StoredOrder, TradeError> {
    let mut wrong = Violations::default();
    let no = order_no(&request.order_no);
    let by = match request.by() {
        wire::CancelType::Customer => Some(CanceledBy::Customer),
        wire::CancelType::Store => Some(CanceledBy::Store),
        wire::CancelType::Unspecified | wire::CancelType::System => None,
    };
    wrong.unless(
        by.is_some(),
        "by",
        "must be CANCEL_TYPE_CUSTOMER or CANCEL_TYPE_STORE",
    );
    let reason = &request.reason;
    wrong.unless(
        reason.chars().count() <= REASON && !reason.contains(char::is_control),
        "reason",
        "must be at most 100 characters, none of them a control character",
    );
    wrong.into_result()?;
    let by = by.unwrap_or(CanceledBy::Customer);
    let line = Line {
        event: OrderCommand::Cancel { by }.name(),
        actor: "rpc".into(),
        detail: format!("{by} {reason}").trim_end().to_owned(),
    };
    let revoked = revoke(trade, no?, OrderCommand::Cancel { by }, &line).await?;
    Ok(revoked.0)
}

/// The order after a cancel or a limit, and whether this call changed it.
pub(crate) async fn revoke(
    trade: &Inner,
    no: OrderNo,
    command: OrderCommand,
    line: &Line,
) -> Result<(StoredOrder, bool), TradeError> {
    for _ in 0..flow::DECISIONS {
        let order = flow::load(&trade.db, no).await?;
        match revoked(trade, order, command, line).await {
            Err(error) if error.is_conflict() => {}
            outcome => return outcome,
        }
    }
    Err(TradeError::Contended(no))
}

async fn revoked(
    trade: &Inner,
    order: StoredOrder,
    command: OrderCommand,
    line: &Line,
) -> Result<(StoredOrder, bool), TradeError> {
    let binds = command == OrderCommand::BindLimit;
    if binds && order.binding != Binding::Unbound {
        return Ok((order, false));
    }
    let Some(state) = order.state.command(command)?.moved_to() else {
        return Ok((order, false));
    };
    let mut to = StoredOrder {
        state,
        ..order.next()
    };
    if binds {
        to.binding = Binding::BindExpired;
    }
    let now = trade.db.clock().now();
    let write = order.change("order/revoke", &to, line, now);
    trade.db.submit(write).await?;
    trade.watched.ring(order.no);
    Ok((to, true))
}
