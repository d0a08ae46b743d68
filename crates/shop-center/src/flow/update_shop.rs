//! Changes a shop, all but its status.

use work::By;

use super::change::{Named, change};
use crate::convert::Update;
use crate::model::{Kept, Shop, ShopChange};
use crate::{Inner, ShopCenterError};

const NAMED: Named = Named {
    write: "shops/update",
    event: "UPDATE",
};

/// The shop as it is after the change.
pub(crate) async fn update_shop(
    center: &Inner,
    update: Update<ShopChange>,
    by: &By,
) -> Result<Kept<Shop>, ShopCenterError> {
    let apply = |it, change: &ShopChange| Ok(change.apply(it));
    let changed = change(&center.db, &update, (NAMED, by), apply).await;
    center.lookups.forget_shop(update.id).await;
    changed
}
