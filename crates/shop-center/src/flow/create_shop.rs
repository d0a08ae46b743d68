//! Opens a shop of a merchant, once.

use store::{Db, Guard, Write, row};

use super::{Created, get_merchant, get_shop, vanished};
use crate::ShopCenterError;
use crate::model::Shop;
use crate::queries::{SHOPS_INSERT, SHOPS_WINNER};

static GUARD: Guard = Guard {
    insert: &SHOPS_INSERT,
    winner: &SHOPS_WINNER,
    key: &[0],
};
const NAME: &str = "shops/create";

/// Creates it, or answers the one that exists if its content is the same.
pub(crate) async fn create_shop(db: &Db, shop: Shop) -> Result<Created<Shop>, ShopCenterError> {
    // Merchants are never deleted, so one that is found stays.
    if get_merchant::find(db, shop.merchant_id).await?.is_none() {
        return Err(ShopCenterError::NoMerchant(shop.merchant_id));
    }
    let Shop {
        id,
        merchant_id,
        name,
        status,
        kind,
        created_at,
    } = &shop;
    let (status, kind) = (i32::from(*status), i32::from(*kind));
    let guard = row![*id, *merchant_id, name.as_str(), status, kind, *created_at];
    if db.wins(Write::new(NAME, &GUARD, guard)).await? {
        return Ok(Created {
            it: shop,
            created: true,
        });
    }
    let (existing, _) = get_shop::find(db, shop.id)
        .await?
        .ok_or_else(|| vanished(NAME))?;
    if !existing.has_content_of(&shop) {
        return Err(ShopCenterError::ShopDiffers(shop.id));
    }
    Ok(Created {
        it: existing,
        created: false,
    })
}
