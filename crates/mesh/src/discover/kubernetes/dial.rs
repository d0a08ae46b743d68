//! Connections to the cluster's API, over the same network as all others.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use seam::net::{Net, Stream};
use tokio::time::timeout;
use tower::Service;

const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Dials what a URI names.
#[derive(Clone)]
pub(super) struct Dial(pub(super) Arc<dyn Net>);

impl Service<Uri> for Dial {
    type Response = Link;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Link>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let net = Arc::clone(&self.0);
        Box::pin(async move {
            let otherwise = if uri.scheme_str() == Some("http") {
                80
            } else {
                443
            };
            let port = uri.port_u16().unwrap_or(otherwise);
            let address = format!("{}:{port}", uri.host().unwrap_or_default());
            let dialled = timeout(CONNECT_WITHIN, net.dial(&address)).await;
            let stream = dialled.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            let named =
                |error: io::Error| io::Error::new(error.kind(), format!("{address}: {error}"));
            Ok(Link(TokioIo::new(stream.map_err(named)?)))
        })
    }
}

/// One connection, as hyper's client wants it.
pub(super) struct Link(TokioIo<Stream>);

impl Connection for Link {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl Write for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
