//! One service, run as its process would run it: listen, open, work, serve, drain, close.

use std::sync::Arc;
use std::time::Duration;

use mesh::Lifecycle;
use paymesh::cli::Service;
use paymesh::config::Config;
use paymesh::ground::Ground;
use paymesh::host::{self, Host};
use paymesh::role;
use sandbox::Sandbox;
use seam::net::Memory;
use seam::{SystemClock, SystemIds};
use tokio::task::JoinHandle;

use crate::{INGRESS, address_of};

/// Whether a process works off what it owes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    /// As in production.
    On,
    /// Only when a task is run.
    Off,
}

/// A running service.
pub struct Process {
    ground: Ground,
    host: Host,
    serving: JoinHandle<()>,
}

impl Process {
    /// Serves, and says that it is ready.
    pub async fn start(config: &Config, net: &Arc<Memory>, what: (Service, Workers)) -> Self {
        let process = Self::start_unready(config, net, what).await;
        process.ground.lifecycle.ready();
        process
    }

    /// Serves, and does not say yet that it is ready.
    pub async fn start_unready(
        config: &Config,
        net: &Arc<Memory>,
        (service, workers): (Service, Workers),
    ) -> Self {
        let ground = ground(config, net);
        let listener = ground
            .listen("grpc", address_of(service))
            .await
            .expect("a free port");
        let services = [service];
        host::migrate(&ground, &services)
            .await
            .expect("it migrates");
        let host = Host::open(&ground, &services).await.expect("it opens");
        if workers == Workers::On {
            host.work().expect("its workers start");
        }
        if service == Service::PayGateway {
            host.receive(
                ground
                    .listen("callback", INGRESS)
                    .await
                    .expect("a free port"),
            );
        }
        let server = host.server(service.name()).expect("a server");
        let serving = tokio::spawn(async move {
            server.serve(listener).await.expect("it serves");
        });
        Self {
            ground,
            host,
            serving,
        }
    }

    /// What it stands on.
    pub fn ground(&self) -> &Ground {
        &self.ground
    }

    /// The service itself.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Ends it as SIGTERM does: drains, finishes what is under way, closes.
    pub async fn stop(self) {
        self.ground.lifecycle.stop();
        self.serving
            .await
            .expect("it served until it was told to stop");
        self.host.close().await;
    }
}

/// The channel simulator's process.
pub(crate) struct Channel {
    ground: Ground,
    sandbox: Sandbox,
    serving: JoinHandle<()>,
}

impl Channel {
    pub(crate) async fn start(config: &Config, net: &Arc<Memory>) -> Self {
        let ground = ground(config, net);
        let sandbox = role::sandbox::open(&ground)
            .await
            .expect("the ledger opens");
        role::sandbox::start(&ground, &sandbox)
            .await
            .expect("a free port");
        let listener = ground
            .listen("grpc", &config.listen.grpc)
            .await
            .expect("a free port");
        let server = role::server(&ground, "sandbox").add(sandbox.service());
        ground.lifecycle.ready();
        let serving = tokio::spawn(async move {
            server.serve(listener).await.expect("it serves");
        });
        Self {
            ground,
            sandbox,
            serving,
        }
    }

    pub(crate) async fn stop(&mut self) {
        self.ground.lifecycle.stop();
        (&mut self.serving)
            .await
            .expect("it served until it was told to stop");
        let drained = self.ground.lifecycle.drained(Duration::from_secs(5)).await;
        drained.expect("its tasks end");
        self.sandbox.close().await;
    }
}

fn ground(config: &Config, net: &Arc<Memory>) -> Ground {
    let seams = (
        Arc::clone(net) as _,
        Arc::new(SystemClock) as _,
        Arc::new(SystemIds) as _,
    );
    Ground::on(config.clone(), seams, Lifecycle::new()).expect("the policies are valid")
}
