//! Who there is in a process: its clients and its servers, each for as long as it lasts, and who
//! it is itself. What explain reads.

use std::fmt;
use std::sync::{Arc, Mutex, Weak};

use crate::budget::Budget;
use crate::endpoint::lock;
use crate::layer::authorise::CallerPolicy;
use crate::layer::caller_rate::CallerRates;
use crate::layer::in_flight::InFlight;
use crate::layer::load_shed::LoadShed;
use crate::lifecycle::Lifecycle;
use crate::pool;
use crate::tls::Tls;

/// One per process; cheap to clone. Clients and servers enter themselves.
#[derive(Clone, Default)]
pub struct Directory(Arc<Shared>);

#[derive(Default)]
struct Shared {
    calling: Mutex<Vec<Calling>>,
    serving: Mutex<Vec<Weak<Serving>>>,
    tls: Mutex<Option<Tls>>,
}

/// A client, as long as it has a clone.
#[derive(Clone)]
pub(crate) struct Calling {
    pub(crate) caller: &'static str,
    /// The name the peer has to prove.
    pub(crate) peer: Option<String>,
    pub(crate) pool: Weak<pool::Shared>,
    pub(crate) budget: Weak<Budget>,
}

/// A server, as long as it serves.
pub(crate) struct Serving {
    pub(crate) name: &'static str,
    pub(crate) address: String,
    pub(crate) services: Vec<&'static str>,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) calls: InFlight,
    pub(crate) shed: LoadShed,
    pub(crate) rates: CallerRates,
    pub(crate) callers: CallerPolicy,
}

impl Directory {
    /// Who the process is, by whoever is the first to know.
    pub(crate) fn identified(&self, tls: Option<&Tls>) {
        if let Some(tls) = tls {
            lock(&self.0.tls).get_or_insert_with(|| tls.clone());
        }
    }

    pub(crate) fn tls(&self) -> Option<Tls> {
        lock(&self.0.tls).clone()
    }

    pub(crate) fn enter(&self, client: Calling) {
        let mut calling = lock(&self.0.calling);
        calling.retain(Calling::lasts);
        calling.push(client);
    }

    /// Until the answer is dropped.
    pub(crate) fn serving(&self, server: Serving) -> Arc<Serving> {
        let server = Arc::new(server);
        let mut serving = lock(&self.0.serving);
        serving.retain(|server| server.strong_count() > 0);
        serving.push(Arc::downgrade(&server));
        server
    }

    pub(crate) fn clients(&self) -> Vec<Calling> {
        let calling = lock(&self.0.calling);
        calling
            .iter()
            .filter(|client| client.lasts())
            .cloned()
            .collect()
    }

    pub(crate) fn servers(&self) -> Vec<Arc<Serving>> {
        let serving = lock(&self.0.serving);
        serving.iter().filter_map(Weak::upgrade).collect()
    }

    /// Whether a service of that name is served here.
    pub(crate) fn serves(&self, service: &str) -> bool {
        self.server_of(service).is_some()
    }

    /// Who serves it.
    pub(crate) fn server_of(&self, service: &str) -> Option<Arc<Serving>> {
        let servers = self.servers().into_iter();
        let mut of = servers.filter(|server| server.services.contains(&service));
        of.next()
    }
}

impl Calling {
    fn lasts(&self) -> bool {
        self.pool.strong_count() > 0 && self.budget.strong_count() > 0
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory")
            .field("clients", &self.clients().len())
            .field("servers", &self.servers().len())
            .finish()
    }
}
