//! The client's side: a connection is secured before anything else is said on it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use seam::net::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::Tls;
use super::cause::{HandshakeError, tls_error};
use super::spiffe::SpiffeId;
use crate::client::ClientSettings;

/// What a client shows its peers, and whom it expects.
#[derive(Clone)]
pub(crate) struct Security {
    tls: Tls,
    peer: Option<String>,
}

/// What the peer says of our certificate. In TLS 1.3 it may say so after the handshake is over
/// for us, when nobody but who reads from the connection would hear it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verdict(Arc<OnceLock<HandshakeError>>);

impl Verdict {
    /// Why it refuses us, if it does.
    pub(crate) fn refusal(&self) -> Option<HandshakeError> {
        self.0.get().cloned()
    }
}

impl Security {
    /// None where there is none.
    pub(crate) fn of(settings: &ClientSettings) -> Option<Self> {
        let tls = settings.tls.clone()?;
        let peer = settings.peer.clone();
        Some(Self { tls, peer })
    }

    /// Proves who we are and has the peer prove who it is.
    pub(crate) async fn secure(
        &self,
        stream: Stream,
        address: SocketAddr,
    ) -> Result<(Stream, Verdict), HandshakeError> {
        let (peer, material) = (stream.peer(), self.tls.material());
        let connector = TlsConnector::from(Arc::clone(&material.client));
        // It is not asked for: who is there is known by the id.
        let name = ServerName::from(address.ip());
        let connected = connector.connect(name, stream).await;
        let stream = connected.map_err(|error| HandshakeError::of(&error, &material.id))?;
        self.expected(&stream)?;
        let verdict = Verdict::default();
        let heard = Heard {
            stream,
            own: material.id.clone(),
            verdict: verdict.clone(),
        };
        Ok((Stream::new(heard, peer), verdict))
    }

    fn expected(&self, stream: &TlsStream<Stream>) -> Result<(), HandshakeError> {
        let shown = self.tls.shown(stream.get_ref().1.peer_certificates())?;
        match &self.peer {
            Some(expected) if shown.name() != expected => Err(HandshakeError::Other {
                shown,
                expected: expected.clone(),
            }),
            _ => Ok(()),
        }
    }
}

/// A secured connection that keeps what the peer has to say of our certificate.
struct Heard {
    stream: TlsStream<Stream>,
    own: SpiffeId,
    verdict: Verdict,
}

impl AsyncRead for Heard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Poll::Ready(Err(error)) = &polled
            && tls_error(error).is_some()
        {
            let why = HandshakeError::of(error, &self.own);
            self.verdict.0.get_or_init(|| why);
        }
        polled
    }
}

impl AsyncWrite for Heard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
}
