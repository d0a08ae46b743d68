//! The connection below a client's stack: tonic's channel, dialling through `seam::net`.
//! Nothing outside this file knows which transport it is.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::Uri;
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use seam::net::Net;
use tonic::ConnectError;
use tonic::Status;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tower::{Service, ServiceExt};

use crate::client::{ClientSettings, TargetError};
use crate::error::{ErrorKind, Fault};
use crate::layer::deadline::expired;
use crate::layer::{Call, Reply, reply};

const PING_EVERY: Duration = Duration::from_secs(10);
const PONG_WITHIN: Duration = Duration::from_secs(3);

/// One lazily dialled HTTP/2 connection to a target; always ready, it waits within the call.
#[derive(Clone)]
pub(crate) struct Transport {
    channel: Channel,
    target: Arc<str>,
}

impl Transport {
    /// Within a tokio runtime; dials with the first call.
    pub(crate) fn new(settings: &ClientSettings, net: Arc<dyn Net>) -> Result<Self, TargetError> {
        let target: Arc<str> = settings.target.as_str().into();
        let dialled = target.clone();
        let within = settings.connect_timeout;
        let connector = tower::service_fn(move |_: Uri| {
            let (net, target) = (net.clone(), dialled.clone());
            async move { dial(&*net, &target, within).await.map(TokioIo::new) }
        });
        let channel = endpoint(settings)?.connect_with_connector_lazy(connector);
        Ok(Self { channel, target })
    }
}

fn endpoint(settings: &ClientSettings) -> Result<Endpoint, TargetError> {
    let malformed = || TargetError(settings.target.clone());
    let uri: Uri = format!("http://{}", settings.target)
        .parse()
        .map_err(|_| malformed())?;
    // A host and a port, and nothing else.
    let named = uri
        .authority()
        .is_some_and(|authority| authority.as_str() == settings.target);
    if !named || uri.port_u16().is_none() || uri.host().is_none_or(str::is_empty) {
        return Err(malformed());
    }
    let agent = format!("paymesh-{}/{}", settings.caller, env!("CARGO_PKG_VERSION"));
    let endpoint = Endpoint::from(uri)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PONG_WITHIN)
        .keep_alive_while_idle(true);
    endpoint.user_agent(agent).map_err(|_| malformed())
}

async fn dial(net: &dyn Net, target: &str, within: Duration) -> io::Result<seam::net::Stream> {
    let dialled = tokio::time::timeout(within, net.dial(target)).await;
    dialled.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

impl Service<Call> for Transport {
    type Response = Reply;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Reply, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let Self { channel, target } = self.clone();
        let answer = channel.oneshot(call).map(move |answer| {
            Ok(match answer {
                Ok(answer) => answer.map(|body| readable(body, target)),
                Err(error) => reply(failed(&error, &target)),
            })
        });
        answer.boxed()
    }
}

// A peer's own errors come as trailers; an error of the body is the connection's.
fn readable(body: Body, target: Arc<str>) -> Body {
    Body::new(body.map_err(move |error| Status::from(failed(&error, &target))))
}

/// Tells "never sent" (`PEER_UNAVAILABLE`) from "sent, fate unknown" (`CONNECTION_LOST`).
fn failed(error: &(dyn Error + 'static), target: &str) -> Fault {
    let causes = || std::iter::successors(Some(error), |error| (*error).source());
    if causes().any(<dyn Error>::is::<tonic::TimeoutExpired>) {
        return expired("the call did not end within its time");
    }
    let root = causes().last().map(ToString::to_string).unwrap_or_default();
    let (reason, what) = if causes().any(<dyn Error>::is::<ConnectError>) {
        ("PEER_UNAVAILABLE", "cannot be reached")
    } else {
        ("CONNECTION_LOST", "went away during the call")
    };
    Fault::new(
        ErrorKind::Unavailable,
        reason,
        format!("{target} {what}: {root}"),
    )
    .with("target", target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_host_and_a_port() {
        let checked = |target: &str| endpoint(&ClientSettings::new("test", target)).map(|_| ());
        for target in [
            "trade:50051",
            "127.0.0.1:1",
            "[::1]:9",
            "trade.pay.svc.cluster.local:80",
        ] {
            assert_eq!(checked(target), Ok(()), "{target}");
        }
        for target in [
            "",
            "trade",
            ":1",
            "http://trade:1",
            "trade:1/x",
            "a b:1",
            "trade:99999",
        ] {
            assert_eq!(
                checked(target),
                Err(TargetError(target.to_owned())),
                "{target}"
            );
        }
    }
}
