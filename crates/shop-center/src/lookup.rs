//! What others look up all the time: shops, their merchants and accounts, read through the
//! cache. An id nobody knows costs one read in `negative_ttl`, however often it is asked for.

mod gate;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use prost::Message;
use proto::shop::v1;
use seam::Clock;
use store::cache::{Cache, ReadThrough, ReadThroughSettings};
use store::{Db, StoreError};
use tracing::warn;
use work::Page;

use crate::convert::Owner;
use crate::model::{Account, Entity, Merchant, Shop};
use crate::{ShopCenterConfig, ShopCenterError, flow};

pub(crate) use gate::Gate;

/// Why something could not be looked up.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// Too many lookups read the database already.
    #[error("too many ask for what is not known, try again")]
    Busy,
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Shops, merchants and accounts, from the cache or else from the database.
pub(crate) struct Lookups {
    db: Db,
    gate: Arc<Gate>,
    at_once: usize,
    shops: ReadThrough<LookupError>,
    merchants: ReadThrough<LookupError>,
    accounts: ReadThrough<LookupError>,
}

type Loaded = Result<Option<Vec<u8>>, LookupError>;

impl Lookups {
    pub(crate) fn new(db: Db, config: &ShopCenterConfig, cache: &Arc<dyn Cache>) -> Self {
        let shelf = |name| {
            let settings = ReadThroughSettings {
                name,
                ttl: config.cache_ttl,
                negative_ttl: config.negative_ttl,
                // Callers have caches of their own to live on while we are away.
                stale: Duration::ZERO,
                remembered: Duration::ZERO,
            };
            let clock: Arc<dyn Clock> = Arc::clone(db.clock());
            ReadThrough::new(settings, Arc::clone(cache), clock)
        };
        Self {
            gate: Arc::new(Gate::new(config.lookups, config.lookup_wait)),
            at_once: usize::from(config.lookups),
            // The names are unlike those of the callers' caches, which may be the same cache.
            shops: shelf("shop_center_shops"),
            merchants: shelf("shop_center_merchants"),
            accounts: shelf("shop_center_accounts"),
            db,
        }
    }

    /// How many lookups of one call may run at the same time.
    pub(crate) fn at_once(&self) -> usize {
        self.at_once
    }

    /// A shop, if there is one.
    pub(crate) async fn shop(&self, id: i64) -> Result<Option<v1::Shop>, ShopCenterError> {
        let is_it = |shop: &v1::Shop| shop.shop_id == id;
        find(
            &self.shops,
            &id.to_string(),
            || self.load::<Shop>(id),
            is_it,
        )
        .await
    }

    /// A merchant, if there is one.
    pub(crate) async fn merchant(&self, id: i64) -> Result<Option<v1::Merchant>, ShopCenterError> {
        let is_it = |merchant: &v1::Merchant| merchant.merchant_id == id;
        let load = || self.load::<Merchant>(id);
        find(&self.merchants, &id.to_string(), load, is_it).await
    }

    /// The first page of somebody's accounts; its size must always be the same.
    pub(crate) async fn accounts(
        &self,
        owner: &Owner,
        page: &Page,
    ) -> Result<v1::ListMerchantAccountsResponse, ShopCenterError> {
        let load = || self.load_accounts(owner.clone(), page.clone());
        let is_it = |listed: &v1::ListMerchantAccountsResponse| {
            listed.accounts.iter().all(|account| is_of(account, owner))
        };
        let found = find(&self.accounts, &owner.key(), load, is_it).await?;
        Ok(found.unwrap_or_default())
    }

    /// To be called after each write of a shop, whatever became of it.
    pub(crate) async fn forget_shop(&self, id: i64) {
        self.shops.forget(&id.to_string()).await;
    }

    /// The same for a merchant.
    pub(crate) async fn forget_merchant(&self, id: i64) {
        self.merchants.forget(&id.to_string()).await;
    }

    /// The same for an account.
    pub(crate) async fn forget_account(&self, account: &Account) {
        let route = &account.route;
        let merchant = Owner::ChannelMerchant(route.channel, route.mch_id.clone());
        for owner in [Owner::Shop(route.shop_id), merchant] {
            self.accounts.forget(&owner.key()).await;
        }
    }

    fn load<T: Entity>(&self, id: i64) -> BoxFuture<'static, Loaded> {
        let (db, gate) = (self.db.clone(), Arc::clone(&self.gate));
        async move {
            let _place = gate.enter().await?;
            let found = flow::find::<T>(&db, id).await?;
            Ok(found.map(|kept| kept.into_message().encode_to_vec()))
        }
        .boxed()
    }

    fn load_accounts(&self, owner: Owner, page: Page) -> BoxFuture<'static, Loaded> {
        let (db, gate) = (self.db.clone(), Arc::clone(&self.gate));
        async move {
            let _place = gate.enter().await?;
            let listed = flow::accounts(&db, &owner, page).await?;
            Ok(Some(listed.encode_to_vec()).filter(|_| !listed.accounts.is_empty()))
        }
        .boxed()
    }

    #[cfg(test)]
    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Puts a shop where another belongs.
    #[cfg(test)]
    pub(crate) async fn plant(&self, id: i64, shop: &v1::Shop) {
        self.forget_shop(id).await;
        let (key, bytes) = (id.to_string(), shop.encode_to_vec());
        let planted = self.shops.get(&key, |_| async { Ok(Some(bytes)) });
        assert!(planted.await.is_ok());
    }
}

// What the cache has under a key is believed only if it is about that very thing.
async fn find<M: Message + Default>(
    through: &ReadThrough<LookupError>,
    key: &str,
    load: impl Fn() -> BoxFuture<'static, Loaded>,
    is_it: impl Fn(&M) -> bool,
) -> Result<Option<M>, ShopCenterError> {
    let Some(bytes) = through.get(key, |_| load()).await? else {
        return Ok(None);
    };
    if let Some(found) = M::decode(bytes.as_slice()).ok().filter(&is_it) {
        return Ok(Some(found));
    }
    warn!(key, "the cache has something else under this key");
    through.forget(key).await;
    let loaded = load().await.map_err(Arc::new)?;
    Ok(loaded.and_then(|bytes| M::decode(bytes.as_slice()).ok()))
}

fn is_of(account: &v1::MerchantAccount, owner: &Owner) -> bool {
    match owner {
        Owner::Shop(id) => account.shop_id == *id,
        Owner::ChannelMerchant(channel, mch_id) => {
            account.channel == i32::from(channel.code()) && account.mch_id == *mch_id
        }
    }
}
