//! The HTTP side: routes, and serving them on a listener of the network seam.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use http_body::Frame;
use seam::net::{Listener, Stream};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::gateway::Reply;
use crate::{App, SandboxError, gateway, page};

/// A request is a few kilobytes; `goods_detail` alone may have 6,000 characters.
const BODY_LIMIT: usize = 64 * 1024;
/// How long open requests may take once told to stop.
const DRAIN: Duration = Duration::from_secs(5);
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// The channel's routes; `stop` ends silences.
pub(crate) fn router(app: Arc<App>, stop: CancellationToken) -> Router {
    let gateway = move |State(app): State<Arc<App>>, body: Bytes| gateway(app, body, stop);
    Router::new()
        .route("/pay/gateway", post(gateway).fallback(not_post))
        .route("/pay/jspay", get(page::show).post(page::pay))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(app)
}

/// Serves until told to stop, then lets open requests end.
pub(crate) async fn serve(
    listener: Listener,
    router: Router,
    stop: CancellationToken,
) -> Result<(), SandboxError> {
    let server = axum::serve(Accepting(listener), router);
    let server = server.with_graceful_shutdown(stop.clone().cancelled_owned());
    let overdue = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        ended = server.into_future() => ended.map_err(SandboxError::Http),
        () = overdue => Ok(()),
    }
}

async fn gateway(app: Arc<App>, body: Bytes, stop: CancellationToken) -> Response {
    match gateway::answer(&app, &body).await {
        Reply::Answer(response) => response,
        Reply::Silence(length) => {
            tokio::select! {
                () = tokio::time::sleep(length) => {}
                () = stop.cancelled() => {}
            }
            Response::new(Body::new(BrokenOff))
        }
    }
}

async fn not_post() -> Response {
    gateway::message(gateway::NOT_POST.xml())
}

/// A body that fails before its first byte: the connection ends and nothing was sent.
struct BrokenOff;

impl http_body::Body for BrokenOff {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())))
    }
}

struct Accepting(Listener);

impl axum::serve::Listener for Accepting {
    type Io = Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Stream, SocketAddr) {
        loop {
            match self.0.accept().await {
                Ok(stream) => return (stream, self.0.address()),
                Err(error) => warn!(%error, "sandbox could not accept a connection"),
            }
            tokio::time::sleep(ACCEPT_AGAIN).await;
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.0.address())
    }
}
