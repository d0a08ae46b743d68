//! Records an account a channel gave a shop, once.

use store::{Db, Guard, Value, row};
use work::By;

use super::create::{create, existing, vanished};
use super::{Created, find};
use crate::error::What;
use crate::model::{Account, Entity, Route, Shop};
use crate::queries::{ACCOUNTS_INSERT, ACCOUNTS_OF_ROUTE, ACCOUNTS_WINNER};
use crate::{Inner, ShopCenterError};

static GUARD: Guard = Guard {
    insert: &ACCOUNTS_INSERT,
    winner: &ACCOUNTS_WINNER,
    key: &[0],
};
const NAME: &str = "merchant_accounts/create";

/// Creates it, or answers the one that exists if it was created with the same content.
pub(crate) async fn create_merchant_account(
    center: &Inner,
    account: Account,
    by: &By,
) -> Result<Created<Account>, ShopCenterError> {
    let shop_id = account.route.shop_id;
    // Shops are never deleted, so one that is found stays.
    let shop = find::<Shop>(&center.db, shop_id).await?;
    shop.ok_or(ShopCenterError::Missing(What::Shop, shop_id))?;
    let columns = columns(&account);
    let made = create(&center.db, &account, (NAME, &GUARD), (columns, by)).await;
    center.lookups.forget_account(&account).await;
    if let Some(made) = made? {
        return Ok(Created::now(made));
    }
    match existing(&center.db, &account).await? {
        Some(existing) => Ok(Created::before(existing)),
        None => Err(taken(&center.db, &account.route).await?),
    }
}

fn columns(account: &Account) -> Vec<Value> {
    [row![account.id], account.route.row(), account.changeable()].concat()
}

// Not the same id, so it was the same route.
async fn taken(db: &Db, route: &Route) -> Result<ShopCenterError, ShopCenterError> {
    let found = db.fetch_optional(&ACCOUNTS_OF_ROUTE, route.row()).await?;
    let id = found.map(|row| row.int("account_id")).transpose()?;
    Ok(id.map_or_else(|| vanished(NAME), ShopCenterError::AccountTaken))
}
