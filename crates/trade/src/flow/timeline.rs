//! `GetTimeline`: the order's story, line by line.

use domain::OrderNo;
use proto::trade::v1::GetTimelineResponse;
use store::row;

use crate::error::TradeError;
use crate::refund::StoredRefund;
use crate::{Inner, convert, flow, queries};

/// The order, its lines, its refunds, what was settled for it and what was found without a
/// callback.
pub(crate) async fn timeline(
    trade: &Inner,
    no: OrderNo,
) -> Result<GetTimelineResponse, TradeError> {
    let (db, environment) = (&trade.db, trade.environment);
    let order = flow::load(db, no).await?;
    let lines = db
        .fetch_all(&queries::ORDER_LOG_LIST, row![no.get()])
        .await?;
    let settled = db
        .fetch_all(&queries::SETTLEMENTS_LIST, row![no.get()])
        .await?;
    let remedied = db
        .fetch_all(&queries::REMEDIES_LIST, row![no.get()])
        .await?;
    let refunds = StoredRefund::of_order(db, no).await?;
    let settled = settled
        .iter()
        .map(|row| convert::settlement(&order, row, environment));
    let remedied = remedied
        .iter()
        .map(|row| convert::remedy(&order, row, environment));
    Ok(GetTimelineResponse {
        entries: lines.iter().map(convert::line).collect::<Result<_, _>>()?,
        settlements: settled.collect::<Result<_, _>>()?,
        remedies: remedied.collect::<Result<_, _>>()?,
        order: Some(convert::order(&order, environment)),
        refunds: refunds
            .iter()
            .map(|refund| convert::refund(refund, environment))
            .collect(),
    })
}
