//! Who keeps an endpoint connected: one task each, so that no call ever dials.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use seam::Ids;
use seam::net::Stream;
use thiserror::Error;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::debug;

use super::Shared;
use super::connection::{Line, OpenError, Opened, open};
use super::meters::Ended;
use crate::discover::DiscoverError;
use crate::endpoint::Endpoint;
use crate::tls::HandshakeError;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
// While calls wait because no endpoint is ready, nobody sleeps long.
const HURRIED_PAUSE: Duration = Duration::from_millis(250);
// A connection that lasted so long is no sign of a peer that flaps.
pub(super) const STEADY: Duration = Duration::from_secs(10);
const LIFE: Duration = Duration::from_mins(30);
const IDLE: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Why a peer is not connected.
#[derive(Debug, Error)]
pub(crate) enum Trouble {
    /// Nobody has said yet where it is.
    #[error("its addresses are not known yet")]
    Unknown,
    /// Its addresses are, and no dial has ended yet.
    #[error("it is still being dialled")]
    Dialling,
    /// Nobody can say where it is.
    #[error("{0}")]
    Discover(DiscoverError),
    /// It was not reached.
    #[error("{address}: {}", plain(.source))]
    Dial {
        /// Where.
        address: SocketAddr,
        /// What the network says.
        source: io::Error,
    },
    /// It was reached, and one of the two does not believe the other.
    #[error("{address} {source}")]
    Tls {
        /// Where.
        address: SocketAddr,
        /// Who does not, and why.
        source: HandshakeError,
    },
    /// It was reached, and cannot be talked to.
    #[error("{address} {source}")]
    Open {
        /// Where.
        address: SocketAddr,
        /// What is wrong with it.
        source: OpenError,
    },
    /// It is connected, and has no stream to spare.
    #[error("no stream became free in time")]
    Full,
}

/// Growing pauses: 100 ms × 1.6 ± 20 % up to 30 s.
#[derive(Debug, Default)]
pub(crate) struct Backoff(Option<Duration>);

impl Backoff {
    pub(crate) fn next(&mut self, ids: &dyn Ids) -> Duration {
        let pause = self
            .0
            .map_or(FIRST_PAUSE, |last| last * 8 / 5)
            .min(LONGEST_PAUSE);
        self.0 = Some(pause);
        spread(pause, 200, ids)
    }

    pub(crate) fn reset(&mut self) {
        self.0 = None;
    }
}

/// The pauses between dials of one purpose, short again once what was dialled has lasted.
#[derive(Debug, Default)]
pub(super) struct Pace {
    backoff: Backoff,
    worked: Option<Instant>,
}

impl Pace {
    pub(super) fn worked(&mut self) {
        self.worked = Some(Instant::now());
    }

    pub(super) fn next(&mut self, ids: &dyn Ids) -> Duration {
        if self.worked.take().is_some_and(|at| at.elapsed() >= STEADY) {
            self.backoff.reset();
        }
        self.backoff.next(ids)
    }
}

/// A time more or less so long: by as many thousandths at most.
fn spread(time: Duration, permille: u32, ids: &dyn Ids) -> Duration {
    let share = ids.permille() * 2 * permille / 1000;
    time * (1000 - permille + share) / 1000
}

/// Dials one endpoint again and again.
pub(super) struct Keeper {
    pub(super) shared: Arc<Shared>,
    pub(super) endpoint: Arc<Endpoint>,
}

impl Keeper {
    /// Until the endpoint is gone; then its connections end with their last calls.
    pub(super) async fn run(self) {
        let gone = self.endpoint.gone.clone();
        gone.run_until_cancelled(self.keep()).await;
        let left = std::mem::take(&mut *self.endpoint.lines()).len();
        self.shared.meters.disconnected(Ended::Gone, left);
        self.shared.counted();
    }

    async fn keep(&self) {
        // One more connection that cannot be had says little about the one that there is.
        let (mut only, mut more) = (Pace::default(), Pace::default());
        loop {
            let now = Instant::now();
            let flaps = self.prune(now).is_some_and(|age| age < STEADY);
            let pace = if self.endpoint.is_connected() {
                &mut more
            } else {
                &mut only
            };
            if flaps {
                self.pause(pace.next(&*self.shared.ids)).await;
            } else if !self.wants_one(now) {
                self.rest().await;
            } else if let Err(trouble) = self.dial().await {
                debug!(%trouble, "a peer cannot be reached");
                self.shared.unreachable(&self.endpoint, trouble);
                self.pause(pace.next(&*self.shared.ids)).await;
            } else {
                pace.worked();
            }
        }
    }

    /// Lets go of connections that have ended, that are old and replaced, or that nobody needs;
    /// the age of the youngest that ended by itself.
    fn prune(&self, now: Instant) -> Option<Duration> {
        let mut lines = self.endpoint.lines();
        let before = lines.len();
        let ended = lines.iter().filter(|line| !line.is_open());
        let youngest = ended
            .map(|line| now.saturating_duration_since(line.opened))
            .min();
        lines.retain(|line| line.is_open());
        let open = lines.len();
        if lines.iter().any(|line| line.expires > now) {
            lines.retain(|line| line.expires > now);
        }
        let young = lines.len();
        let idle = |line: &Arc<Line>| line.idle_for(now).is_some_and(|idle| idle >= IDLE);
        while lines.len() > 1
            && let Some(place) = lines.iter().position(idle)
        {
            lines.remove(place);
        }
        let left = lines.len();
        drop(lines);
        if left != before {
            let meters = &self.shared.meters;
            meters.disconnected(Ended::Lost, before - open);
            meters.disconnected(Ended::Expired, open - young);
            meters.disconnected(Ended::Idle, young - left);
            self.shared.counted();
        }
        if youngest.is_some() {
            self.shared.trouble.notify_one();
        }
        youngest
    }

    fn wants_one(&self, now: Instant) -> bool {
        let lines = self.endpoint.lines();
        let full =
            lines.len() < self.shared.most_lines && lines.iter().all(|line| !line.has_room());
        full || lines.iter().all(|line| line.expires <= now)
    }

    async fn dial(&self) -> Result<(), Trouble> {
        let address = self.endpoint.address();
        let within = self.shared.connect_timeout;
        let opened = timeout(within, async {
            let text = address.to_string();
            let stream = self.shared.net.dial(&text).await;
            let stream = stream.map_err(|source| Trouble::Dial { address, source })?;
            self.open(stream, address).await
        });
        let opened = opened.await.unwrap_or_else(|_| {
            let source = io::ErrorKind::TimedOut.into();
            Err(Trouble::Dial { address, source })
        });
        self.shared.dialled(opened.is_ok());
        let (line, driven) = opened?.into_line(spread(LIFE, 100, &*self.shared.ids));
        let endpoint = Arc::clone(&self.endpoint);
        tokio::spawn(async move {
            driven.await;
            endpoint.nudge.notify_one();
        });
        self.endpoint.add(Arc::new(line), Instant::now());
        debug!(peer = %self.shared.target, %address, "connected");
        self.shared.connected();
        Ok(())
    }

    async fn open(&self, stream: Stream, address: SocketAddr) -> Result<Opened, Trouble> {
        let refused = |source| Trouble::Tls { address, source };
        let Some(security) = &self.shared.security else {
            let opened = open(stream).await;
            return opened.map_err(|error| Trouble::Open {
                address,
                source: error.on_plain(),
            });
        };
        let (stream, verdict) = security.secure(stream, address).await.map_err(refused)?;
        let opened = open(stream).await;
        // What it says of our certificate explains why it does not speak.
        opened.map_err(|source| match verdict.refusal() {
            Some(source) => refused(source),
            None => Trouble::Open { address, source },
        })
    }

    /// Until something ends, is wanted or gets old.
    async fn rest(&self) {
        let (expires, several) = {
            let lines = self.endpoint.lines();
            (lines.iter().map(|line| line.expires).min(), lines.len() > 1)
        };
        let look = Instant::now() + LOOK_EVERY;
        let until = match expires {
            Some(expires) if several => expires.min(look),
            Some(expires) => expires,
            None => look,
        };
        tokio::select! {
            biased;
            () = self.endpoint.nudge.notified() => {}
            () = sleep_until(until) => {}
        }
    }

    /// Waits before the next dial, for less when calls wait for it, and no longer when the last
    /// connection ends.
    async fn pause(&self, pause: Duration) {
        let begun = Instant::now();
        let connected = self.endpoint.is_connected();
        let whole = sleep(pause);
        let hurried = async {
            loop {
                if connected && !self.endpoint.is_connected() {
                    return;
                }
                if self.shared.is_awaited() {
                    return sleep_until(begun + HURRIED_PAUSE).await;
                }
                self.endpoint.nudge.notified().await;
            }
        };
        tokio::select! {
            biased;
            () = whole => {}
            () = hurried => {}
        }
    }
}

impl Trouble {
    /// Where, as far as that is known.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Dial { address, .. } | Self::Tls { address, .. } | Self::Open { address, .. } => {
                Some(*address)
            }
            Self::Unknown | Self::Dialling | Self::Discover(_) | Self::Full => None,
        }
    }
}

fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::TimedOut => "the dial took too long".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use seam::SeededIds;

    proptest! {
        #[test]
        fn pauses_grow_to_half_a_minute_and_no_further(seed: u64) {
            let ids = SeededIds::new(seed);
            let mut backoff = Backoff::default();
            let mut middle = FIRST_PAUSE;
            for _ in 0..20 {
                let pause = backoff.next(&ids);
                prop_assert!(pause >= middle * 8 / 10 && pause <= middle * 12 / 10, "{pause:?}");
                middle = (middle * 8 / 5).min(LONGEST_PAUSE);
            }
            prop_assert_eq!(middle, LONGEST_PAUSE);
            backoff.reset();
            prop_assert!(backoff.next(&ids) <= FIRST_PAUSE * 12 / 10);
        }
    }
}
