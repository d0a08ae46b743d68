//! The server's side: each handshake is a task of its own, so that one that is slow delays nobody,
//! and there are so many at most.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use seam::net::Stream;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::Tls;
use super::cause::HandshakeError;
use crate::linger::Linger;
use crate::peer::Peer;

/// Counts handshakes on servers, by what came of them.
pub(crate) const HANDSHAKES: &str = "mesh_tls_handshakes_total";

const WITHIN: Duration = Duration::from_secs(5);
// Fewer than the files that a process may have open where nobody has set that.
const MOST: usize = 256;

/// Handshakes under way.
pub(crate) struct Handshakes {
    tls: Tls,
    tasks: JoinSet<Option<(Stream, Peer)>>,
    // As they came.
    running: VecDeque<(AbortHandle, Option<SocketAddr>)>,
}

impl Handshakes {
    pub(crate) fn new(tls: Tls) -> Self {
        Self {
            tls,
            tasks: JoinSet::new(),
            running: VecDeque::new(),
        }
    }

    /// Starts one; when there are too many, the oldest has had the most time and goes.
    pub(crate) fn start(&mut self, stream: Stream) {
        if self.running.len() >= MOST {
            self.running.retain(|(task, _)| !task.is_finished());
        }
        if self.running.len() >= MOST
            && let Some((oldest, address)) = self.running.pop_front()
        {
            oldest.abort();
            self.tls.refused(address, &HandshakeError::Crowded);
        }
        let address = stream.peer();
        let task = self.tasks.spawn(shaken(self.tls.clone(), stream));
        self.running.push_back((task, address));
    }

    /// The next that has succeeded; never, as long as none is under way.
    pub(crate) async fn next(&mut self) -> (Stream, Peer) {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(Some(secured))) => return secured,
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }
}

async fn shaken(tls: Tls, stream: Stream) -> Option<(Stream, Peer)> {
    let address = stream.peer();
    let (error, stream) = match timeout(WITHIN, accepted(&tls, stream)).await {
        Ok(Ok(secured)) => {
            metrics::counter!(HANDSHAKES, "result" => "ok").increment(1);
            return Some(secured);
        }
        Ok(Err((error, stream))) => (error, stream),
        Err(_) => (HandshakeError::Slow, None),
    };
    tls.refused(address, &error);
    if let Some(stream) = stream {
        told(stream).await;
    }
    None
}

type Refused = (HandshakeError, Option<Stream>);

async fn accepted(tls: &Tls, stream: Stream) -> Result<(Stream, Peer), Refused> {
    let (address, material) = (stream.peer(), tls.material());
    let acceptor = TlsAcceptor::from(Arc::clone(&material.server));
    match acceptor.accept(stream).into_fallible().await {
        Ok(stream) => {
            let identity = tls.shown(stream.get_ref().1.peer_certificates());
            let peer = Peer {
                address,
                identity: Some(identity.map_err(|error| (error, None))?),
            };
            Ok((Stream::new(stream, address), peer))
        }
        Err((error, stream)) => Err((HandshakeError::of(&error, &material.id), Some(stream))),
    }
}

// The alert that says why it was refused must not be lost with what it still had to say.
async fn told(mut stream: Stream) {
    let mut linger = Linger::default();
    let _ = poll_fn(|cx| linger.poll_shutdown(&mut stream, cx)).await;
}
