//! The caller's side: a stack of layers over one connection to a service.
//! `TradeServiceClient::new(client.clone())` is all that a service has to write.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use seam::net::Net;
use seam::{Ids, SystemIds};
use thiserror::Error;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceBuilder};

use crate::layer::deadline::ClientDeadline;
use crate::layer::metrics::{CLIENT, Metrics};
use crate::layer::trace::ClientTrace;
use crate::layer::{Around, Bottom, Call, Reply, Stack};
use crate::policy::Policies;
use crate::transport::Transport;

/// Whom to call, and how to get there.
#[derive(Clone)]
pub struct ClientSettings {
    /// Who calls, for the peer's logs.
    pub caller: &'static str,
    /// `host:port`.
    pub target: String,
    /// How long a dial may take; 1 s.
    pub connect_timeout: Duration,
    /// Where span ids come from.
    pub ids: Arc<dyn Ids>,
}

impl ClientSettings {
    /// Defaults for everything but the two ends.
    pub fn new(caller: &'static str, target: impl Into<String>) -> Self {
        Self {
            caller,
            target: target.into(),
            connect_timeout: Duration::from_secs(1),
            ids: Arc::new(SystemIds),
        }
    }
}

impl fmt::Debug for ClientSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.caller, self.target)
    }
}

/// The target is not `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not host:port")]
pub struct TargetError(pub(crate) String);

/// Calls one service; cheap to clone, and clones share the connection.
/// Every call has a deadline and ends at it; one attempt each, retries come later.
#[derive(Clone)]
pub struct Client {
    stack: BoxCloneSyncService<Call, Reply, Infallible>,
    target: Arc<str>,
}

impl Client {
    /// Builds the stack, within a tokio runtime; the connection is dialled by the first call.
    pub fn new(
        settings: ClientSettings,
        net: Arc<dyn Net>,
        policies: Policies,
    ) -> Result<Self, TargetError> {
        let transport = Transport::new(&settings, net)?;
        let target = settings.target.as_str().into();
        let stack = ServiceBuilder::new()
            // Counts what the caller sees, running out of time included.
            .layer(Around(Metrics { names: CLIENT, policies: policies.clone() }))
            // Above whatever waits or tries again, so that nothing outlives it.
            .layer(Around(ClientDeadline(policies)))
            // Last, so that every attempt is a span of its own.
            .layer(Around(ClientTrace(settings.ids)))
            .service(Bottom(transport));
        Ok(Self {
            stack: BoxCloneSyncService::new(Stack(stack)),
            target,
        })
    }

    /// Whom it calls: `host:port`.
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

impl Service<Call> for Client {
    type Response = Reply;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Reply, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.stack.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        self.stack.call(call)
    }
}
