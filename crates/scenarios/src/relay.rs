//! A relay between two ends of the network that keeps what was sent, and loses or holds
//! back what it is told to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use seam::net::{Memory, Net, Stream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;

/// What a relay does with what it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Passes it on.
    Pass,
    /// Passes requests on and holds replies back until it passes again.
    HoldReplies,
    /// Passes requests on; replies are lost, and the connection stays silent.
    LoseReplies,
    /// Keeps requests, and stays silent.
    Swallow,
    /// Ends each connection at once.
    Refuse,
}

/// A relay.
pub struct Relay {
    mode: watch::Sender<Mode>,
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
}

#[derive(Clone)]
struct Wire {
    mode: watch::Receiver<Mode>,
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Relay {
    /// Listens at `at` and passes on to `to`.
    pub async fn start(net: &Arc<Memory>, at: &str, to: &'static str) -> Self {
        let mut listener = net.listen(at).await.expect("a free port");
        let (mode, listening) = watch::channel(Mode::Pass);
        let sent = Arc::default();
        let wire = Wire {
            mode: listening,
            sent: Arc::clone(&sent),
        };
        let net = Arc::clone(net);
        tokio::spawn(async move {
            while let Ok(near) = listener.accept().await {
                tokio::spawn(wire.clone().carry(near, Arc::clone(&net), to));
            }
        });
        Self { mode, sent }
    }

    /// From now on.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// What came in on each connection so far, in the order they were made.
    pub fn sent(&self) -> Vec<Vec<u8>> {
        lock(&self.sent).clone()
    }

    /// The bodies of the HTTP requests that came in, where each had a connection of its own.
    pub fn bodies(&self) -> Vec<Vec<u8>> {
        self.sent()
            .iter()
            .filter_map(|request| body(request))
            .collect()
    }
}

impl Wire {
    async fn carry(self, near: Stream, net: Arc<Memory>, to: &str) {
        let number = {
            let mut sent = lock(&self.sent);
            sent.push(Vec::new());
            sent.len() - 1
        };
        if *self.mode.borrow() == Mode::Refuse {
            return;
        }
        let Ok(far) = net.dial(to).await else { return };
        let (near_read, near_write) = tokio::io::split(near);
        let (far_read, far_write) = tokio::io::split(far);
        // Whichever end goes, the connection goes.
        tokio::select! {
            () = self.clone().requests(number, near_read, far_write) => {}
            () = self.replies(far_read, near_write) => {}
        }
    }

    async fn requests(
        self,
        number: usize,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
    ) {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            let bytes = buffer.get(..read).unwrap_or_default();
            if let Some(sent) = lock(&self.sent).get_mut(number) {
                sent.extend_from_slice(bytes);
            }
            let mode = *self.mode.borrow();
            match mode {
                Mode::Refuse => return,
                Mode::Swallow => {}
                _ if to.write_all(bytes).await.is_err() => return,
                _ => {}
            }
        }
    }

    async fn replies(mut self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            let bytes = buffer.get(..read).unwrap_or_default();
            if self
                .mode
                .wait_for(|mode| *mode != Mode::HoldReplies)
                .await
                .is_err()
            {
                return;
            }
            let mode = *self.mode.borrow();
            match mode {
                Mode::Refuse => return,
                Mode::LoseReplies | Mode::Swallow => {}
                _ if to.write_all(bytes).await.is_err() => return,
                _ => {}
            }
        }
        // A peer that closes after its reply was lost must not be heard either.
        let mode = *self.mode.borrow();
        if matches!(mode, Mode::LoseReplies | Mode::Swallow) {
            std::future::pending::<()>().await;
        }
    }
}

fn body(request: &[u8]) -> Option<Vec<u8>> {
    let end = request.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(request.get(end + 4..)?.to_vec())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
