//! A peer's endpoints and the connections to them. Everything that takes time happens in tasks of
//! the pool's own: discovery, dialling, keeping alive. A call only picks, or waits for its turn.

pub(crate) mod connection;
pub(crate) mod dial;
pub(crate) mod meters;
mod queue;
#[cfg(test)]
mod tests;
pub(crate) mod ticket;
mod view;

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use seam::Ids;
use seam::net::Net;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{debug, warn};

use self::dial::{Keeper, Trouble};
use self::meters::{Counts, PoolMeters};
use self::queue::{Place, Queue};
use self::ticket::Ticket;
use crate::breaker::Gate;
use crate::client::ClientSettings;
#[cfg(feature = "kubernetes")]
use crate::discover::kubernetes::Reach;
use crate::discover::{Audience, DiscoverError, Discovery, Seen, Target};
use crate::endpoint::{Endpoint, lock};
use crate::outcome::Outcome;
use crate::pick::{Choice, Pick, Wish, choose};
use crate::tls::Security;

// So that who waits here is told why, before whoever stands above ends the call without knowing.
const LAST_MOMENT: Duration = Duration::from_millis(2);

/// All connections to one peer; clones share them, and they end with the last clone.
#[derive(Clone)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
    _stop: Arc<DropGuard>,
}

/// What the pool's tasks share with its calls.
pub(crate) struct Shared {
    target: Arc<str>,
    net: Arc<dyn Net>,
    security: Option<Security>,
    ids: Arc<dyn Ids>,
    pick: Pick,
    connect_timeout: Duration,
    most_lines: usize,
    endpoints: ArcSwap<Vec<Arc<Endpoint>>>,
    /// Those that are no longer among them, and may still have calls.
    leaving: Mutex<Vec<Weak<Endpoint>>>,
    discovery: Seen,
    queue: Queue,
    /// Wakes discovery: a connection was lost or refused.
    trouble: Notify,
    /// Numbers failures, so that a call can tell those since it came.
    turn: AtomicU64,
    undiscovered: Mutex<Option<(u64, Arc<Trouble>)>>,
    stop: CancellationToken,
    meters: PoolMeters,
}

/// Why a call got no connection; nothing of it was sent.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// There is none to be had.
    Unreachable(Arc<Trouble>),
    /// Too many calls wait for one.
    QueueFull,
}

impl Pool {
    /// Within a tokio runtime; begins to discover and to dial at once.
    pub(crate) fn new(settings: &ClientSettings, target: Target, net: Arc<dyn Net>) -> Self {
        let stop = CancellationToken::new();
        let discovery = Discovery::new(target, Arc::clone(&settings.resolver), settings.refresh);
        #[cfg(feature = "kubernetes")]
        let discovery = discovery.reaching(Reach {
            cluster: settings.cluster.clone(),
            net: Arc::clone(&net),
            ids: Arc::clone(&settings.ids),
        });
        let shared = Arc::new(Shared {
            target: settings.target.as_str().into(),
            net,
            security: Security::of(settings),
            ids: Arc::clone(&settings.ids),
            pick: settings.pick,
            connect_timeout: settings.connect_timeout,
            most_lines: settings.connections.max(1),
            endpoints: ArcSwap::default(),
            leaving: Mutex::default(),
            discovery: discovery.seen(),
            queue: Queue::default(),
            trouble: Notify::new(),
            turn: AtomicU64::new(0),
            undiscovered: Mutex::default(),
            stop: stop.clone(),
            meters: PoolMeters::new(settings),
        });
        let audience = InTasks(Arc::clone(&shared));
        let guard = Arc::new(stop.clone().drop_guard());
        tokio::spawn(async move {
            stop.run_until_cancelled(discovery.run(&audience)).await;
        });
        Self {
            shared,
            _stop: guard,
        }
    }

    /// For whoever explains it; it does not keep the connections.
    pub(crate) fn shared(&self) -> Weak<Shared> {
        Arc::downgrade(&self.shared)
    }

    /// A stream of a connection of the best endpoint; waits for one until the deadline. It is
    /// `now`.
    pub(crate) async fn ticket(
        &self,
        avoid: Option<SocketAddr>,
        deadline: Option<Instant>,
        now: Instant,
    ) -> Result<Ticket, Refusal> {
        let shared = &self.shared;
        // Who comes does not push past those who wait.
        if shared.queue.len() == 0
            && let Some(ticket) = shared.pick(Wish { avoid, now })
        {
            return Ok(ticket);
        }
        let waited = shared.wait_until(avoid, deadline).await;
        if let Err(refusal) = &waited {
            shared.meters.unsent(refusal);
        }
        waited
    }
}

impl Shared {
    async fn wait_until(
        self: &Arc<Self>,
        avoid: Option<SocketAddr>,
        deadline: Option<Instant>,
    ) -> Result<Ticket, Refusal> {
        let Some(place) = self.queue.enter() else {
            return Err(Refusal::QueueFull);
        };
        let _timed = self.meters.waits();
        let turn = self.turn.load(Ordering::Acquire);
        let waiting = self.wait(place, avoid, turn);
        let Some(deadline) = deadline else {
            return waiting.await;
        };
        let last_moment = deadline.checked_sub(LAST_MOMENT).unwrap_or(deadline);
        let waited = timeout_at(last_moment, waiting).await;
        waited.unwrap_or_else(|_| Err(self.in_vain()))
    }

    fn endpoints(&self) -> Guard<Arc<Vec<Arc<Endpoint>>>> {
        self.endpoints.load()
    }

    fn pick(self: &Arc<Self>, wish: Wish) -> Option<Ticket> {
        let endpoints = self.endpoints();
        // Others pick too: what had room a moment ago may be full, what was to be probed may be
        // under probe.
        for left in (0..=endpoints.len()).rev() {
            let choice = choose(self.pick, &*self.ids, &endpoints, wish)?;
            if let Some(ticket) = self.take(choice, wish, left == 0) {
                return Some(ticket);
            }
        }
        None
    }

    /// A stream of what was picked, and its probe if that is due; none when somebody else was
    /// quicker, unless this is the `last` try: then only a stream is needed.
    fn take(self: &Arc<Self>, choice: Choice<'_>, wish: Wish, last: bool) -> Option<Ticket> {
        let endpoint = choice.endpoint;
        let line = endpoint.take()?;
        let gate = endpoint.breaker().allows(wish.now);
        if gate == Gate::Open && !choice.last_resort && !last {
            line.release(wish.now);
            self.freed();
            return None;
        }
        Some(Ticket::new(self, endpoint, (line, gate), wish))
    }

    async fn wait(
        self: &Arc<Self>,
        place: Place<'_>,
        avoid: Option<SocketAddr>,
        since: u64,
    ) -> Result<Ticket, Refusal> {
        let mut may_go = place.first;
        self.hurry();
        loop {
            let mut turn = std::pin::pin!(self.queue.turns().notified());
            turn.as_mut().enable();
            let now = Instant::now();
            if may_go && let Some(ticket) = self.pick(Wish { avoid, now }) {
                return Ok(ticket);
            }
            if let Some(trouble) = self.hopeless(since) {
                return Err(Refusal::Unreachable(trouble));
            }
            turn.await;
            may_go = true;
        }
    }

    /// Why there is nothing to wait for: no endpoint is connected, and each has been tried in vain
    /// since that turn.
    fn hopeless(&self, since: u64) -> Option<Arc<Trouble>> {
        let endpoints = self.endpoints();
        if endpoints.is_empty() {
            let undiscovered = lock(&self.undiscovered);
            let recent = undiscovered.as_ref().filter(|(turn, _)| *turn > since);
            return recent.map(|(_, trouble)| Arc::clone(trouble));
        }
        let mut last = None;
        for endpoint in endpoints.iter() {
            if endpoint.is_connected() {
                return None;
            }
            last = Some(endpoint.trouble_since(since)?);
        }
        last
    }

    /// What a call that ran out of time is told.
    fn in_vain(&self) -> Refusal {
        let endpoints = self.endpoints();
        if endpoints.iter().any(|endpoint| endpoint.is_connected()) {
            return Refusal::Unreachable(Arc::new(Trouble::Full));
        }
        let known = endpoints
            .iter()
            .find_map(|endpoint| endpoint.trouble_since(0));
        let known = known.or_else(|| {
            lock(&self.undiscovered)
                .as_ref()
                .map(|(_, why)| Arc::clone(why))
        });
        let unknown = if endpoints.is_empty() {
            Trouble::Unknown
        } else {
            Trouble::Dialling
        };
        Refusal::Unreachable(known.unwrap_or_else(|| Arc::new(unknown)))
    }

    /// A call waits: who pauses before a dial or a lookup may pause for less long.
    fn hurry(&self) {
        let endpoints = self.endpoints();
        if endpoints.is_empty() {
            self.trouble.notify_one();
        }
        for endpoint in endpoints.iter().filter(|endpoint| !endpoint.is_connected()) {
            endpoint.nudge.notify_one();
        }
    }

    /// Whether calls wait.
    fn is_awaited(&self) -> bool {
        self.queue.len() > 0
    }

    /// A stream is free.
    fn freed(&self) {
        self.queue.one();
    }

    fn connected(&self) {
        self.counted();
        self.queue.all();
    }

    fn unreachable(&self, endpoint: &Endpoint, trouble: Trouble) {
        endpoint.failed(self.next_turn(), trouble);
        self.trouble.notify_one();
        self.queue.all();
    }

    fn next_turn(&self) -> u64 {
        self.turn.fetch_add(1, Ordering::AcqRel) + 1
    }

    fn dialled(&self, worked: bool) {
        self.meters.dialled(worked);
    }

    /// Shows what a call's end did to its endpoint's breaker.
    fn judged(&self, outcome: Outcome, (probe, ejected): (bool, bool)) {
        if ejected {
            self.meters.ejected();
        }
        if probe && outcome != Outcome::NeverProcessed {
            self.meters.probed(outcome != Outcome::Failure);
        }
        if probe || ejected {
            self.counted();
        }
    }

    /// Shows how many endpoints and connections there are.
    fn counted(&self) {
        let endpoints = self.endpoints();
        let known: &[_] = if self.stop.is_cancelled() {
            &[]
        } else {
            &endpoints
        };
        self.meters.counted(Counts::of(known, Instant::now()));
    }

    /// Takes in a new set: those that stay keep their connections and their record.
    fn replace(&self, addresses: &BTreeSet<SocketAddr>) -> Vec<Arc<Endpoint>> {
        // Nobody else puts a set in: discovery tells of one after the other.
        let endpoints = self.endpoints();
        let now = Instant::now();
        let (stay, gone): (Vec<_>, Vec<_>) = endpoints
            .iter()
            .cloned()
            .partition(|endpoint| addresses.contains(&endpoint.address()));
        for endpoint in &gone {
            endpoint.gone.cancel();
        }
        self.leaving(&gone);
        let is_new = |address: &&SocketAddr| stay.iter().all(|old| old.address() != **address);
        let new: Vec<_> = addresses
            .iter()
            .filter(is_new)
            .map(|address| {
                let mut endpoint = Endpoint::new(*address, now);
                endpoint.gone = self.stop.child_token();
                Arc::new(endpoint)
            })
            .collect();
        let mut all = [stay, new.clone()].concat();
        all.sort_by_key(|endpoint| endpoint.address());
        self.endpoints.store(Arc::new(all));
        new
    }
}

/// What discovery tells the pool.
struct InTasks(Arc<Shared>);

impl Audience for InTasks {
    fn found(&self, addresses: Vec<SocketAddr>) {
        let shared = &self.0;
        shared.meters.discovered(true);
        *lock(&shared.undiscovered) = None;
        for endpoint in shared.replace(&addresses.into_iter().collect()) {
            debug!(peer = %shared.target, address = %endpoint.address(), "endpoint");
            tokio::spawn(
                Keeper {
                    shared: Arc::clone(shared),
                    endpoint,
                }
                .run(),
            );
        }
        shared.counted();
        shared.queue.all();
    }

    fn failed(&self, error: DiscoverError) {
        self.0.meters.discovered(false);
        warn!(peer = %self.0.target, %error, "discovery failed");
        let trouble = Arc::new(Trouble::Discover(error));
        *lock(&self.0.undiscovered) = Some((self.0.next_turn(), trouble));
        self.0.queue.all();
    }

    fn trouble(&self) -> &Notify {
        &self.0.trouble
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("target", &self.shared.target)
            .finish_non_exhaustive()
    }
}
