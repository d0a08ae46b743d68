//! trade: orders from creation to settlement.
//!
//! Called by clients; calls shop-center (may this shop sell), pay-gateway (payments and
//! their feed) and, from its settlement job, rate. Owns orders, their story, settlements.

mod attempt;
mod config;
mod content;
mod convert;
mod error;
mod flow;
mod numbers;
mod order;
mod peers;
mod queries;
mod refund;
mod service;
mod watch;

mod job {
    pub(crate) mod bind_limit;
    pub(crate) mod pay_confirm;
    pub(crate) mod pay_limit;
    pub(crate) mod refund_drive;
    pub(crate) mod refund_review;
    pub(crate) mod revoke;
    pub(crate) mod settle;
    pub(crate) mod subscribe;
}

use std::sync::Arc;

use domain::Environment;
use proto::trade::v1::trade_service_server::TradeServiceServer;
use seam::{Clock, Ids};
use store::{Db, DbSettings, StoreError};
use tokio_util::sync::CancellationToken;
use work::{Handler, Job};

pub use config::TradeConfig;
pub use error::TradeError;
pub use peers::Peers;
pub use queries::{ALL as QUERIES, MIGRATIONS};

use numbers::Numbers;
use watch::Watched;

/// trade's state, shared by its RPCs and its background work.
#[derive(Clone)]
pub struct Trade(Arc<Inner>);

struct Inner {
    db: Db,
    config: TradeConfig,
    environment: Environment,
    numbers: Numbers,
    peers: Peers,
    watched: Watched,
    stop: CancellationToken,
}

/// What trade is made of.
pub struct Parts {
    /// Its section of the configuration.
    pub config: TradeConfig,
    /// Its database.
    pub database: DbSettings,
    /// The letter of a non-production environment, if any.
    pub environment: Environment,
    /// The services it calls.
    pub peers: Peers,
    /// Ends what would go on for as long as somebody listens.
    pub stop: CancellationToken,
}

impl Trade {
    /// Opens the database and leases a node number.
    pub async fn open(
        parts: Parts,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Self, StoreError> {
        let db = Db::open(&parts.database, MIGRATIONS, clock, ids).await?;
        let numbers = Numbers::lease(db.clone()).await?;
        let Parts {
            config,
            environment,
            peers,
            stop,
            ..
        } = parts;
        Ok(Self(Arc::new(Inner {
            db,
            config,
            environment,
            numbers,
            peers,
            watched: Watched::default(),
            stop,
        })))
    }

    /// Its database.
    pub fn db(&self) -> &Db {
        &self.0.db
    }

    /// The RPCs.
    pub fn service(&self) -> TradeServiceServer<service::Service> {
        TradeServiceServer::new(service::Service(self.clone()))
    }

    /// Keeps the node number's lease until told to stop.
    pub async fn keep_numbers(&self, stop: CancellationToken) {
        self.0.numbers.keep(stop).await;
    }

    /// What obligations trade works off.
    pub fn jobs(&self) -> Vec<Arc<dyn Job>> {
        vec![
            Arc::new(job::bind_limit::BindLimit(self.clone())),
            Arc::new(job::pay_limit::PayLimit(self.clone())),
            Arc::new(job::pay_confirm::PayConfirm(self.clone())),
            Arc::new(job::revoke::Revoke(self.clone())),
            Arc::new(job::refund_drive::RefundDrive(self.clone())),
            Arc::new(job::refund_review::RefundReview(self.clone())),
            Arc::new(job::settle::Settle(self.clone())),
        ]
    }

    /// What trade does with pay-gateway's feed.
    pub fn subscriber(&self) -> Arc<dyn Handler> {
        Arc::new(job::subscribe::Payments(self.clone()))
    }

    /// Writes what waits, then stops.
    pub async fn close(&self) {
        self.0.db.close().await;
    }
}
