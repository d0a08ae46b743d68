//! Reads a shop and its merchant.

use store::{Db, StoreError, row};

use crate::ShopCenterError;
use crate::model::{Merchant, Shop};
use crate::queries::SHOPS_GET;

/// The shop, which must exist, and its merchant.
pub(crate) async fn get_shop(db: &Db, id: i64) -> Result<(Shop, Merchant), ShopCenterError> {
    find(db, id).await?.ok_or(ShopCenterError::ShopNotFound(id))
}

pub(super) async fn find(db: &Db, id: i64) -> Result<Option<(Shop, Merchant)>, StoreError> {
    let found = db.fetch_optional(&SHOPS_GET, row![id]).await?;
    found
        .map(|row| Ok((Shop::read(&row)?, Merchant::read(&row)?)))
        .transpose()
}
