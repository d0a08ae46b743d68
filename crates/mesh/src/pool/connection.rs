//! One HTTP/2 connection: from its handshake to its end, and how many calls it carries.

use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use hyper::client::conn::http2::{Builder, Connection, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use seam::net::Stream;
use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::Instant;
use tonic::body::Body;

const PING_EVERY: Duration = Duration::from_secs(10);
const PONG_WITHIN: Duration = Duration::from_secs(3);

type Io = TokioIo<Stream>;

/// A connection in use.
#[derive(Debug)]
pub(crate) struct Line {
    sender: SendRequest<Body>,
    used: AtomicUsize,
    limit: Arc<AtomicUsize>,
    /// When it was last in use; a number of milliseconds since it was opened.
    idle_at: AtomicUsize,
    pub(crate) opened: Instant,
    pub(crate) expires: Instant,
}

/// A connection that was opened, and what has to run for as long as it lasts.
pub(crate) struct Opened {
    sender: SendRequest<Body>,
    limit: Arc<AtomicUsize>,
    connection: Connection<Io, Body, Spawner>,
}

impl Opened {
    /// Ready for calls, until it is too old; the future ends with the connection.
    pub(crate) fn into_line(self, lasting: Duration) -> (Line, impl Future<Output = ()> + Send) {
        let Self {
            sender,
            limit,
            connection,
        } = self;
        let now = Instant::now();
        let line = Line {
            sender,
            used: AtomicUsize::new(0),
            limit: Arc::clone(&limit),
            idle_at: AtomicUsize::new(0),
            opened: now,
            expires: now + lasting,
        };
        (line, driven(connection, limit))
    }
}

impl Line {
    /// What sends requests.
    pub(crate) fn sender(&self) -> SendRequest<Body> {
        self.sender.clone()
    }

    /// Whether new calls may be sent: the peer has not said goodbye.
    pub(crate) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Acquire)
    }

    /// How many streams the peer takes.
    pub(crate) fn streams(&self) -> usize {
        self.limit.load(Ordering::Acquire)
    }

    // One stream is left free: h2 parks the one that reaches the limit, and a request parked
    // when a GOAWAY comes is lost without anybody knowing whether it was sent.
    fn limit(&self) -> usize {
        self.limit.load(Ordering::Acquire).saturating_sub(1).max(1)
    }

    pub(crate) fn has_room(&self) -> bool {
        self.is_open() && self.used() < self.limit()
    }

    /// Takes a stream, if one is free.
    pub(crate) fn take(&self) -> bool {
        let free = |used| (used < self.limit()).then_some(used + 1);
        let taken = self
            .used
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, free);
        self.is_open() && taken.is_ok()
    }

    /// Gives a stream back.
    pub(crate) fn release(&self, now: Instant) {
        let millis = now.saturating_duration_since(self.opened).as_millis();
        self.idle_at.store(
            usize::try_from(millis).unwrap_or(usize::MAX),
            Ordering::Release,
        );
        self.used.fetch_sub(1, Ordering::AcqRel);
    }

    /// For how long it has carried no call.
    pub(crate) fn idle_for(&self, now: Instant) -> Option<Duration> {
        let millis = u64::try_from(self.idle_at.load(Ordering::Acquire)).unwrap_or(u64::MAX);
        let since = self.opened.checked_add(Duration::from_millis(millis))?;
        (self.used() == 0).then(|| now.saturating_duration_since(since))
    }
}

/// Why a peer that was reached cannot be talked to.
#[derive(Debug, Error)]
pub(crate) enum OpenError {
    /// It closed the connection before it had said what it is.
    #[error("hung up before it spoke HTTP/2")]
    HungUp,
    /// What it says is something else.
    #[error("does not speak HTTP/2: {0}")]
    NotHttp2(String),
    /// One of these, where we did not offer to secure the connection.
    #[error("{0}; it may want TLS")]
    OnPlain(Box<OpenError>),
}

impl OpenError {
    /// The same on a connection without TLS.
    pub(crate) fn on_plain(self) -> Self {
        Self::OnPlain(Box::new(self))
    }
}

impl From<hyper::Error> for OpenError {
    fn from(error: hyper::Error) -> Self {
        match protocol_error(&error) {
            Some(protocol) if !protocol.is_io() => Self::NotHttp2(protocol.to_string()),
            _ => Self::HungUp,
        }
    }
}

/// What HTTP/2 has to say about an error.
pub(crate) fn protocol_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a h2::Error> {
    let mut causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.find_map(<dyn Error>::downcast_ref::<h2::Error>)
}

/// Speaks HTTP/2 with who is at the other end, until its settings have come: only then is it
/// known that it does too, and how many streams it takes.
pub(crate) async fn open(stream: Stream) -> Result<Opened, OpenError> {
    let spawner = Spawner::default();
    let (sender, mut connection) = Builder::new(spawner.clone())
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PONG_WITHIN)
        .keep_alive_while_idle(true)
        // None before the peer has said how many: so it shows that it has.
        .initial_max_send_streams(0)
        .handshake(TokioIo::new(stream))
        .await?;
    let limit = settled(&mut connection, &spawner).await?;
    spawner.0.settled.store(true, Ordering::Release);
    Ok(Opened {
        sender,
        limit: Arc::new(AtomicUsize::new(limit)),
        connection,
    })
}

async fn settled(
    connection: &mut Connection<Io, Body, Spawner>,
    spawner: &Spawner,
) -> Result<usize, OpenError> {
    loop {
        let polled = futures::poll!(&mut *connection);
        let limit = connection.current_max_send_streams();
        match polled {
            Poll::Ready(Err(error)) => return Err(error.into()),
            Poll::Ready(Ok(())) => return Err(OpenError::HungUp),
            Poll::Pending if limit > 0 => return Ok(limit),
            Poll::Pending => spawner.0.progress.notified().await,
        }
    }
}

async fn driven(connection: Connection<Io, Body, Spawner>, limit: Arc<AtomicUsize>) {
    let mut connection = pin!(connection);
    let ended = std::future::poll_fn(|cx| {
        let polled = connection.as_mut().poll(cx);
        limit.store(connection.current_max_send_streams(), Ordering::Release);
        polled
    });
    if let Err(error) = ended.await {
        tracing::debug!(%error, "a connection ended");
    }
}

/// Runs a connection's tasks. Before the settings have come it also tells of every step, because
/// the connection's own future is not woken by them.
#[derive(Clone, Default)]
pub(crate) struct Spawner(Arc<Steps>);

#[derive(Default)]
struct Steps {
    settled: AtomicBool,
    progress: Notify,
}

impl<F> hyper::rt::Executor<F> for Spawner
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, work: F) {
        // One type stands for all of a connection's tasks, and is as large as the connection:
        // unboxed, each call would have that moved about.
        let mut work = Box::pin(work);
        if self.0.settled.load(Ordering::Acquire) {
            tokio::spawn(work);
            return;
        }
        let steps = Arc::clone(&self.0);
        tokio::spawn(async move {
            let told = std::future::poll_fn(|cx| {
                let polled = work.as_mut().poll(cx);
                if !steps.settled.load(Ordering::Acquire) {
                    steps.progress.notify_one();
                }
                polled
            });
            told.await;
        });
    }
}
