//! One address of a peer: its connections, what it has to do, how it has been doing.

mod view;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::uri::Authority;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::view::Failures;
pub(crate) use self::view::View;
use crate::breaker::Breaker;
use crate::outcome::Outcome;
use crate::pick::ewma::{DECAY, PeakEwma};
use crate::pool::connection::Line;
use crate::pool::dial::Trouble;

/// What a failure counts as: an endpoint that fails fast must not look quick.
pub(crate) const PENALTY: Duration = Duration::from_secs(1);
/// How long an endpoint counts as new, and gets less than its share.
pub(crate) const SLOW_START: Duration = Duration::from_secs(10);

const SLOW_START_FACTOR: u64 = 10;
// Of whom nothing is known one call is to find out, not a burst.
const UNPROVEN_FACTOR: u64 = 1000;

/// An address, its connections and its record.
#[derive(Debug)]
pub(crate) struct Endpoint {
    address: SocketAddr,
    authority: Option<Authority>,
    pending: AtomicUsize,
    calls: AtomicU64,
    record: Mutex<Record>,
    failures: Failures,
    breaker: Breaker,
    lines: Mutex<Vec<Arc<Line>>>,
    failed: Mutex<Option<(u64, Arc<Trouble>)>>,
    /// Wakes who dials: a connection has ended, more are wanted, or calls wait.
    pub(crate) nudge: Notify,
    /// Cancelled when the address is no longer one of the peer's.
    pub(crate) gone: CancellationToken,
}

#[derive(Debug)]
struct Record {
    cost: PeakEwma,
    ready_since: Instant,
    observed: Option<Instant>,
}

impl Endpoint {
    pub(crate) fn new(address: SocketAddr, now: Instant) -> Self {
        Self {
            address,
            authority: address.to_string().parse().ok(),
            pending: AtomicUsize::new(0),
            calls: AtomicU64::new(0),
            record: Mutex::new(Record::new(now)),
            failures: Failures::default(),
            breaker: Breaker::default(),
            lines: Mutex::default(),
            failed: Mutex::default(),
            nudge: Notify::new(),
            gone: CancellationToken::new(),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address as a request names it.
    pub(crate) fn authority(&self) -> Option<&Authority> {
        self.authority.as_ref()
    }

    pub(crate) fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// What a call to it costs: its latency, times the calls it would then have.
    pub(crate) fn load(&self, now: Instant) -> u64 {
        let pending = self.pending.load(Ordering::Relaxed) as u64;
        let record = lock(&self.record);
        let load = record.cost.cost(now).max(1).saturating_mul(pending + 1);
        let load = load.saturating_mul(record.newness(now));
        if pending > 0 && record.is_unproven(now) {
            return load.saturating_mul(UNPROVEN_FACTOR);
        }
        load
    }

    /// Counts a call in.
    pub(crate) fn enter(&self) {
        self.pending.fetch_add(1, Ordering::Relaxed);
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a call out.
    pub(crate) fn leave(&self) {
        self.pending.fetch_sub(1, Ordering::Relaxed);
    }

    /// Notes how long a call took and how it ended; whether that ejected it.
    pub(crate) fn observe(&self, latency: Duration, outcome: Outcome, now: Instant) -> bool {
        self.learn(latency, outcome, now);
        self.breaker.record(now, outcome)
    }

    /// The same of a call that was to find out whether it works again.
    pub(crate) fn observe_probe(&self, latency: Duration, outcome: Outcome, now: Instant) -> bool {
        self.learn(latency, outcome, now);
        self.breaker.probed(now, outcome)
    }

    fn learn(&self, latency: Duration, outcome: Outcome, now: Instant) {
        match outcome {
            Outcome::Ok | Outcome::CallerError => lock(&self.record).observe(latency, now),
            Outcome::Failure => lock(&self.record).observe(latency.max(PENALTY), now),
            Outcome::NeverProcessed => {}
        }
    }

    /// Notes how long an answer has let its caller wait so far: it can only be slower than that.
    pub(crate) fn observe_at_least(&self, latency: Duration) {
        let now = Instant::now();
        let mut record = lock(&self.record);
        if latency > Duration::from_micros(record.cost.cost(now)) {
            record.observe(latency, now);
        }
    }

    /// Takes a stream of the connection with the fewest.
    pub(crate) fn take(&self) -> Option<Arc<Line>> {
        let lines = lock(&self.lines);
        let line = lines
            .iter()
            .filter(|line| line.has_room())
            .min_by_key(|line| line.used())?;
        let taken = line.take().then(|| Arc::clone(line));
        if lines.iter().all(|line| !line.has_room()) {
            self.nudge.notify_one();
        }
        taken
    }

    /// Whether a call can be sent at once.
    pub(crate) fn has_room(&self) -> bool {
        lock(&self.lines).iter().any(|line| line.has_room())
    }

    /// Whether there is a connection, be it full.
    pub(crate) fn is_connected(&self) -> bool {
        lock(&self.lines).iter().any(|line| line.is_open())
    }

    /// Its connections.
    pub(crate) fn lines(&self) -> MutexGuard<'_, Vec<Arc<Line>>> {
        lock(&self.lines)
    }

    /// Takes a new connection in use.
    pub(crate) fn add(&self, line: Arc<Line>, now: Instant) {
        let mut lines = lock(&self.lines);
        if lines.is_empty() {
            let mut record = lock(&self.record);
            *record = Record {
                ready_since: now,
                ..Record::new(now)
            };
        }
        lines.push(line);
        *lock(&self.failed) = None;
    }

    /// Notes why it cannot be reached, as number `turn` of the pool's troubles.
    pub(crate) fn failed(&self, turn: u64, trouble: Trouble) {
        self.note_failure(trouble.to_string());
        *lock(&self.failed) = Some((turn, Arc::new(trouble)));
    }

    /// Why it could not be reached since that turn; none while it may still be.
    pub(crate) fn trouble_since(&self, turn: u64) -> Option<Arc<Trouble>> {
        let failed = lock(&self.failed);
        let recent = failed.as_ref().filter(|(failed, _)| *failed > turn);
        recent.map(|(_, trouble)| Arc::clone(trouble))
    }
}

impl Record {
    fn new(now: Instant) -> Self {
        Self {
            cost: PeakEwma::new(now),
            ready_since: now,
            observed: None,
        }
    }

    fn observe(&mut self, latency: Duration, now: Instant) {
        self.cost.observe(latency, now);
        self.observed = Some(now);
    }

    fn is_unproven(&self, now: Instant) -> bool {
        self.observed
            .is_none_or(|at| now.saturating_duration_since(at) > DECAY)
    }

    // From ten times its cost down to its cost.
    fn newness(&self, now: Instant) -> u64 {
        let age = now
            .saturating_duration_since(self.ready_since)
            .min(SLOW_START);
        let left = SLOW_START.saturating_sub(age).as_millis();
        let more = u128::from(SLOW_START_FACTOR - 1) * left / SLOW_START.as_millis();
        1 + u64::try_from(more).unwrap_or(0)
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Outcome;

    fn endpoint() -> Endpoint {
        Endpoint::new(SocketAddr::from(([127, 0, 0, 1], 1)), Instant::now())
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_that_fails_fast_is_not_loved() {
        let (works, fails) = (endpoint(), endpoint());
        works.observe(millis(100), Outcome::Ok, Instant::now());
        fails.observe(millis(1), Outcome::Failure, Instant::now());
        let now = Instant::now();
        assert!(fails.load(now) >= 9 * works.load(now));
    }

    #[tokio::test(start_paused = true)]
    async fn a_callers_error_and_what_was_never_processed_cost_nothing() {
        let (one, other) = (endpoint(), endpoint());
        one.observe(millis(40), Outcome::CallerError, Instant::now());
        other.observe(millis(40), Outcome::Ok, Instant::now());
        let now = Instant::now();
        assert_eq!(one.load(now), other.load(now));
        let before = one.load(now);
        one.observe(Duration::ZERO, Outcome::NeverProcessed, Instant::now());
        assert_eq!(one.load(now), before);
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_endpoint_gets_its_share_little_by_little() {
        let (old, new) = (endpoint(), endpoint());
        for _ in 0..10 {
            old.observe(millis(30), Outcome::Ok, Instant::now());
            tokio::time::advance(SLOW_START / 10).await;
        }
        let now = Instant::now();
        lock(&new.record).ready_since = now;
        lock(&new.record).observe(millis(30), now);
        let times = new.load(now) / old.load(now);
        assert!((9..=11).contains(&times), "{times}");
        let half = now + SLOW_START / 2;
        assert!((4..=7).contains(&(new.load(half) / old.load(half))));
    }

    #[tokio::test(start_paused = true)]
    async fn of_whom_nothing_is_known_one_call_finds_out() {
        let endpoint = endpoint();
        endpoint.observe(millis(200), Outcome::Ok, Instant::now());
        tokio::time::advance(Duration::from_mins(5)).await;
        let idle = endpoint.load(Instant::now());
        assert!(idle < 200_000 / 100, "{idle}");
        endpoint.enter();
        assert!(endpoint.load(Instant::now()) > 1_000 * idle);
        endpoint.observe(millis(200), Outcome::Ok, Instant::now());
        endpoint.leave();
        assert_eq!(endpoint.load(Instant::now()), 200_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_given_up_shows_that_it_takes_at_least_that_long() {
        let endpoint = endpoint();
        tokio::time::advance(SLOW_START).await;
        endpoint.observe_at_least(millis(1));
        assert!(endpoint.load(Instant::now()) > 5_000);
        endpoint.observe_at_least(millis(900));
        assert_eq!(endpoint.load(Instant::now()), 900_000);
    }
}
