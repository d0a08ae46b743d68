//! A Swiftpass-compatible payment channel whose money is not real: its own wire and
//! signature code, a durable ledger, notices by schedule. The gateway calls it over HTTP;
//! whoever plays the payer calls it over gRPC, or opens the pay page.

mod charge;
mod china;
mod config;
mod error;
mod gateway;
mod http;
mod keys;
mod ledger;
mod mischief;
mod notifier;
mod page;
mod receipt;
mod refund;
mod service;
mod sign;
mod state;
#[cfg(test)]
mod tests;
mod wallet;
mod wire;

use std::sync::Arc;

use proto::sandbox::v1::sandbox_service_server::SandboxServiceServer;
use seam::net::{Listener, Net};
use seam::{Clock, Ids};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use config::{Key, MerchantKey, Pem, SandboxSettings};
pub use error::SandboxError;
pub use mischief::{Act, Forgery, Garbage, Orders, PasswordOutcome, Script, Step, Told};
pub use refund::RefundState;
pub use service::Service;

/// The channel; clones share one ledger.
#[derive(Clone)]
pub struct Sandbox(Arc<App>);

/// What every part of the channel works with.
struct App {
    settings: SandboxSettings,
    keys: keys::Keys,
    ledger: ledger::Ledger,
    mischief: mischief::Mischief,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    net: Arc<dyn Net>,
    /// Told when a notice became due.
    wake: Notify,
}

impl Sandbox {
    /// Opens the ledger, made when absent; `LedgerInUse` when another process has it open.
    pub async fn open(
        settings: SandboxSettings,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        net: Arc<dyn Net>,
    ) -> Result<Self, SandboxError> {
        settings.validate()?;
        let keys = keys::Keys::open(&settings)?;
        let first_pause = settings.notify_schedule.first().copied();
        let time = ledger::Time {
            clock: clock.clone(),
            first_pause: first_pause.unwrap_or_default(),
        };
        let ledger = ledger::Ledger::open(&settings.ledger, time).await?;
        let mischief = mischief::Mischief::open(&settings.scripts, &ledger, ids.as_ref()).await?;
        let wake = Notify::new();
        Ok(Self(Arc::new(App {
            settings,
            keys,
            ledger,
            mischief,
            clock,
            ids,
            net,
            wake,
        })))
    }

    /// Serves `/pay/gateway` and `/pay/jspay` until told to stop, then ends open requests.
    pub fn http(
        &self,
        listener: Listener,
        stop: CancellationToken,
    ) -> impl Future<Output = Result<(), SandboxError>> + Send + 'static + use<> {
        let router = http::router(self.0.clone(), stop.clone());
        http::serve(listener, router, stop)
    }

    /// Sends notices by schedule until told to stop, then waits for the answers under way.
    pub fn notifier(
        &self,
        stop: CancellationToken,
    ) -> impl Future<Output = Result<(), SandboxError>> + Send + 'static + use<> {
        notifier::run(self.0.clone(), stop)
    }

    /// `paymesh.sandbox.v1.SandboxService`, to be added to a server.
    pub fn service(&self) -> SandboxServiceServer<Service> {
        SandboxServiceServer::new(Service::new(self.0.clone()))
    }

    /// Finishes what was asked of the ledger and frees its file; later calls fail.
    pub async fn close(&self) {
        self.0.ledger.close().await;
    }
}
