//! shop-center: merchants, their shops, and the accounts the channels gave them (进件).
//! It calls nobody; operators write it, trade and pay-gateway read it.

mod config;
mod convert;
mod error;
mod flow;
mod lookup;
mod model;
mod queries;
mod service;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use proto::shop::v1::shop_service_server::ShopServiceServer;
use seam::{Clock, Ids};
use store::cache::Cache;
use store::{Db, DbSettings};

pub use config::ShopCenterConfig;
pub use error::{ShopCenterError, What};
pub use lookup::LookupError;
pub use queries::ALL as QUERIES;
pub use service::Service;

store::migrations!(pub MIGRATIONS =
    100 => "0100_shops",
    101 => "0101_merchant_notifications",
    102 => "0102_account_sub_ids",
);

/// What the service is made of.
pub struct Parts {
    /// How it is set up.
    pub config: ShopCenterConfig,
    /// Its database.
    pub database: DbSettings,
    /// What it read, for a while; others may use the same one.
    pub cache: Arc<dyn Cache>,
}

/// The service over its database; clones share it.
#[derive(Clone)]
pub struct ShopCenter(Arc<Inner>);

pub(crate) struct Inner {
    db: Db,
    lookups: lookup::Lookups,
}

impl ShopCenter {
    /// Opens the database, whose migrations must all be applied.
    pub async fn open(
        parts: Parts,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Self, ShopCenterError> {
        let db = Db::open(&parts.database, MIGRATIONS, clock, ids).await?;
        let lookups = lookup::Lookups::new(db.clone(), &parts.config, &parts.cache);
        Ok(Self(Arc::new(Inner { db, lookups })))
    }

    /// `paymesh.shop.v1.ShopService`, to be added to a server.
    pub fn service(&self) -> ShopServiceServer<Service> {
        ShopServiceServer::new(Service(Arc::clone(&self.0)))
    }

    /// Writes what waits, then closes the database; later calls fail.
    pub async fn close(&self) {
        self.0.db.close().await;
    }
}
