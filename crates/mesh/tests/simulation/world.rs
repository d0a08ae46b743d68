//! What the hosts of a simulation share: how each is to behave, and what has happened so far.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use mesh::{Lifecycle, Policies, Resolve, Resolved};
use seam::net::Net;
use tonic::Code;

use crate::net::Simulated;
use crate::plan::{Plan, SERVERS};

/// Everything but the hosts' own.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) diary: Arc<Diary>,
    pub(crate) net: Arc<dyn Net>,
    pub(crate) failed_dials: Arc<AtomicUsize>,
    pub(crate) policies: Policies,
    state: Mutex<State>,
}

/// What changes.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) servers: [Manner; SERVERS],
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) nameless: bool,
    /// All faults have ended.
    pub(crate) healed: bool,
    /// Nobody calls any more.
    pub(crate) over: bool,
    /// Handlers at work.
    pub(crate) running: usize,
    /// By call: where it was executed, one after the other.
    pub(crate) executed: BTreeMap<u64, Vec<usize>>,
    pub(crate) calls: Vec<Call>,
    /// What should be gone at the end and is not.
    pub(crate) left: Vec<String>,
}

/// How a server behaves.
#[derive(Default)]
pub(crate) struct Manner {
    pub(crate) fails: u64,
    pub(crate) slow: Duration,
    /// Drained, and not to come back yet.
    pub(crate) away: bool,
    pub(crate) lifecycle: Option<Lifecycle>,
    /// Calls since all faults have ended.
    pub(crate) served: usize,
    /// Calls that a drain had to abort.
    pub(crate) aborted: usize,
}

/// What is asked of the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Unary, idempotent, three attempts.
    Get,
    /// Unary, not to be repeated.
    Once,
    /// Some messages, one after the other.
    Watch,
}

/// A call and how it ended.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) id: u64,
    pub(crate) kind: Kind,
    pub(crate) began: Duration,
    pub(crate) ended: Duration,
    pub(crate) timeout: Duration,
    pub(crate) end: End,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    Answered(String),
    /// With a code, and a reason.
    Failed(Code, String),
    /// By its caller, who went away.
    GivenUp,
}

impl World {
    pub(crate) fn new(plan: Plan) -> Arc<Self> {
        // Reading the descriptors takes longer than a simulation.
        static POLICIES: OnceLock<Policies> = OnceLock::new();
        let policies = POLICIES.get_or_init(|| Policies::read(proto::DESCRIPTORS).unwrap());
        let diary = Arc::new(Diary::default());
        let failed_dials = Arc::<AtomicUsize>::default();
        Arc::new(Self {
            plan,
            net: Arc::new(Simulated {
                diary: diary.clone(),
                failed: failed_dials.clone(),
            }),
            failed_dials,
            diary,
            policies: policies.clone(),
            state: Mutex::default(),
        })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// What happened when, by the simulation's clock.
#[derive(Default)]
pub(crate) struct Diary(Mutex<Vec<String>>);

impl Diary {
    /// Notes what happens on a host.
    pub(crate) fn note(&self, what: fmt::Arguments<'_>) {
        self.note_at(now(), what);
    }

    pub(crate) fn note_at(&self, at: Duration, what: fmt::Arguments<'_>) {
        let line = format!("{:>12.6} {what}", at.as_secs_f64());
        self.0.lock().unwrap().push(line);
    }

    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

/// The simulation's time, on a host.
pub(crate) fn now() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

/// Knows the servers' addresses, unless that is what is wrong.
pub(crate) struct Names(pub(crate) Arc<World>);

#[tonic::async_trait]
impl Resolve for Names {
    async fn resolve(&self, _: &str, _: u16) -> io::Result<Resolved> {
        let state = self.0.state();
        if state.nameless {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(state.addresses.clone().into())
    }
}
