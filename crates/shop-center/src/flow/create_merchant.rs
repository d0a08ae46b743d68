//! Registers a merchant, once.

use store::{Db, Guard, Write, row};

use super::{Created, get_merchant, vanished};
use crate::ShopCenterError;
use crate::model::Merchant;
use crate::queries::{MERCHANTS_INSERT, MERCHANTS_WINNER};

static GUARD: Guard = Guard {
    insert: &MERCHANTS_INSERT,
    winner: &MERCHANTS_WINNER,
    key: &[0],
};
const NAME: &str = "merchants/create";

/// Creates it, or answers the one that exists if its content is the same.
pub(crate) async fn create_merchant(
    db: &Db,
    merchant: Merchant,
) -> Result<Created<Merchant>, ShopCenterError> {
    let Merchant {
        id,
        name,
        late_money,
        created_at,
    } = &merchant;
    let guard = row![*id, name.as_str(), late_money.code(), *created_at];
    if db.wins(Write::new(NAME, &GUARD, guard)).await? {
        return Ok(Created {
            it: merchant,
            created: true,
        });
    }
    let existing = get_merchant::find(db, merchant.id)
        .await?
        .ok_or_else(|| vanished(NAME))?;
    if !existing.has_content_of(&merchant) {
        return Err(ShopCenterError::MerchantDiffers(merchant.id));
    }
    Ok(Created {
        it: existing,
        created: false,
    })
}
