//! `GetTimeline`: the order's story, line by line.

use domain::OrderNo;
use proto::trade::v1::{Settlement, TimelineEntry};
use store::row;

use crate::error::TradeError;
use crate::order::StoredOrder;
use crate::{Inner, convert, flow, queries};

/// The order, its lines and its settlements.
pub(crate) async fn timeline(
    trade: &Inner,
    no: OrderNo,
) -> Result<(StoredOrder, Vec<TimelineEntry>, Vec<Settlement>), TradeError> {
    let order = flow::load(&trade.db, no).await?;
    let lines = trade
        .db
        .fetch_all(&queries::ORDER_LOG_LIST, row![no.get()])
        .await?;
    let settled = trade
        .db
        .fetch_all(&queries::SETTLEMENTS_LIST, row![no.get()])
        .await?;
    let lines = lines.iter().map(convert::line).collect::<Result<_, _>>()?;
    let settled = settled
        .iter()
        .map(|row| convert::settlement(&order, row, trade.environment));
    let settled = settled.collect::<Result<_, _>>()?;
    Ok((order, lines, settled))
}
