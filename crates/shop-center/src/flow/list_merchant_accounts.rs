//! Lists the accounts of a shop, or those behind one channel merchant id.

use store::{Db, row};

use crate::ShopCenterError;
use crate::convert::Owner;
use crate::model::Account;
use crate::queries::{ACCOUNTS_OF_MCH_ID, ACCOUNTS_OF_SHOP};

/// The accounts, ordered by id; the disabled ones too.
pub(crate) async fn list_merchant_accounts(
    db: &Db,
    owner: Owner,
) -> Result<Vec<Account>, ShopCenterError> {
    let rows = match owner {
        Owner::Shop(shop_id) => db.fetch_all(&ACCOUNTS_OF_SHOP, row![shop_id]).await?,
        Owner::ChannelMerchant(channel, mch_id) => {
            db.fetch_all(&ACCOUNTS_OF_MCH_ID, row![channel.code(), mch_id])
                .await?
        }
    };
    Ok(rows.iter().map(Account::read).collect::<Result<_, _>>()?)
}
