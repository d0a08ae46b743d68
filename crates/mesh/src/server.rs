//! The serving side: health, reflection and a stack of layers around a process's services,
//! from the first connection to the end of the drain.

use std::convert::Infallible;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use seam::net::Listener;
use seam::{Ids, SystemIds};
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use tonic::server::NamedService;
use tonic::service::Routes;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceBuilder};
use tracing::{info, warn};

use crate::health::FromLifecycle;
use crate::incoming::Incoming;
use crate::layer::caller_rate::{CallerRate, CallerRates};
use crate::layer::deadline::ServerDeadline;
use crate::layer::in_flight::InFlight;
use crate::layer::limit::Limits;
use crate::layer::load_shed::LoadShed;
use crate::layer::message_cap::MessageCap;
use crate::layer::metrics::{Metrics, SERVER};
use crate::layer::panic_guard::PanicGuard;
use crate::layer::reason::Reason;
use crate::layer::trace::ServerTrace;
use crate::layer::{Around, Bottom, Call, Reply, Stack};
use crate::lifecycle::Lifecycle;
use crate::policy::Policies;

/// Counts calls that a drain had to abort.
pub(crate) const DRAIN_ABORTED: &str = "mesh_drain_aborted_total";

const PING_EVERY: Duration = Duration::from_secs(10);
const PONG_WITHIN: Duration = Duration::from_secs(5);
// Callers whose time is over reset their streams; that is no attack.
const PENDING_RESETS: usize = 1024;
// For GOAWAY to be heard and the last answers to be written.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How a server serves and how it ends.
#[derive(Clone)]
pub struct ServerSettings {
    /// For logs: the service's name.
    pub name: &'static str,
    /// Between `NOT_SERVING` and the end of accepting: what discovery needs to notice; 0.
    pub discovery_lag: Duration,
    /// What in-flight calls may take after that; 30 s.
    pub drain: Duration,
    /// Whether to serve reflection, v1 and v1alpha; on.
    pub reflection: bool,
    /// How much it takes on at once.
    pub limits: Limits,
    /// How often each caller may call; nobody is limited.
    pub rates: CallerRates,
    /// Where trace and span ids come from.
    pub ids: Arc<dyn Ids>,
}

impl ServerSettings {
    /// The defaults.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            discovery_lag: Duration::ZERO,
            drain: Duration::from_secs(30),
            reflection: true,
            limits: Limits::default(),
            rates: CallerRates::default(),
            ids: Arc::new(SystemIds),
        }
    }
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Calls that were still in flight when the drain's time was over.
    pub aborted: usize,
}

/// Why a server cannot serve.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The descriptors cannot be shown.
    #[error("reflection cannot be built")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The transport gave up.
    #[error("the server cannot go on")]
    Transport(#[from] tonic::transport::Error),
}

/// A gRPC server to be: services, then `serve`.
pub struct Server {
    settings: ServerSettings,
    policies: Policies,
    lifecycle: Lifecycle,
    routes: Routes,
    names: Vec<&'static str>,
}

impl Server {
    /// A server without services.
    pub fn new(settings: ServerSettings, policies: Policies, lifecycle: Lifecycle) -> Self {
        Self {
            settings,
            policies,
            lifecycle,
            routes: Routes::default(),
            names: Vec::new(),
        }
    }

    /// Adds a service: a generated `…Server`.
    #[expect(
        clippy::should_implement_trait,
        reason = "adds a service, not a number"
    )]
    pub fn add<S>(mut self, service: S) -> Self
    where
        S: Service<Call, Response = Reply, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.routes = self.routes.add_service(service);
        self.names.push(S::NAME);
        self
    }

    /// Serves until the lifecycle stops, then drains: wait for discovery, stop accepting and
    /// send GOAWAY, let calls end, abort what has not ended in time.
    pub async fn serve(self, listener: Listener) -> Result<Drained, ServeError> {
        let Self {
            settings,
            policies,
            lifecycle,
            routes,
            names,
        } = self;
        let routes = with_reflection(routes, &settings, &policies, &names)?;
        let routes = routes.add_service(FromLifecycle::server(lifecycle.clone(), names));
        let calls = InFlight::new(policies.clone(), lifecycle.token());
        let stack = stack(routes, &settings, policies, calls.clone());
        info!(service = settings.name, address = %listener.address(), "serving");

        let closed = CancellationToken::new();
        let close = close_after(lifecycle, settings.discovery_lag, closed.clone());
        let incoming = Incoming(listener).into_stream();
        let mut serving = pin!(tonic_server().serve_with_incoming_shutdown(stack, incoming, close));
        let over = async {
            closed.cancelled().await;
            tokio::time::sleep(settings.drain).await;
        };
        tokio::select! {
            ended = &mut serving => {
                ended?;
                info!(service = settings.name, "drained");
                return Ok(Drained { aborted: 0 });
            }
            // A connection that never said a word would hold up the drain for nothing.
            () = quiet(&closed, &calls) => {
                info!(service = settings.name, "drained, with idle connections left");
                return Ok(Drained { aborted: 0 });
            }
            () = over => {}
        }
        let aborted = abort(&settings, &calls);
        let _ = tokio::time::timeout(LAST_WORDS, serving).await;
        Ok(Drained { aborted })
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("services", &self.names)
            .finish_non_exhaustive()
    }
}

/// What stands between the wire and the handlers, outermost first.
fn stack(
    routes: Routes,
    settings: &ServerSettings,
    policies: Policies,
    calls: InFlight,
) -> BoxCloneSyncService<Call, Reply, Infallible> {
    let stack = ServiceBuilder::new()
        // First, so that everything below logs under the call's trace.
        .layer(Around(ServerTrace(settings.ids.clone())))
        // Counts every outcome, refusals and panics included.
        .layer(Around(Metrics { names: SERVER, policies: policies.clone() }))
        // A drain waits for whatever got this far.
        .layer(Around(calls))
        // Turns away who asks too often, before it takes anybody's place.
        .layer(Around(CallerRate::new(&settings.rates, policies.clone())))
        // Holds a place until the answer ends; when they run out, the least important go first.
        .layer(Around(LoadShed::new(&settings.limits, policies.clone())))
        // Refuses work whose time is over, ends what lasts too long, hands on what is left.
        .layer(Around(ServerDeadline(policies.clone())))
        // No error leaves without a reason.
        .layer(Around(Reason))
        // A long message is refused before anybody buffers it.
        .layer(Around(MessageCap))
        // Innermost: a panic is the handler's answer, and everything above stays whole.
        .layer(Around(PanicGuard(policies)))
        .service(Bottom(routes.prepare()));
    BoxCloneSyncService::new(Stack(stack))
}

fn tonic_server() -> tonic::transport::Server {
    tonic::transport::Server::builder()
        .tcp_nodelay(true)
        .http2_keepalive_interval(Some(PING_EVERY))
        .http2_keepalive_timeout(Some(PONG_WITHIN))
        .http2_max_pending_accept_reset_streams(Some(PENDING_RESETS))
}

fn with_reflection(
    routes: Routes,
    settings: &ServerSettings,
    policies: &Policies,
    names: &[&'static str],
) -> Result<Routes, ServeError> {
    if !settings.reflection {
        return Ok(routes);
    }
    // Shows what is served here, not all that the descriptors know.
    let builder = || {
        let files = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(policies.descriptors())
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // So that grpcurl can show the details of errors.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
            .with_service_name("grpc.health.v1.Health");
        names
            .iter()
            .fold(files, |files, name| files.with_service_name(*name))
    };
    let v1 = builder()
        .with_service_name("grpc.reflection.v1.ServerReflection")
        .build_v1()?;
    let v1alpha = builder()
        .with_service_name("grpc.reflection.v1alpha.ServerReflection")
        .build_v1alpha()?;
    Ok(routes.add_service(v1).add_service(v1alpha))
}

async fn close_after(lifecycle: Lifecycle, lag: Duration, closed: CancellationToken) {
    lifecycle.stopping().await;
    if !lag.is_zero() {
        tokio::time::sleep(lag).await;
    }
    closed.cancel();
}

async fn quiet(closed: &CancellationToken, calls: &InFlight) {
    closed.cancelled().await;
    loop {
        tokio::time::sleep(LAST_WORDS).await;
        if calls.count() == 0 {
            return;
        }
    }
}

fn abort(settings: &ServerSettings, calls: &InFlight) -> usize {
    let aborted = calls.count();
    warn!(service = settings.name, aborted, "drain time is over");
    metrics::counter!(DRAIN_ABORTED).increment(aborted as u64);
    calls.abort();
    aborted
}
