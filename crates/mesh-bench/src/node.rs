//! One server with a runtime of its own, so that it can be ended as a process ends: drained, or
//! from one moment to the next.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mesh::tls::Tls;
use mesh::{Lifecycle, Server, ServerSettings};
use seam::net::Listener;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tonic::transport::server::TcpIncoming;

use crate::certificates::SERVERS;
use crate::error::BenchError;
use crate::probe::{Mood, Probe, policies};

/// How long a port may take to become free again.
const FREE_WITHIN: Duration = Duration::from_secs(5);

/// What a node serves with.
#[derive(Clone)]
pub(crate) enum Kind {
    /// The mesh's server, with TLS if there are certificates.
    Mesh(Option<Tls>),
    /// tonic's own, with so many streams a connection.
    Bare(Option<u32>),
}

/// A server at an address.
pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    pub(crate) mood: Arc<Mood>,
    kind: Kind,
    running: Option<Running>,
}

struct Running {
    runtime: Runtime,
    lifecycle: Lifecycle,
    served: JoinHandle<Result<(), BenchError>>,
}

impl Node {
    /// Not started yet.
    pub(crate) fn new(address: SocketAddr, kind: Kind) -> Self {
        Self {
            address,
            mood: Arc::default(),
            kind,
            running: None,
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Starts it, if it is not running; it listens when this returns.
    pub(crate) async fn start(&mut self) -> Result<(), BenchError> {
        if self.is_running() {
            return Ok(());
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(BenchError::io("no runtime for a server"))?;
        let lifecycle = Lifecycle::new();
        let (listens, listening) = oneshot::channel();
        let served = serve(
            self.address,
            (self.kind.clone(), Probe(Arc::clone(&self.mood))),
            (lifecycle.clone(), listens),
        );
        let served = runtime.spawn(served);
        self.running = Some(Running {
            runtime,
            lifecycle,
            served,
        });
        // An error of the server's is told by whoever waits for its end.
        let _ = listening.await;
        Ok(())
    }

    /// Ends it without a word: its sockets are closed as those of a killed process are.
    pub(crate) fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.runtime.shutdown_background();
        }
    }

    /// Ends it as SIGTERM does: it drains, then it is gone.
    pub(crate) async fn drain(&mut self) -> Result<(), BenchError> {
        let Some(running) = self.running.take() else {
            return Ok(());
        };
        running.lifecycle.stop();
        let ended = running.served.await;
        running.runtime.shutdown_background();
        ended.unwrap_or(Ok(()))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

type Told = (Lifecycle, oneshot::Sender<()>);

async fn serve(
    address: SocketAddr,
    (kind, probe): (Kind, Probe),
    (lifecycle, listens): Told,
) -> Result<(), BenchError> {
    let listener = listen(address).await?;
    let _ = listens.send(());
    match kind {
        Kind::Mesh(tls) => {
            lifecycle.ready();
            let settings = ServerSettings {
                tls,
                ..ServerSettings::new(SERVERS)
            };
            let server = Server::new(settings, policies()?, lifecycle).add(probe);
            server.serve(Listener::new(address, listener)).await?;
        }
        Kind::Bare(streams) => {
            let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
            tonic::transport::Server::builder()
                .max_concurrent_streams(streams)
                .add_service(probe)
                .serve_with_incoming_shutdown(incoming, lifecycle.stopping())
                .await?;
        }
    }
    Ok(())
}

async fn listen(address: SocketAddr) -> Result<TcpListener, BenchError> {
    let until = Instant::now() + FREE_WITHIN;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(error) if Instant::now() > until => {
                return Err(BenchError::io("a server cannot listen")(error));
            }
            Err(_) => sleep(Duration::from_millis(2)).await,
        }
    }
}
