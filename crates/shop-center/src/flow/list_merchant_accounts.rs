//! Lists the accounts of a shop, or those behind one channel merchant id, a page at a time.

use proto::shop::v1::ListMerchantAccountsResponse;
use store::{Db, StoreError, row};
use work::Page;

use crate::convert::{ACCOUNTS, Owner};
use crate::model::{Account, Kept};
use crate::queries::{ACCOUNTS_OF_MCH_ID, ACCOUNTS_OF_SHOP};
use crate::{Inner, ShopCenterError};

/// A page of them, ordered by id; the disabled ones too.
pub(crate) async fn list_merchant_accounts(
    center: &Inner,
    owner: Owner,
    page: Page,
) -> Result<ListMerchantAccountsResponse, ShopCenterError> {
    // What services ask for; operators may turn over more pages, and see what is true now.
    if page.after().is_none() && page.size() == ACCOUNTS.default {
        return center.lookups.accounts(&owner, &page).await;
    }
    Ok(accounts(&center.db, &owner, page).await?)
}

/// The same, past every cache.
pub(crate) async fn accounts(
    db: &Db,
    owner: &Owner,
    page: Page,
) -> Result<ListMerchantAccountsResponse, StoreError> {
    let (after, limit) = (page.after().unwrap_or(0), page.limit());
    let rows = match owner {
        Owner::Shop(shop_id) => {
            let asked = row![*shop_id, after, limit];
            db.fetch_all(&ACCOUNTS_OF_SHOP, asked).await?
        }
        Owner::ChannelMerchant(channel, mch_id) => {
            let asked = row![channel.code(), mch_id.as_str(), after, limit];
            db.fetch_all(&ACCOUNTS_OF_MCH_ID, asked).await?
        }
    };
    let found: Vec<Kept<Account>> = rows.iter().map(Kept::read).collect::<Result<_, _>>()?;
    let (found, next_page_token) = page.cut(found, |kept| kept.it.id);
    Ok(ListMerchantAccountsResponse {
        accounts: found.into_iter().map(Kept::into_message).collect(),
        next_page_token,
    })
}
