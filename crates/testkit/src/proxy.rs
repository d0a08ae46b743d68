//! A TCP proxy that breaks where it is told to: before a statement reaches the server, or
//! after the server has done it and before its answer comes back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// MySQL's COMMIT as a statement; the bare word is also part of `READ COMMITTED`, which
/// every new connection says.
pub const COMMIT: &str = "\u{3}COMMIT";

/// What to break, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The bytes never arrive.
    Before,
    /// They arrive and are acted on; the answer is lost.
    After,
}

/// A proxy in front of a server.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    server: String,
    needle: Vec<u8>,
    before: AtomicU32,
    after: AtomicU32,
    hold: AtomicU32,
    held: Semaphore,
    released: Semaphore,
    passed: AtomicU32,
    down: AtomicBool,
    silent: AtomicBool,
}

impl Proxy {
    /// In front of `server` (`host:port`), watching for `needle` in what clients send.
    pub async fn start(server: &str, needle: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            server: server.to_owned(),
            needle: needle.as_bytes().to_vec(),
            before: AtomicU32::new(0),
            after: AtomicU32::new(0),
            hold: AtomicU32::new(0),
            held: Semaphore::new(0),
            released: Semaphore::new(0),
            passed: AtomicU32::new(0),
            down: AtomicBool::new(false),
            silent: AtomicBool::new(false),
        });
        tokio::spawn(accept(listener, Arc::clone(&state)));
        Self { address, state }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts the connection the next `times` the needle passes.
    pub fn cut(&self, cut: Cut, times: u32) {
        match cut {
            Cut::Before => self.state.before.store(times, Ordering::SeqCst),
            Cut::After => self.state.after.store(times, Ordering::SeqCst),
        }
    }

    /// Holds back the answer the next time the needle passes, until `release`.
    pub fn hold(&self) {
        self.state.hold.fetch_add(1, Ordering::SeqCst);
    }

    /// Waits until an answer is held back: what the needle asked for is done.
    pub async fn held(&self) {
        self.state
            .held
            .acquire()
            .await
            .expect("it is never closed")
            .forget();
    }

    /// Loses the answer that is held back, and its connection.
    pub fn release(&self) {
        self.state.released.add_permits(1);
    }

    /// How often the needle has passed.
    pub fn passed(&self) -> u32 {
        self.state.passed.load(Ordering::SeqCst)
    }

    /// From now on connections are accepted and nothing is answered, or everything again.
    /// What was swallowed stays so: those connections are of no use afterwards.
    pub fn silent(&self, silent: bool) {
        self.state.silent.store(silent, Ordering::SeqCst);
    }

    /// From now on nobody gets through, or everybody does again.
    pub fn down(&self, down: bool) {
        self.state.down.store(down, Ordering::SeqCst);
    }

    /// How many cuts are still to come.
    pub fn left(&self) -> u32 {
        self.state.before.load(Ordering::SeqCst) + self.state.after.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((client, _)) = listener.accept().await {
        if state.down.load(Ordering::SeqCst) {
            continue;
        }
        tokio::spawn(relay(client, Arc::clone(&state)));
    }
}

async fn relay(mut client: TcpStream, state: Arc<State>) -> std::io::Result<()> {
    let mut server = TcpStream::connect(&state.server).await?;
    let (mut asked, mut answered) = ([0; 16 * 1024], [0; 16 * 1024]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let bytes = &asked[..read?];
                if bytes.is_empty() || state.down.load(Ordering::SeqCst) {
                    return Ok(());
                }
                if state.silent.load(Ordering::SeqCst) {
                    return never_answer(client).await;
                }
                let hit = bytes.windows(state.needle.len()).any(|part| part == state.needle);
                state.passed.fetch_add(u32::from(hit), Ordering::SeqCst);
                if hit && take(&state.before) {
                    return Ok(());
                }
                server.write_all(bytes).await?;
                if hit && take(&state.after) {
                    return swallow_an_answer(&mut server).await;
                }
                if hit && take(&state.hold) {
                    swallow_an_answer(&mut server).await?;
                    state.held.add_permits(1);
                    state.released.acquire().await.expect("it is never closed").forget();
                    return Ok(());
                }
            }
            read = server.read(&mut answered) => {
                let bytes = &answered[..read?];
                if bytes.is_empty() || state.down.load(Ordering::SeqCst) {
                    return Ok(());
                }
                if state.silent.load(Ordering::SeqCst) {
                    return never_answer(client).await;
                }
                client.write_all(bytes).await?;
            }
        }
    }
}

// The answer proves that it was done; nobody else will see it.
async fn swallow_an_answer(server: &mut TcpStream) -> std::io::Result<()> {
    let mut answered = [0; 1024];
    server.read(&mut answered).await.map(|_| ())
}

async fn never_answer(mut client: TcpStream) -> std::io::Result<()> {
    let mut ignored = [0; 1024];
    while client.read(&mut ignored).await? > 0 {}
    Ok(())
}

fn take(count: &AtomicU32) -> bool {
    count
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            left.checked_sub(1)
        })
        .is_ok()
}
