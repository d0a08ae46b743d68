//! The caller's side: a stack of layers over the connections to a service.
//! `TradeServiceClient::new(client.clone())` is all that a service has to write.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use seam::net::Net;
use seam::{Ids, SystemIds};
use thiserror::Error;
use tower::{Service, ServiceBuilder};

use crate::directory::{Calling, Directory};
#[cfg(feature = "kubernetes")]
use crate::discover::kubernetes::Cluster;
use crate::discover::{Resolve, SystemResolver};
use crate::layer::bulkhead::{Bulkhead, BulkheadLimits};
use crate::layer::deadline::ClientDeadline;
use crate::layer::metrics::{ATTEMPT, CLIENT, Metrics};
use crate::layer::retry::Retry;
use crate::layer::trace::ClientTrace;
use crate::layer::{Answered, Around, Request, Response, Stack};
use crate::pick::Pick;
use crate::policy::Policies;
use crate::span::{SpanKind, Spans};
use crate::tls::Tls;
use crate::transport::Transport;

/// Whom to call, and how to get there.
#[derive(Clone)]
pub struct ClientSettings {
    /// Who calls, for the peer's logs.
    pub caller: &'static str,
    /// `host:port` or `dns:///host:port` (each address of the name is an endpoint),
    /// `static:///a:1,b:2`, `file:///path` (one `host:port` a line), or
    /// `kubernetes:///service.namespace:port` in a build with the feature `kubernetes`.
    pub target: String,
    /// How long a dial may take, until the peer has shown that it speaks HTTP/2; 1 s.
    pub connect_timeout: Duration,
    /// What knows the addresses of names; the system.
    pub resolver: Arc<dyn Resolve>,
    /// How often addresses are looked up at the least; sooner when an answer says so; 30 s.
    pub refresh: Duration,
    /// What `kubernetes:///` targets ask; the cluster of the pod.
    #[cfg(feature = "kubernetes")]
    pub cluster: Cluster,
    /// How an endpoint is picked; the less loaded of two at random.
    pub pick: Pick,
    /// The most connections to one endpoint, opened as streams run out; 4.
    pub connections: usize,
    /// How many calls of one method may be under way at once.
    pub bulkhead: BulkheadLimits,
    /// Our certificate, and whose are believed; none: the connections are plain.
    pub tls: Option<Tls>,
    /// The name the peer must prove to have, with TLS; any of the trust domain.
    pub peer: Option<String>,
    /// Where span ids and jitter come from.
    pub ids: Arc<dyn Ids>,
    /// Where the spans of its attempts go; nowhere.
    pub spans: Spans,
    /// Where explain finds it; in a directory of its own.
    pub directory: Directory,
}

impl ClientSettings {
    /// Defaults for everything but the two ends.
    pub fn new(caller: &'static str, target: impl Into<String>) -> Self {
        Self {
            caller,
            target: target.into(),
            connect_timeout: Duration::from_secs(1),
            resolver: Arc::new(SystemResolver),
            refresh: Duration::from_secs(30),
            #[cfg(feature = "kubernetes")]
            cluster: Cluster::default(),
            pick: Pick::default(),
            connections: 4,
            bulkhead: BulkheadLimits::default(),
            tls: None,
            peer: None,
            ids: Arc::new(SystemIds),
            spans: Spans::default(),
            directory: Directory::default(),
        }
    }
}

impl fmt::Debug for ClientSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.caller, self.target)
    }
}

/// A target that a client cannot call.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TargetError {
    /// It is none of the forms a client knows.
    #[error(
        "{0:?} is not host:port, dns:///host:port, static:///a:1,b:2, file:///path or \
         kubernetes:///service.namespace:port"
    )]
    Malformed(String),
    /// It takes another build.
    #[error(
        "{0:?} needs a build with the feature `kubernetes` (cargo build --features kubernetes)"
    )]
    NoKubernetes(String),
}

/// Calls one service; cheap to clone, and clones share the connections.
/// Every call has a deadline and ends at it, with all its attempts.
#[derive(Clone)]
pub struct Client {
    stack: Stack,
    target: Arc<str>,
}

impl Client {
    /// Builds the stack, within a tokio runtime; connections are dialled in the background.
    pub fn new(
        settings: ClientSettings,
        net: Arc<dyn Net>,
        policies: Policies,
    ) -> Result<Self, TargetError> {
        let transport = Transport::new(&settings, net)?;
        let retry = Retry::new(policies.clone(), settings.ids.clone());
        settings.directory.identified(settings.tls.as_ref());
        settings.directory.enter(Calling {
            caller: settings.caller,
            peer: settings.peer.clone(),
            pool: transport.pool().shared(),
            budget: Arc::downgrade(retry.budget()),
        });
        let target = settings.target.as_str().into();
        let attempts =
            Metrics::new(ATTEMPT).with(SpanKind::Client, settings.caller, &settings.spans);
        let stack = ServiceBuilder::new()
            // Counts what the caller sees, running out of time included.
            .layer(Around(Metrics::new(CLIENT)))
            // Above whatever waits or tries again, so that nothing outlives it.
            .layer(Around(ClientDeadline))
            // Above retries: a call keeps one place, however often it is tried.
            .layer(Around(Bulkhead::new(&policies, settings.bulkhead)))
            // Below the deadline, above whatever picks an endpoint: the next may be another one.
            .layer(Around(retry))
            // Below retries, so that every attempt is a span of its own.
            .layer(Around(ClientTrace {
                ids: settings.ids,
                spans: settings.spans,
            }))
            // Last: counts each attempt under the span its peer is told.
            .layer(Around(attempts))
            .service(transport);
        Ok(Self {
            stack: Stack::new(policies, stack),
            target,
        })
    }

    /// Whom it calls, as it was configured.
    pub fn target(&self) -> &str {
        &self.target
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

/// `call` reads the context and takes its place at once: it is to be made within the context and the
/// runtime it belongs to, as the generated stubs make it, and to be polled.
impl Service<Request> for Client {
    type Response = Response;
    type Error = Infallible;
    type Future = UnderWay;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.stack.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        UnderWay(self.stack.call(request))
    }
}

/// A call under way; dropped, it is given up.
pub struct UnderWay(Answered);

impl Future for UnderWay {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl fmt::Debug for UnderWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnderWay").finish_non_exhaustive()
    }
}
