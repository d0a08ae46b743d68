//! What the pool counts. Labels are the two ends of a client and words of a fixed list, never an
//! address: addresses come and go.

use std::sync::{Arc, Mutex, OnceLock};

use metrics::{Counter, Histogram, Label};
use tokio::time::Instant;

use super::Refusal;
use crate::breaker::Gate;
use crate::client::ClientSettings;
use crate::endpoint::{Endpoint, lock};

/// Endpoints, by state.
pub(crate) const ENDPOINTS: &str = "mesh_client_endpoints";
/// Lookups of endpoints, by what came of them.
pub(crate) const DISCOVERIES: &str = "mesh_client_discoveries_total";
/// Connections that are open.
pub(crate) const CONNECTIONS: &str = "mesh_client_connections";
/// Connections let go of, by why.
pub(crate) const DISCONNECTS: &str = "mesh_client_disconnects_total";
/// Dials, by what came of them.
pub(crate) const DIALS: &str = "mesh_client_dials_total";
/// Calls sent, by what was known of the endpoint.
pub(crate) const PICKS: &str = "mesh_client_picks_total";
/// Calls that had to wait for a connection or a stream.
pub(crate) const WAITED: &str = "mesh_client_queued_total";
/// How long they waited, whatever came of it.
pub(crate) const WAIT: &str = "mesh_client_queue_wait_seconds";
/// Calls that got no connection, by why.
pub(crate) const UNSENT: &str = "mesh_client_unsent_total";
/// Endpoints that breakers ejected.
pub(crate) const EJECTIONS: &str = "mesh_client_ejections_total";
/// Calls that found out whether an ejected endpoint works again, by what they found.
pub(crate) const PROBES: &str = "mesh_client_probes_total";

/// What was known of an endpoint when it was picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Picked {
    /// Nothing against it.
    Fit,
    /// It was ejected, and this call finds out whether it works again.
    Probe,
    /// It has just failed this very call, and no other was ready.
    Avoided,
    /// It is ejected, and no other was ready.
    Ejected,
}

/// Why a connection was let go of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ended {
    /// By the peer or the network.
    Lost,
    /// Old, and replaced.
    Expired,
    /// One more than is needed.
    Idle,
    /// Its address is no longer one of the peer's, or its client has ended.
    Gone,
}

/// How many endpoints are in which state, and their connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    connections: u32,
    ready: u32,
    connecting: u32,
    ejected: u32,
}

/// One pool's meters. What calls touch is made by the first one, when the recorder is surely
/// installed, and kept; what is rare is looked up each time, because it may come before that.
#[derive(Debug)]
pub(super) struct PoolMeters {
    caller: &'static str,
    target: Arc<str>,
    picks: [OnceLock<Counter>; 4],
    waited: OnceLock<Counter>,
    wait: OnceLock<Histogram>,
    /// What the gauges know of this pool: others may have the same two ends.
    told: Mutex<Counts>,
}

impl PoolMeters {
    pub(super) fn new(settings: &ClientSettings) -> Self {
        Self {
            caller: settings.caller,
            target: settings.target.as_str().into(),
            picks: Default::default(),
            waited: OnceLock::new(),
            wait: OnceLock::new(),
            told: Mutex::default(),
        }
    }

    pub(super) fn picked(&self, picked: Picked) {
        let (place, kind) = match picked {
            Picked::Fit => (0, "fit"),
            Picked::Probe => (1, "probe"),
            Picked::Avoided => (2, "avoided"),
            Picked::Ejected => (3, "ejected"),
        };
        if let Some(picks) = self.picks.get(place) {
            let made = || metrics::counter!(PICKS, self.labels(&[("kind", kind)]));
            picks.get_or_init(made).increment(1);
        }
    }

    /// Counts one who waits, for as long as it does.
    pub(super) fn waits(&self) -> Timed<'_> {
        let made = || metrics::counter!(WAITED, self.labels(&[]));
        self.waited.get_or_init(made).increment(1);
        Timed(self, Instant::now())
    }

    pub(super) fn unsent(&self, refusal: &Refusal) {
        let reason = match refusal {
            Refusal::Unreachable(_) => "unreachable",
            Refusal::QueueFull => "queue_full",
        };
        self.count(UNSENT, &[("reason", reason)]);
    }

    pub(super) fn dialled(&self, worked: bool) {
        self.count(DIALS, &[("result", result(worked))]);
    }

    pub(super) fn discovered(&self, worked: bool) {
        self.count(DISCOVERIES, &[("result", result(worked))]);
    }

    pub(super) fn disconnected(&self, why: Ended, count: usize) {
        if count == 0 {
            return;
        }
        let reason = match why {
            Ended::Lost => "lost",
            Ended::Expired => "expired",
            Ended::Idle => "idle",
            Ended::Gone => "gone",
        };
        let labels = self.labels(&[("reason", reason)]);
        metrics::counter!(DISCONNECTS, labels).increment(count as u64);
    }

    pub(super) fn ejected(&self) {
        self.count(EJECTIONS, &[]);
    }

    pub(super) fn probed(&self, worked: bool) {
        self.count(PROBES, &[("result", result(worked))]);
    }

    /// Shows how many there are now.
    pub(super) fn counted(&self, now: Counts) {
        let mut told = lock(&self.told);
        let before = std::mem::replace(&mut *told, now);
        if now == before {
            return;
        }
        let gauge = metrics::gauge!(CONNECTIONS, self.labels(&[]));
        gauge.increment(f64::from(now.connections) - f64::from(before.connections));
        let states = now.states().into_iter().zip(before.states());
        for ((state, now), (_, before)) in states {
            let gauge = metrics::gauge!(ENDPOINTS, self.labels(&[("state", state)]));
            gauge.increment(f64::from(now) - f64::from(before));
        }
    }

    fn count(&self, name: &'static str, more: &[(&'static str, &'static str)]) {
        metrics::counter!(name, self.labels(more)).increment(1);
    }

    fn labels(&self, more: &[(&'static str, &'static str)]) -> Vec<Label> {
        let ends = [
            Label::from_static_parts("caller", self.caller),
            Label::new("target", self.target.to_string()),
        ];
        let more = more.iter();
        let more = more.map(|(key, value)| Label::from_static_parts(key, value));
        ends.into_iter().chain(more).collect()
    }
}

/// Shows how long a call waited, also one that was given up.
pub(super) struct Timed<'a>(&'a PoolMeters, Instant);

impl Drop for Timed<'_> {
    fn drop(&mut self) {
        let Self(meters, begun) = self;
        let made = || metrics::histogram!(WAIT, meters.labels(&[]));
        meters.wait.get_or_init(made).record(begun.elapsed());
    }
}

impl Counts {
    /// Of these endpoints, as they are now.
    pub(super) fn of(endpoints: &[Arc<Endpoint>], now: Instant) -> Self {
        let mut counts = Self::default();
        for endpoint in endpoints {
            let lines = u32::try_from(endpoint.lines().len()).unwrap_or(u32::MAX);
            counts.connections = counts.connections.saturating_add(lines);
            let state = match endpoint.breaker().gate(now) {
                _ if !endpoint.is_connected() => &mut counts.connecting,
                Gate::Closed => &mut counts.ready,
                Gate::Probe | Gate::Open => &mut counts.ejected,
            };
            *state = state.saturating_add(1);
        }
        counts
    }

    fn states(self) -> [(&'static str, u32); 3] {
        [
            ("ready", self.ready),
            ("connecting", self.connecting),
            ("ejected", self.ejected),
        ]
    }
}

fn result(worked: bool) -> &'static str {
    if worked { "ok" } else { "failed" }
}
