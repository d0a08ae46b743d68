//! Changes a merchant.

use work::By;

use super::change::{Named, change};
use crate::convert::Update;
use crate::model::{Kept, Merchant, MerchantChange};
use crate::{Inner, ShopCenterError};

const NAMED: Named = Named {
    write: "merchants/update",
    event: "UPDATE",
};

/// The merchant as it is after the change.
pub(crate) async fn update_merchant(
    center: &Inner,
    update: Update<MerchantChange>,
    by: &By,
) -> Result<Kept<Merchant>, ShopCenterError> {
    let apply = |it, change: &MerchantChange| Ok(change.apply(it)?);
    let changed = change(&center.db, &update, (NAMED, by), apply).await;
    center.lookups.forget_merchant(update.id).await;
    changed
}
