//! pay-gateway: payments at the channels, and the callbacks that come back.
//!
//! Called by trade (RPCs, feed) and by the channels (HTTP); calls shop-center (shops,
//! merchant accounts) and the channels. Never calls trade: its feed is pulled.

pub mod channel;
pub mod ingress;

mod accounts;
mod config;
mod convert;
mod error;
mod flow;
mod payment;
mod queries;
mod refund;
mod request;
mod rotation;
mod service;
#[cfg(test)]
mod tests;

mod job {
    pub(crate) mod close;
    pub(crate) mod confirm;
    pub(crate) mod inbox;
    pub(crate) mod poll;
    pub(crate) mod reconsider;
    pub(crate) mod refund_query;
}

use std::sync::Arc;

use domain::Environment;
use mesh::Seldom;
use proto::gateway::v1::payment_service_server::PaymentServiceServer;
use seam::{Clock, Ids};
use store::{Db, DbSettings};
use tokio_util::task::TaskTracker;
use work::Job;

pub use accounts::Peers;
pub use config::{KeyConfig, PayGatewayConfig, SecretConfig, SignType, SwiftpassConfig};
pub use error::GatewayError;
pub use queries::{ALL as QUERIES, MIGRATIONS};

use accounts::Accounts;

/// pay-gateway's state, shared by its RPCs, its ingress and its background work.
#[derive(Clone)]
pub struct PayGateway(Arc<Inner>);

struct Inner {
    db: Db,
    config: PayGatewayConfig,
    environment: Environment,
    accounts: Accounts,
    // Of what is not believed, a sample.
    sampled: Seldom,
    // Calls to channels go on when their caller goes away; shutdown waits for them.
    calls: TaskTracker,
}

/// What pay-gateway is made of.
pub struct Parts {
    /// Its section of the configuration.
    pub config: PayGatewayConfig,
    /// Its database.
    pub database: DbSettings,
    /// The letter of a non-production environment, if any.
    pub environment: Environment,
    /// How it reaches the world.
    pub peers: Peers,
}

impl PayGateway {
    /// Opens the database and reads the keys.
    pub async fn open(
        parts: Parts,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Self, GatewayError> {
        let Parts {
            config,
            database,
            environment,
            peers,
        } = parts;
        let seams = (Arc::clone(&clock), Arc::clone(&ids));
        let accounts = Accounts::new(config.clone(), peers, seams)?;
        let db = Db::open(&database, MIGRATIONS, clock, ids).await?;
        let calls = TaskTracker::new();
        Ok(Self(Arc::new(Inner {
            db,
            config,
            environment,
            accounts,
            sampled: Seldom::default(),
            calls,
        })))
    }

    /// Its database.
    pub fn db(&self) -> &Db {
        &self.0.db
    }

    /// The RPCs.
    pub fn service(&self) -> PaymentServiceServer<service::Service> {
        PaymentServiceServer::new(service::Service(self.clone()))
    }

    /// What obligations pay-gateway works off.
    pub fn jobs(&self) -> Vec<Arc<dyn Job>> {
        vec![
            Arc::new(job::close::Close(self.clone())),
            Arc::new(job::confirm::Confirm(self.clone())),
            Arc::new(job::inbox::Inbox(self.clone())),
            Arc::new(job::poll::Poll(self.clone())),
            Arc::new(job::reconsider::Reconsider(self.clone())),
            Arc::new(job::refund_query::AskRefund(self.clone())),
        ]
    }

    /// Waits for calls to channels, writes what waits, then stops.
    pub async fn close(&self) {
        self.0.calls.close();
        self.0.calls.wait().await;
        self.0.db.close().await;
    }
}
