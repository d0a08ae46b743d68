//! Registers a merchant, once.

use store::{Guard, row};
use work::By;

use super::Created;
use super::create::{create, existing, vanished};
use crate::model::{Entity, Merchant};
use crate::queries::{MERCHANTS_INSERT, MERCHANTS_WINNER};
use crate::{Inner, ShopCenterError};

static GUARD: Guard = Guard {
    insert: &MERCHANTS_INSERT,
    winner: &MERCHANTS_WINNER,
    key: &[0],
};
const NAME: &str = "merchants/create";

/// Creates it, or answers the one that exists if it was created with the same content.
pub(crate) async fn create_merchant(
    center: &Inner,
    merchant: Merchant,
    by: &By,
) -> Result<Created<Merchant>, ShopCenterError> {
    let columns = [row![merchant.id], merchant.changeable()].concat();
    let made = create(&center.db, &merchant, (NAME, &GUARD), (columns, by)).await;
    center.lookups.forget_merchant(merchant.id).await;
    if let Some(made) = made? {
        return Ok(Created::now(made));
    }
    let existing = existing(&center.db, &merchant).await?;
    existing.map(Created::before).ok_or_else(|| vanished(NAME))
}
