//! Changes an account, but never where its money goes.

use work::By;

use super::change::{Named, change};
use crate::convert::Update;
use crate::model::{Account, AccountChange, Kept};
use crate::{Inner, ShopCenterError};

const NAMED: Named = Named {
    write: "merchant_accounts/update",
    event: "UPDATE",
};

/// The account as it is after the change.
pub(crate) async fn update_merchant_account(
    center: &Inner,
    update: Update<AccountChange>,
    by: &By,
) -> Result<Kept<Account>, ShopCenterError> {
    let apply = |it, change: &AccountChange| Ok(change.apply(it));
    let changed = change(&center.db, &update, (NAMED, by), apply).await;
    // Whose lists it stands in never changes, so this account knows, whatever became of it.
    if let Some(kept) = super::find::<Account>(&center.db, update.id).await? {
        center.lookups.forget_account(&kept.it).await;
    }
    changed
}
