//! A listener as a stream of connections that tonic and axum serve; it never ends by an error.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use seam::net::{Listener, Stream as Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;
use tracing::warn;

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Connections as they come in.
pub struct Incoming(pub Listener);

impl Incoming {
    /// The next connection. Without file handles or network it waits a little and goes on.
    pub(crate) async fn accept(&mut self) -> Io {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.0.accept().await {
                Ok(connection) => return Io(connection),
                Err(error) => {
                    warn!(%error, address = %self.0.address(), "a connection could not be accepted");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    pub(crate) fn into_stream(self) -> impl Stream<Item = io::Result<Io>> {
        futures::stream::unfold(self, |mut incoming| async {
            let connection = incoming.accept().await;
            Some((Ok(connection), incoming))
        })
    }
}

impl axum::serve::Listener for Incoming {
    type Io = Io;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Io, SocketAddr) {
        (Incoming::accept(self).await, self.0.address())
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.0.address())
    }
}

/// A connection; tells tonic nothing about its peer yet.
pub struct Io(Connection);

impl Connected for Io {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Io {
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

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;
    use seam::net::{Memory, Net};
    use std::pin::pin;

    #[tokio::test(start_paused = true)]
    async fn a_listener_that_fails_is_asked_again_and_again() {
        let net = Memory::default();
        let listener = net.listen("127.0.0.1:1").await.unwrap();
        let mut incoming = pin!(Incoming(listener).into_stream());
        let _near = net.dial("127.0.0.1:1").await.unwrap();
        assert!(incoming.next().await.unwrap().is_ok());
        // Without its network, every accept is an error.
        drop(net);
        let waited = tokio::time::timeout(Duration::from_mins(1), incoming.next()).await;
        assert!(waited.is_err());
    }
}
