//! What explain is told about a peer's connections.

use std::sync::{Arc, Weak};

use super::{Shared, queue};
use crate::discover::DiscoveryView;
use crate::endpoint::{Endpoint, lock};
use crate::pick::Pick;

/// A peer as it is now.
pub(crate) struct View {
    pub(crate) target: Arc<str>,
    pub(crate) pick: Pick,
    pub(crate) discovery: DiscoveryView,
    pub(crate) endpoints: Arc<Vec<Arc<Endpoint>>>,
    /// Whose addresses are no longer the peer's, and which still have calls.
    pub(crate) gone: Vec<Arc<Endpoint>>,
    pub(crate) waiting: usize,
    pub(crate) most_waiting: usize,
}

impl Shared {
    /// How it is connected.
    pub(crate) fn view(&self) -> View {
        View {
            target: Arc::clone(&self.target),
            pick: self.pick,
            discovery: self.discovery.view(),
            endpoints: self.endpoints.load_full(),
            gone: self.leaving(&[]),
            waiting: self.queue.len(),
            most_waiting: queue::LONGEST,
        }
    }

    /// Remembers those that have gone for as long as they have calls.
    pub(super) fn leaving(&self, gone: &[Arc<Endpoint>]) -> Vec<Arc<Endpoint>> {
        let mut leaving = lock(&self.leaving);
        leaving.extend(gone.iter().map(Arc::downgrade));
        leaving.retain(|endpoint| endpoint.strong_count() > 0);
        leaving.iter().filter_map(Weak::upgrade).collect()
    }
}
