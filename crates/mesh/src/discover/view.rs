//! What can be told of where a peer's addresses come from, and how that has been going.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Audience, DiscoverError};
use crate::endpoint::lock;

/// Where a peer's addresses come from, for whoever explains it.
#[derive(Debug, Clone)]
pub(crate) struct DiscoveryView {
    /// `static`, `dns`, `file` or `kubernetes`.
    pub(crate) source: &'static str,
    /// When they were last found or confirmed; none before the first time.
    pub(crate) resolved: Option<Instant>,
    /// What went wrong last, and when; it is over when `resolved` is later.
    pub(crate) error: Option<(Instant, String)>,
}

/// A view that is kept up to date; clones are of the same one.
#[derive(Debug, Clone)]
pub(crate) struct Seen(Arc<Mutex<DiscoveryView>>);

impl Seen {
    pub(super) fn new(source: &'static str) -> Self {
        Self(Arc::new(Mutex::new(DiscoveryView {
            source,
            resolved: None,
            error: None,
        })))
    }

    /// As it is now.
    pub(crate) fn view(&self) -> DiscoveryView {
        lock(&self.0).clone()
    }

    fn found(&self) {
        lock(&self.0).resolved = Some(Instant::now());
    }

    fn failed(&self, error: &DiscoverError) {
        lock(&self.0).error = Some((Instant::now(), error.to_string()));
    }
}

/// Notes what an audience is told.
pub(super) struct Noted<'a> {
    pub(super) audience: &'a dyn Audience,
    pub(super) seen: Seen,
}

impl Audience for Noted<'_> {
    fn found(&self, addresses: Vec<SocketAddr>) {
        self.seen.found();
        self.audience.found(addresses);
    }

    fn failed(&self, error: DiscoverError) {
        self.seen.failed(&error);
        self.audience.failed(error);
    }

    fn trouble(&self) -> &Notify {
        self.audience.trouble()
    }
}
