//! The simulated network, as `seam` has it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use seam::net::{Accept, Listener, Net, Stream};
use turmoil::net::{TcpListener, TcpStream};

use crate::world::Diary;

/// A network whose dials are written down.
pub(crate) struct Simulated {
    pub(crate) diary: Arc<Diary>,
    /// Dials that failed or were given up: turmoil counts them as connections for ever.
    pub(crate) failed: Arc<AtomicUsize>,
}

#[tonic::async_trait]
impl Net for Simulated {
    async fn dial(&self, address: &str) -> io::Result<Stream> {
        self.failed.fetch_add(1, Ordering::Relaxed);
        let dialled = TcpStream::connect(address.to_owned()).await;
        let said = dialled.as_ref().map(|_| ()).map_err(io::Error::kind);
        self.diary.note(format_args!("dial {address}: {said:?}"));
        let stream = dialled?;
        self.failed.fetch_sub(1, Ordering::Relaxed);
        let peer = stream.peer_addr().ok();
        Ok(Stream::new(stream, peer))
    }

    async fn listen(&self, address: &str) -> io::Result<Listener> {
        let listener = TcpListener::bind(address.to_owned()).await?;
        Ok(Listener::new(listener.local_addr()?, Door(listener)))
    }
}

struct Door(TcpListener);

#[tonic::async_trait]
impl Accept for Door {
    async fn accept(&mut self) -> io::Result<Stream> {
        let (stream, peer) = self.0.accept().await?;
        Ok(Stream::new(stream, Some(peer)))
    }
}
