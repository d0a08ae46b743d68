//! Records an account a channel gave a shop, once.

use store::{Db, Guard, Query, StoreError, Value, Write, row};

use super::{Created, get_shop, vanished};
use crate::ShopCenterError;
use crate::model::{Account, Route};
use crate::queries::{ACCOUNTS_GET, ACCOUNTS_INSERT, ACCOUNTS_OF_ROUTE, ACCOUNTS_WINNER};

static GUARD: Guard = Guard {
    insert: &ACCOUNTS_INSERT,
    winner: &ACCOUNTS_WINNER,
    key: &[0],
};
const NAME: &str = "merchant_accounts/create";

/// Creates it, or answers the one that exists if its content is the same.
pub(crate) async fn create_merchant_account(
    db: &Db,
    account: Account,
) -> Result<Created<Account>, ShopCenterError> {
    let shop_id = account.route.shop_id;
    // Shops are never deleted, so one that is found stays.
    if get_shop::find(db, shop_id).await?.is_none() {
        return Err(ShopCenterError::NoShop(shop_id));
    }
    if db.wins(Write::new(NAME, &GUARD, guard(&account))).await? {
        return Ok(Created {
            it: account,
            created: true,
        });
    }
    let existing = existing(db, &account).await?;
    if existing.id != account.id {
        return Err(ShopCenterError::AccountTaken(existing.id));
    }
    if !existing.has_content_of(&account) {
        return Err(ShopCenterError::AccountDiffers(account.id));
    }
    Ok(Created {
        it: existing,
        created: false,
    })
}

fn guard(account: &Account) -> Vec<Value> {
    let Account {
        id,
        route,
        sign_agentno,
        key_name,
        weight,
        enabled,
        created_at,
    } = account;
    row![
        *id,
        route.shop_id,
        route.channel.code(),
        route.pay_type.code(),
        route.mch_id.as_str(),
        sign_agentno.as_str(),
        key_name.as_str(),
        *weight,
        *enabled,
        *created_at
    ]
}

// The account that was there first: the one with the same id, else the one with the same route.
async fn existing(db: &Db, account: &Account) -> Result<Account, StoreError> {
    if let Some(same_id) = find(db, &ACCOUNTS_GET, row![account.id]).await? {
        return Ok(same_id);
    }
    let Route {
        shop_id,
        channel,
        pay_type,
        mch_id,
    } = &account.route;
    let route = row![*shop_id, channel.code(), pay_type.code(), mch_id.as_str()];
    find(db, &ACCOUNTS_OF_ROUTE, route)
        .await?
        .ok_or_else(|| vanished(NAME))
}

async fn find(
    db: &Db,
    query: &'static Query,
    key: Vec<Value>,
) -> Result<Option<Account>, StoreError> {
    let found = db.fetch_optional(query, key).await?;
    found.as_ref().map(Account::read).transpose()
}
