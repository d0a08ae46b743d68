//! The use cases, one file each.

mod batch_get_shops;
mod change;
mod create;
mod create_merchant;
mod create_merchant_account;
mod create_shop;
mod get_merchant;
mod get_shop;
mod list_merchant_accounts;
mod list_merchants;
mod list_shops;
mod set_shop_status;
mod update_merchant;
mod update_merchant_account;
mod update_shop;

use store::{Db, StoreError, row};

use crate::ShopCenterError;
use crate::model::{Entity, Kept};

pub(crate) use batch_get_shops::batch_get_shops;
pub(crate) use create::Created;
pub(crate) use create_merchant::create_merchant;
pub(crate) use create_merchant_account::create_merchant_account;
pub(crate) use create_shop::create_shop;
pub(crate) use get_merchant::get_merchant;
pub(crate) use get_shop::get_shop;
pub(crate) use list_merchant_accounts::{accounts, list_merchant_accounts};
pub(crate) use list_merchants::list_merchants;
pub(crate) use list_shops::list_shops;
pub(crate) use set_shop_status::set_shop_status;
pub(crate) use update_merchant::update_merchant;
pub(crate) use update_merchant_account::update_merchant_account;
pub(crate) use update_shop::update_shop;

/// What is stored now, past every cache.
pub(crate) async fn find<T: Entity>(db: &Db, id: i64) -> Result<Option<Kept<T>>, StoreError> {
    let found = db.fetch_optional(T::GET, row![id]).await?;
    found.as_ref().map(Kept::read).transpose()
}

async fn get<T: Entity>(db: &Db, id: i64) -> Result<Kept<T>, ShopCenterError> {
    let found = find(db, id).await?;
    found.ok_or(ShopCenterError::NotFound(T::WHAT, id))
}
