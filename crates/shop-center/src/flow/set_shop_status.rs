//! Suspends, reopens or closes a shop.

use proto::shop::v1::ShopStatus;
use work::By;

use super::change::{Named, change};
use crate::convert::Update;
use crate::model::{Kept, Shop};
use crate::{Inner, ShopCenterError};

const NAMED: Named = Named {
    write: "shops/set_status",
    event: "SET_STATUS",
};

/// The shop as it is after the change.
pub(crate) async fn set_shop_status(
    center: &Inner,
    update: Update<ShopStatus>,
    by: &By,
) -> Result<Kept<Shop>, ShopCenterError> {
    let becomes = |shop: Shop, status: &ShopStatus| shop.becomes(*status);
    let changed = change(&center.db, &update, (NAMED, by), becomes).await;
    center.lookups.forget_shop(update.id).await;
    changed
}
