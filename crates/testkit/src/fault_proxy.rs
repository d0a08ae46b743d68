//! A TCP proxy that is a bad network: it holds bytes back, falls silent and cuts connections, by
//! chance. The same seed gives the same fates, connection by connection and piece by piece.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use seam::{Ids, SeededIds};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// The most bytes of a piece: about a packet's.
pub const PIECE: usize = 1460;

/// How often a piece is lost and sent again before it passes whatever chance says.
const MOST_LOST: u32 = 3;

/// What becomes of pieces of up to 1,460 bytes, each direction by itself, in parts per thousand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults {
    /// Lost, and sent again after `again`; lost again it takes twice as long. What comes behind it
    /// waits for it, as with TCP.
    pub lost: u32,
    /// A retransmission's pause; 200 ms, which is Linux's shortest.
    pub again: Duration,
    /// Held back by `delay`, with what comes behind.
    pub late: u32,
    /// By how much; 50 ms.
    pub delay: Duration,
    /// Never comes, nor does anything after it; the connection stays open.
    pub silent: u32,
    /// Ends the connection.
    pub cut: u32,
}

impl Default for Faults {
    /// A good network.
    fn default() -> Self {
        Self {
            lost: 0,
            again: Duration::from_millis(200),
            late: 0,
            delay: Duration::from_millis(50),
            silent: 0,
            cut: 0,
        }
    }
}

/// What becomes of one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Passes,
    After(Duration),
    Silence,
    Cut,
}

/// A proxy in front of a server; it ends with its value.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    faults: Arc<Mutex<Faults>>,
    accepting: tokio::task::JoinHandle<()>,
}

impl FaultProxy {
    /// In front of `server`, on a free port of the loopback; a good network until told otherwise.
    pub async fn start(server: SocketAddr, seed: u64) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let faults = Arc::new(Mutex::new(Faults::default()));
        let accepting = tokio::spawn(accept(listener, server, (seed, Arc::clone(&faults))));
        Ok(Self {
            address,
            faults,
            accepting,
        })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, for the connections there are as well.
    pub fn set(&self, faults: Faults) {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Faults {
    /// The next piece's fate.
    fn fate(&self, ids: &dyn Ids) -> Fate {
        let [cut, silent, late] =
            [self.cut, self.silent, self.late].map(|share| share > ids.permille());
        let lost = (0..MOST_LOST).take_while(|_| self.lost > ids.permille());
        let again: Duration = lost.map(|times| self.again * 2_u32.pow(times)).sum();
        let late = if late { self.delay } else { Duration::ZERO };
        match (cut, silent, again + late) {
            (true, ..) => Fate::Cut,
            (_, true, _) => Fate::Silence,
            (.., Duration::ZERO) => Fate::Passes,
            (.., pause) => Fate::After(pause),
        }
    }
}

type Weather = (u64, Arc<Mutex<Faults>>);

async fn accept(listener: TcpListener, server: SocketAddr, (seed, faults): Weather) {
    let mut number = 0;
    let mut relays = tokio::task::JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let seed = seed.wrapping_mul(1_000_003).wrapping_add(number);
        relays.spawn(relay(client, server, (seed, Arc::clone(&faults))));
        while relays.try_join_next().is_some() {}
        number += 2;
    }
}

// Each direction ends by itself; one that breaks takes the other along.
async fn relay(
    client: TcpStream,
    server: SocketAddr,
    (seed, faults): Weather,
) -> Result<(), Broken> {
    let server = TcpStream::connect(server).await.map_err(|_| Broken)?;
    for side in [&client, &server] {
        side.set_nodelay(true).map_err(|_| Broken)?;
    }
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    let asked = carry(from_client, to_server, (seed, Arc::clone(&faults)));
    let answered = carry(from_server, to_client, (seed + 1, faults));
    tokio::try_join!(asked, answered).map(|_| ())
}

/// A connection that goes no further, both ways.
struct Broken;

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    (seed, faults): Weather,
) -> Result<(), Broken> {
    let ids = SeededIds::new(seed);
    let mut piece = [0; PIECE];
    loop {
        let read = from.read(&mut piece).await.map_err(|_| Broken)?;
        if read == 0 {
            return to.shutdown().await.map_err(|_| Broken);
        }
        let now = *faults.lock().unwrap_or_else(PoisonError::into_inner);
        match now.fate(&ids) {
            Fate::Passes => {}
            Fate::After(pause) => sleep(pause).await,
            Fate::Silence => return swallow(from).await,
            Fate::Cut => return Err(Broken),
        }
        let read = piece.get(..read).unwrap_or_default();
        to.write_all(read).await.map_err(|_| Broken)?;
    }
}

async fn swallow(mut from: OwnedReadHalf) -> Result<(), Broken> {
    let mut ignored = [0; PIECE];
    while from.read(&mut ignored).await.map_err(|_| Broken)? > 0 {}
    Err(Broken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{Instant, timeout};

    const SECOND: Duration = Duration::from_secs(1);

    fn fates(faults: Faults, seed: u64) -> Vec<Fate> {
        let ids = SeededIds::new(seed);
        (0..20_000).map(|_| faults.fate(&ids)).collect()
    }

    fn share(fates: &[Fate], of: impl Fn(&Fate) -> bool) -> usize {
        fates.iter().filter(|fate| of(fate)).count() * 1000 / fates.len()
    }

    #[test]
    fn a_fifth_is_lost_where_a_fifth_is_to_be_lost_and_the_same_one_each_time() {
        let faults = Faults {
            lost: 200,
            ..Faults::default()
        };
        let seen = fates(faults, 1);
        let lost = share(&seen, |fate| matches!(fate, Fate::After(_)));
        assert!((190..=210).contains(&lost), "{lost}");
        let twice = share(&seen, |fate| *fate == Fate::After(faults.again * 3));
        assert!((27..=37).contains(&twice), "{twice}");
        assert_eq!(seen, fates(faults, 1));
        assert_ne!(seen, fates(faults, 2));
    }

    #[test]
    fn cuts_and_silences_are_as_rare_as_they_are_to_be() {
        let faults = Faults {
            cut: 10,
            silent: 20,
            late: 100,
            ..Faults::default()
        };
        let seen = fates(faults, 3);
        for (fate, wanted) in [
            (Fate::Cut, 6..=13),
            (Fate::Silence, 16..=24),
            (Fate::After(faults.delay), 90..=105),
        ] {
            let found = share(&seen, |seen| *seen == fate);
            assert!(wanted.contains(&found), "{fate:?}: {found}");
        }
        let calm = fates(Faults::default(), 3);
        assert_eq!(share(&calm, |fate| *fate == Fate::Passes), 1000);
    }

    /// A server that gives back what it gets, a proxy before it, and a connection through both.
    async fn through() -> (FaultProxy, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (mut from, mut to) = stream.into_split();
                tokio::spawn(async move { tokio::io::copy(&mut from, &mut to).await });
            }
        });
        let proxy = FaultProxy::start(server, 1).await.unwrap();
        let stream = TcpStream::connect(proxy.address()).await.unwrap();
        (proxy, stream)
    }

    async fn echoed(stream: &mut TcpStream) -> std::io::Result<[u8; 4]> {
        stream.write_all(b"ping").await?;
        let mut word = [0; 4];
        stream.read_exact(&mut word).await?;
        Ok(word)
    }

    #[tokio::test]
    async fn a_good_network_passes_everything_on_in_its_turn() {
        let (_proxy, stream) = through().await;
        let (mut from, mut to) = stream.into_split();
        let sent: Vec<u8> = (0..200_000_u32).map(|byte| (byte % 251) as u8).collect();
        let all = sent.clone();
        tokio::spawn(async move { to.write_all(&all).await.map(|()| to) });
        let mut came = vec![0; sent.len()];
        from.read_exact(&mut came).await.unwrap();
        assert!(came == sent);
    }

    #[tokio::test]
    async fn what_is_late_comes_late_and_what_is_cut_never() {
        let (proxy, mut stream) = through().await;
        proxy.set(Faults {
            late: 1000,
            ..Faults::default()
        });
        let begun = Instant::now();
        assert_eq!(&echoed(&mut stream).await.unwrap(), b"ping");
        assert!(begun.elapsed() >= Faults::default().delay * 2);
        proxy.set(Faults {
            cut: 1000,
            ..Faults::default()
        });
        let cut = timeout(SECOND, echoed(&mut stream)).await.unwrap();
        assert!(cut.is_err());
    }

    #[tokio::test]
    async fn a_silent_connection_stays_open_and_says_nothing() {
        let (proxy, mut stream) = through().await;
        assert!(echoed(&mut stream).await.is_ok());
        proxy.set(Faults {
            silent: 1000,
            ..Faults::default()
        });
        let silent = timeout(Duration::from_millis(100), echoed(&mut stream)).await;
        assert!(silent.is_err());
        // Better weather does not bring it back.
        proxy.set(Faults::default());
        let silent = timeout(Duration::from_millis(100), echoed(&mut stream)).await;
        assert!(silent.is_err());
    }
}
