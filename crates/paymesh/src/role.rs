//! The roles a process can have; each opens what it needs, runs until told to stop, drains.

#[cfg(feature = "dev")]
pub mod bench;
pub mod callback;
#[cfg(feature = "dev")]
pub mod demo;
pub mod explain;
pub mod healthcheck;
pub mod migrate;
#[cfg(feature = "dev")]
pub mod sandbox;
pub mod serve;
pub mod task;
pub mod trace;
#[cfg(feature = "dev")]
pub mod up;
#[cfg(feature = "dev")]
pub mod up_split;
pub mod work;

use ::mesh::{Server, ServerSettings};

use crate::assemble::LAST_TASKS;
use crate::ground::Ground;

/// A server named for its logs, over the ground's policies and lifecycle.
pub fn server(ground: &Ground, name: &'static str) -> Server {
    let settings = ServerSettings {
        drain: ground.config.drain,
        limits: ground.config.mesh.limits(),
        rates: ground.config.mesh.rates(),
        tls: ground.tls.clone(),
        callers: ground.config.mesh.callers(),
        spans: ground.spans.clone(),
        directory: ground.directory.clone(),
        #[cfg(feature = "faults")]
        faults: ground.faults.clone(),
        ..ServerSettings::new(name)
    };
    Server::new(settings, ground.policies.clone(), ground.lifecycle.clone())
}

// Waits for background tasks; the servers have drained before.
pub(crate) async fn finish_tasks(ground: &Ground) {
    if let Err(left) = ground.lifecycle.drained(LAST_TASKS).await {
        tracing::warn!(left, "background tasks did not end in time");
    }
}
