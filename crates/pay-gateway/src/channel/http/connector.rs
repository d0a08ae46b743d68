//! Makes connections for the pool: through the net seam, with TLS for `https`.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use seam::net::{Net, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Dials `http` and `https` origins.
#[derive(Clone)]
pub(super) struct Connector {
    net: Arc<dyn Net>,
    tls: TlsConnector,
    timeout: Duration,
}

/// A connection to a channel.
pub(super) enum Socket {
    Plain(Stream),
    Tls(Box<TlsStream<Stream>>),
}

impl Connector {
    pub(super) fn new(net: Arc<dyn Net>, roots: RootCertStore, timeout: Duration) -> Self {
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            net,
            tls: TlsConnector::from(Arc::new(config)),
            timeout,
        }
    }

    async fn connect(self, uri: Uri) -> io::Result<TokioIo<Socket>> {
        let late = io::Error::new(ErrorKind::TimedOut, "connecting took too long");
        let reached = tokio::time::timeout(self.timeout, self.reach(&uri)).await;
        let socket = reached.unwrap_or(Err(late))?;
        Ok(TokioIo::new(socket))
    }

    async fn reach(&self, uri: &Uri) -> io::Result<Socket> {
        let invalid = |why| io::Error::new(ErrorKind::InvalidInput, why);
        let host = uri.host().ok_or_else(|| invalid("no host in the url"))?;
        let secure = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(invalid("neither http nor https")),
        };
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let stream = self.net.dial(&format!("{host}:{port}")).await?;
        if !secure {
            return Ok(Socket::Plain(stream));
        }
        let name = host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(name).map_err(|_| invalid("host has no name for TLS"))?;
        Ok(Socket::Tls(Box::new(self.tls.connect(name, stream).await?)))
    }
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<Socket>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Socket>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

impl Connection for Socket {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

trait Duplex: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Duplex for T {}

impl Socket {
    fn io(self: Pin<&mut Self>) -> Pin<&mut dyn Duplex> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream),
            Self::Tls(stream) => Pin::new(stream.as_mut()),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.io().poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.io().poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_shutdown(cx)
    }
}
