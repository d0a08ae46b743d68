//! Reads several shops, as they were a moment ago at the latest.

use futures::stream::{self, StreamExt, TryStreamExt};
use proto::shop::v1::BatchGetShopsResponse;

use crate::{Inner, ShopCenterError};

/// Those that exist, in the order of the ids, and the ids of those that do not.
pub(crate) async fn batch_get_shops(
    center: &Inner,
    ids: Vec<i64>,
) -> Result<BatchGetShopsResponse, ShopCenterError> {
    let lookups = &center.lookups;
    let found = stream::iter(ids.clone())
        .map(|id| lookups.shop(id))
        .buffered(lookups.at_once());
    let found: Vec<_> = found.try_collect().await?;
    let missing = ids.iter().zip(&found).filter(|(_, shop)| shop.is_none());
    Ok(BatchGetShopsResponse {
        missing_shop_ids: missing.map(|(id, _)| *id).collect(),
        shops: found.into_iter().flatten().collect(),
    })
}
