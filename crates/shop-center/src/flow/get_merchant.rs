//! Reads a merchant.

use store::{Db, StoreError, row};

use crate::ShopCenterError;
use crate::model::Merchant;
use crate::queries::MERCHANTS_GET;

/// The merchant, which must exist.
pub(crate) async fn get_merchant(db: &Db, id: i64) -> Result<Merchant, ShopCenterError> {
    find(db, id)
        .await?
        .ok_or(ShopCenterError::MerchantNotFound(id))
}

pub(super) async fn find(db: &Db, id: i64) -> Result<Option<Merchant>, StoreError> {
    let found = db.fetch_optional(&MERCHANTS_GET, row![id]).await?;
    found.as_ref().map(Merchant::read).transpose()
}
