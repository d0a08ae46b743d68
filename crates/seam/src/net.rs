//! Dialling and listening: TCP, or streams within the process.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// Reaches peers and is reached by them.
#[async_trait]
pub trait Net: Send + Sync + 'static {
    /// Connects to `host:port`.
    async fn dial(&self, address: &str) -> io::Result<Stream>;

    /// Listens on `host:port`; port 0 takes a free one.
    async fn listen(&self, address: &str) -> io::Result<Listener>;
}

/// A connection.
pub struct Stream {
    duplex: Box<dyn Duplex>,
    peer: Option<SocketAddr>,
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Stream {
    /// Wraps what carries the bytes.
    pub fn new(
        duplex: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        peer: Option<SocketAddr>,
    ) -> Self {
        Self {
            duplex: Box::new(duplex),
            peer,
        }
    }

    /// Where the other end is; none within the process.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }
}

/// Where connections come in.
pub struct Listener {
    address: SocketAddr,
    incoming: Box<dyn Accept>,
}

/// Takes connections in.
#[async_trait]
pub trait Accept: Send + 'static {
    /// The next connection.
    async fn accept(&mut self) -> io::Result<Stream>;
}

#[async_trait]
impl Accept for TcpListener {
    async fn accept(&mut self) -> io::Result<Stream> {
        let (stream, peer) = Self::accept(self).await?;
        stream.set_nodelay(true)?;
        Ok(Stream::new(stream, Some(peer)))
    }
}

#[async_trait]
impl Accept for mpsc::Receiver<DuplexStream> {
    async fn accept(&mut self) -> io::Result<Stream> {
        let stream = self.recv().await.ok_or(ErrorKind::NotConnected)?;
        Ok(Stream::new(stream, None))
    }
}

impl Listener {
    /// What takes connections in at an address.
    pub fn new(address: SocketAddr, incoming: impl Accept) -> Self {
        Self {
            address,
            incoming: Box::new(incoming),
        }
    }

    /// The address bound, its port known.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next connection.
    pub async fn accept(&mut self) -> io::Result<Stream> {
        self.incoming.accept().await
    }
}

/// TCP.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tcp;

#[async_trait]
impl Net for Tcp {
    async fn dial(&self, address: &str) -> io::Result<Stream> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let peer = stream.peer_addr().ok();
        Ok(Stream::new(stream, peer))
    }

    async fn listen(&self, address: &str) -> io::Result<Listener> {
        let listener = TcpListener::bind(address).await?;
        Ok(Listener::new(listener.local_addr()?, listener))
    }
}

/// A network within the process: ports are numbers, a connection is a pair of buffers.
#[derive(Debug, Default)]
pub struct Memory {
    listeners: Mutex<HashMap<u16, mpsc::Sender<DuplexStream>>>,
}

const BUFFER: usize = 64 * 1024;
const BACKLOG: usize = 128;
const FIRST_FREE_PORT: u16 = 20_000;

impl Memory {
    fn listeners(&self) -> std::sync::MutexGuard<'_, HashMap<u16, mpsc::Sender<DuplexStream>>> {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Net for Memory {
    async fn dial(&self, address: &str) -> io::Result<Stream> {
        let listener = self.listeners().get(&port(address)?).cloned();
        let listener = listener.ok_or(ErrorKind::ConnectionRefused)?;
        let (near, far) = tokio::io::duplex(BUFFER);
        listener
            .send(far)
            .await
            .map_err(|_| ErrorKind::ConnectionRefused)?;
        Ok(Stream::new(near, None))
    }

    async fn listen(&self, address: &str) -> io::Result<Listener> {
        let mut listeners = self.listeners();
        let wanted = match port(address)? {
            0 => (FIRST_FREE_PORT..u16::MAX).find(|port| !listeners.contains_key(port)),
            port => {
                Some(port).filter(|port| listeners.get(port).is_none_or(mpsc::Sender::is_closed))
            }
        };
        let port = wanted.ok_or(ErrorKind::AddrInUse)?;
        let (sender, streams) = mpsc::channel(BACKLOG);
        listeners.insert(port, sender);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Ok(Listener::new(address, streams))
    }
}

fn port(address: &str) -> io::Result<u16> {
    let port = address
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok());
    port.ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, format!("no port in {address:?}")))
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.duplex).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.duplex).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.duplex).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.duplex).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.duplex.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.duplex).poll_write_vectored(cx, bufs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn echo_through(net: impl Net) {
        let mut listener = net.listen("127.0.0.1:0").await.unwrap();
        let address = listener.address().to_string();
        let server = async {
            let mut stream = listener.accept().await.unwrap();
            let mut word = [0; 4];
            stream.read_exact(&mut word).await.unwrap();
            stream.write_all(&word).await.unwrap();
        };
        let client = async {
            let mut stream = net.dial(&address).await.unwrap();
            stream.write_all(b"ping").await.unwrap();
            let mut word = [0; 4];
            stream.read_exact(&mut word).await.unwrap();
            word
        };
        let ((), word) = tokio::join!(server, client);
        assert_eq!(&word, b"ping");
    }

    #[tokio::test]
    async fn both_networks_carry_bytes() {
        echo_through(Tcp).await;
        echo_through(Memory::default()).await;
    }

    #[tokio::test]
    async fn nobody_listening_is_refused() {
        let refused = Memory::default().dial("shop:1").await.err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn a_port_is_bound_once() {
        let net = Memory::default();
        let first = net.listen("127.0.0.1:7").await.unwrap();
        assert_eq!(
            net.listen("127.0.0.1:7").await.err().unwrap().kind(),
            ErrorKind::AddrInUse
        );
        drop(first);
        assert!(net.listen("127.0.0.1:7").await.is_ok());
    }
}
