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
use tower::{Service, ServiceBuilder};
use tracing::{info, warn};

use crate::directory::{Directory, Serving};
use crate::health::FromLifecycle;
use crate::incoming::Incoming;
use crate::layer::authorise::{Authorise, CallerPolicy};
use crate::layer::caller_rate::{CallerRate, CallerRates};
use crate::layer::deadline::ServerDeadline;
#[cfg(feature = "faults")]
use crate::layer::fault::{Inject, Injection};
use crate::layer::in_flight::InFlight;
use crate::layer::limit::Limits;
use crate::layer::load_shed::LoadShed;
use crate::layer::message_cap::MessageCap;
use crate::layer::metrics::{Metrics, SERVER};
use crate::layer::panic_guard::PanicGuard;
use crate::layer::reason::Reason;
use crate::layer::trace::ServerTrace;
use crate::layer::whole::Whole;
use crate::layer::{Around, Bottom, Request, Response, Stack};
use crate::lifecycle::Lifecycle;
use crate::policy::Policies;
use crate::span::{SpanKind, Spans};
use crate::tls::Tls;

/// Counts calls that a drain had to abort.
pub(crate) const DRAIN_ABORTED: &str = "mesh_drain_aborted_total";

const PING_EVERY: Duration = Duration::from_secs(10);
const PONG_WITHIN: Duration = Duration::from_secs(5);
// Callers whose time is over reset their streams; that is no attack.
const PENDING_RESETS: usize = 1024;
// Who is there was proved when the connection began: after this long it has to be proved anew, also
// by those whose certificate has ended before. Calls are let end first, however long they take.
const PROVED_FOR: Duration = Duration::from_hours(1);
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
    /// Our certificate, and whose are believed; none: callers are not authenticated.
    pub tls: Option<Tls>,
    /// Who may call, with TLS, where it is not as the methods' options say; as they say.
    pub callers: CallerPolicy,
    /// Where trace and span ids come from.
    pub ids: Arc<dyn Ids>,
    /// Where the spans of its calls go; nowhere.
    pub spans: Spans,
    /// Where explain finds it; in a directory of its own.
    pub directory: Directory,
    /// What goes wrong on purpose; nothing.
    #[cfg(feature = "faults")]
    pub faults: Vec<Injection>,
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
            tls: None,
            callers: CallerPolicy::default(),
            ids: Arc::new(SystemIds),
            spans: Spans::default(),
            directory: Directory::default(),
            #[cfg(feature = "faults")]
            faults: Vec::new(),
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
        S: Service<Request, Response = Response, Error = Infallible>
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
        let routes = routes.add_service(FromLifecycle::server(lifecycle.clone(), names.clone()));
        let calls = InFlight::new(lifecycle.token());
        let entry = settings.directory.serving(Serving {
            name: settings.name,
            address: listener.address().to_string(),
            services: names,
            lifecycle: lifecycle.clone(),
            calls: calls.clone(),
            shed: LoadShed::new(&settings.limits),
            rates: settings.rates.clone(),
            callers: settings.callers.clone(),
        });
        settings.directory.identified(settings.tls.as_ref());
        let stack = stack(routes, &settings, policies, &entry);
        info!(service = settings.name, address = %listener.address(), "serving");

        let closed = CancellationToken::new();
        let close = close_after(lifecycle, settings.discovery_lag, closed.clone());
        if settings.tls.is_none() {
            warn!(
                service = settings.name,
                "callers are not authenticated: TLS is not configured"
            );
        }
        let incoming = Incoming::new(listener).into_stream(settings.tls.clone());
        let server = tonic_server(settings.tls.is_some());
        let mut serving = pin!(server.serve_with_incoming_shutdown(stack, incoming, close));
        let over = async {
            closed.cancelled().await;
            tokio::time::sleep(settings.drain).await;
        };
        tokio::select! {
            biased;
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
fn stack(routes: Routes, settings: &ServerSettings, policies: Policies, entry: &Serving) -> Stack {
    let stack = ServiceBuilder::new()
        // First, so that everything below logs under the call's trace.
        .layer(Around(ServerTrace { ids: settings.ids.clone() }))
        // Counts every outcome, refusals and panics included.
        .layer(Around(metrics(settings)))
        // A drain waits for whatever got this far.
        .layer(Around(entry.calls.clone()))
        // Turns away who may not call at all; with TLS, who that is has been proved.
        .layer(Around(Authorise::new(settings.tls.is_some(), &settings.callers)))
        // Turns away who asks too often, before it takes anybody's place.
        .layer(Around(CallerRate::new(&settings.rates)))
        // Holds a place until the answer ends; when they run out, the least important go first.
        .layer(Around(entry.shed.clone()))
        // Refuses work whose time is over, ends what lasts too long, hands on what is left.
        .layer(Around(ServerDeadline))
        // No error leaves without a reason.
        .layer(Around(Reason))
        // A long message is refused before anybody buffers it.
        .layer(Around(MessageCap))
        // As if the handler were slow or failed; able to only in development builds.
        .layer(faults(settings))
        // A panic is the handler's answer, and everything above stays as it is.
        .layer(Around(PanicGuard))
        // Innermost: whoever stands above need not watch an answer of one message.
        .layer(Around(Whole))
        .service(Bottom(routes.prepare()));
    Stack::new(policies, stack)
}

fn metrics(settings: &ServerSettings) -> Metrics {
    Metrics::new(SERVER).with(SpanKind::Server, settings.name, &settings.spans)
}

#[cfg(feature = "faults")]
fn faults(settings: &ServerSettings) -> Around<Inject> {
    let ids = Arc::clone(&settings.ids);
    Around(Inject::new(&settings.faults, ids))
}

#[cfg(not(feature = "faults"))]
fn faults(_: &ServerSettings) -> tower::layer::util::Identity {
    tower::layer::util::Identity::new()
}

fn tonic_server(proved: bool) -> tonic::transport::Server {
    let mut server = tonic::transport::Server::builder();
    if proved {
        server = server.max_connection_age(PROVED_FOR);
    }
    server
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
    Ok(reflected(routes, policies, names)?)
}

/// The same routes with both reflections, for these services.
pub(crate) fn reflected(
    routes: Routes,
    policies: &Policies,
    names: &[&'static str],
) -> Result<Routes, tonic_reflection::server::Error> {
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
