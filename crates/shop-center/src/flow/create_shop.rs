//! Opens a shop of a merchant, once.

use store::{Guard, row};
use work::By;

use super::create::{create, existing, vanished};
use super::{Created, find};
use crate::error::What;
use crate::model::{Merchant, Shop};
use crate::queries::{SHOPS_INSERT, SHOPS_WINNER};
use crate::{Inner, ShopCenterError};

static GUARD: Guard = Guard {
    insert: &SHOPS_INSERT,
    winner: &SHOPS_WINNER,
    key: &[0],
};
const NAME: &str = "shops/create";

/// Creates it, or answers the one that exists if it was created with the same content.
pub(crate) async fn create_shop(
    center: &Inner,
    shop: Shop,
    by: &By,
) -> Result<Created<Shop>, ShopCenterError> {
    // Merchants are never deleted, so one that is found stays.
    let merchant = find::<Merchant>(&center.db, shop.merchant_id).await?;
    merchant.ok_or(ShopCenterError::Missing(What::Merchant, shop.merchant_id))?;
    let Shop {
        id,
        merchant_id,
        name,
        status,
        kind,
    } = &shop;
    let (status, kind) = (i32::from(*status), i32::from(*kind));
    let columns = row![*id, *merchant_id, name.as_str(), status, kind];
    let made = create(&center.db, &shop, (NAME, &GUARD), (columns, by)).await;
    center.lookups.forget_shop(*id).await;
    if let Some(made) = made? {
        return Ok(Created::now(made));
    }
    let existing = existing(&center.db, &shop).await?;
    existing.map(Created::before).ok_or_else(|| vanished(NAME))
}
