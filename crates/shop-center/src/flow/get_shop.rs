//! Reads a shop and its merchant, as they were a moment ago at the latest.

use proto::shop::v1;

use crate::error::What;
use crate::{Inner, ShopCenterError};

/// The shop, which must exist, and its merchant.
pub(crate) async fn get_shop(
    center: &Inner,
    id: i64,
) -> Result<(v1::Shop, v1::Merchant), ShopCenterError> {
    let shop = center.lookups.shop(id).await?;
    let shop = shop.ok_or(ShopCenterError::NotFound(What::Shop, id))?;
    let merchant = center.lookups.merchant(shop.merchant_id).await?;
    let gone = ShopCenterError::NotFound(What::Merchant, shop.merchant_id);
    Ok((shop, merchant.ok_or(gone)?))
}
