//! shop-center: merchants, their shops, and the accounts the channels gave them (进件).
//! It calls nobody; operators write it, trade and pay-gateway read it.

mod config;
mod convert;
mod error;
mod flow;
mod model;
mod queries;
mod service;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use proto::shop::v1::shop_service_server::ShopServiceServer;
use seam::{Clock, Ids};
use store::{Db, DbSettings};

pub use config::ShopCenterConfig;
pub use error::{ShopCenterError, Violation};
pub use service::Service;

store::migrations!(pub MIGRATIONS = 100 => "0100_shops");

/// The service over its database; clones share it.
#[derive(Clone)]
pub struct ShopCenter {
    db: Db,
}

impl ShopCenter {
    /// Opens the database, whose migrations must all be applied.
    pub async fn open(
        settings: &DbSettings,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Self, ShopCenterError> {
        Ok(Self {
            db: Db::open(settings, MIGRATIONS, clock, ids).await?,
        })
    }

    /// `paymesh.shop.v1.ShopService`, to be added to a server.
    pub fn service(&self) -> ShopServiceServer<Service> {
        ShopServiceServer::new(Service::new(self.db.clone()))
    }

    /// Writes what waits, then closes the database; later calls fail.
    pub async fn close(&self) {
        self.db.close().await;
    }
}
