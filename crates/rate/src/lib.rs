//! rate: what a shop pays for a payment, with full history.
//! It calls nobody; operators publish schemes, trade asks when it settles.

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

use proto::rate::v1::rate_service_server::RateServiceServer;
use seam::{Clock, Ids};
use store::{Db, DbSettings};

pub use config::RateConfig;
pub use error::RateError;
pub use queries::ALL as QUERIES;
pub use service::Service;

store::migrations!(pub MIGRATIONS = 100 => "0100_schemes");

/// The service over its database; clones share it.
#[derive(Clone)]
pub struct Rate {
    db: Db,
}

impl Rate {
    /// Opens the database, whose migrations must all be applied.
    pub async fn open(
        settings: &DbSettings,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Self, RateError> {
        Ok(Self {
            db: Db::open(settings, MIGRATIONS, clock, ids).await?,
        })
    }

    /// `paymesh.rate.v1.RateService`, to be added to a server.
    pub fn service(&self) -> RateServiceServer<Service> {
        RateServiceServer::new(Service::new(self.db.clone()))
    }

    /// Writes what waits, then closes the database; later calls fail.
    pub async fn close(&self) {
        self.db.close().await;
    }
}
