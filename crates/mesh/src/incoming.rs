//! A listener as a stream of connections to be served; it never ends by an error. There are so many
//! at most, and who says nothing is left.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use seam::net::{Listener, Stream as Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::transport::server::Connected;
use tracing::warn;

use crate::linger::Linger;
use crate::peer::Peer;
use crate::seldom::Seldom;
use crate::silence::{Silence, Silent};
use crate::tls::{Handshakes, Tls};

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
// Of a listener; whoever comes then waits in the system's queue until one ends.
const PLACES: usize = 4096;

/// Connections as they come in.
pub(crate) struct Incoming {
    listener: Listener,
    silent: Silent,
    places: Arc<Semaphore>,
    full: Seldom,
}

impl Incoming {
    /// Takes connections in at a listener, 4096 at once at most.
    pub(crate) fn new(listener: Listener) -> Self {
        Self {
            listener,
            silent: Silent::default(),
            places: Arc::new(Semaphore::new(PLACES)),
            full: Seldom::default(),
        }
    }

    /// A place for the next connection, held until that ends.
    async fn place(&mut self) -> Place {
        if self.places.available_permits() == 0 && self.full.may() {
            warn!(address = %self.listener.address(), "too many connections: the next has to wait");
        }
        // It is never closed.
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    /// The next connection. Without file handles or network it waits a little and goes on.
    async fn connection(&mut self) -> Connection {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.listener.accept().await {
                Ok(connection) => return connection,
                Err(error) => {
                    let address = self.listener.address();
                    warn!(%error, %address, "a connection could not be accepted");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// The next connection as it is.
    pub(crate) async fn accept(&mut self) -> Io {
        let place = self.place().await;
        let connection = self.connection().await;
        let peer = Peer {
            address: connection.peer(),
            identity: None,
        };
        self.io((connection, peer), place)
    }

    /// The next whose handshake has succeeded; more come in meanwhile.
    async fn secured(&mut self, handshakes: &mut Handshakes) -> Io {
        let place = self.place().await;
        loop {
            tokio::select! {
                secured = handshakes.next() => return self.io(secured, place),
                connection = self.connection() => handshakes.start(connection),
            }
        }
    }

    fn io(&mut self, (connection, peer): (Connection, Peer), place: Place) -> Io {
        Io {
            connection,
            peer,
            silence: Some(self.silent.start()),
            linger: Linger::default(),
            _place: place,
        }
    }

    /// Connections for as long as anybody asks; with TLS, those that have proved who they are.
    pub(crate) fn into_stream(self, tls: Option<Tls>) -> impl Stream<Item = io::Result<Io>> {
        let begun = (self, tls.map(Handshakes::new));
        futures::stream::unfold(begun, |(mut incoming, mut handshakes)| async {
            let connection = match &mut handshakes {
                Some(handshakes) => incoming.secured(handshakes).await,
                None => incoming.accept().await,
            };
            Some((Ok(connection), (incoming, handshakes)))
        })
    }
}

type Place = Option<OwnedSemaphorePermit>;

/// A connection; tells tonic who its peer is.
pub(crate) struct Io {
    connection: Connection,
    peer: Peer,
    // Until it has said what it speaks.
    silence: Option<Silence>,
    linger: Linger,
    _place: Place,
}

impl Connected for Io {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let Some(silence) = &mut this.silence else {
            return Pin::new(&mut this.connection).poll_read(cx, buf);
        };
        let before = buf.filled().len();
        let read = Pin::new(&mut this.connection).poll_read(cx, buf);
        // Whoever has spoken in time is heard, however late that is.
        if read.is_pending() {
            return silence.poll_over(cx).map(Err);
        }
        let said = buf.filled().get(before..).unwrap_or_default();
        if silence.is_broken_by(said) {
            this.silence = None;
        }
        read
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.linger.poll_shutdown(&mut this.connection, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write_vectored(cx, bufs)
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
        let mut incoming = pin!(Incoming::new(listener).into_stream(None));
        let _near = net.dial("127.0.0.1:1").await.unwrap();
        assert!(incoming.next().await.unwrap().is_ok());
        // Without its network, every accept is an error.
        drop(net);
        let waited = tokio::time::timeout(Duration::from_mins(1), incoming.next()).await;
        assert!(waited.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_places_are_taken_the_next_waits_until_one_ends() {
        let net = Memory::default();
        let mut incoming = Incoming::new(net.listen("127.0.0.1:1").await.unwrap());
        incoming.places = Arc::new(Semaphore::new(2));
        let mut near = Vec::new();
        for _ in 0..3 {
            near.push(net.dial("127.0.0.1:1").await.unwrap());
        }
        let (one, _other) = (incoming.accept().await, incoming.accept().await);
        let waited = tokio::time::timeout(Duration::from_mins(1), incoming.accept()).await;
        assert!(waited.is_err());
        drop(one);
        incoming.accept().await;
    }
}
