//! Who is woken by a commit of this process: only those it has work for, so that a busy
//! database is not asked in vain. A hint and no promise: whoever waits also looks by itself.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use seam::Clock;
use tokio::sync::watch;

use crate::write::Write;

/// What somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wake {
    /// An obligation of this kind that is due at once.
    Owed(i16),
    /// An event without a place in the feed.
    Published,
    /// An event that was given its place.
    Sequenced,
}

/// The bells of one database.
#[derive(Clone)]
pub(crate) struct Bells {
    clock: Arc<dyn Clock>,
    bells: Arc<Mutex<HashMap<Wake, watch::Sender<()>>>>,
}

impl Bells {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            bells: Arc::default(),
        }
    }

    pub(crate) fn subscribe(&self, wake: Wake) -> watch::Receiver<()> {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        let bell = bells.entry(wake);
        bell.or_insert_with(|| watch::Sender::new(())).subscribe()
    }

    /// What these writes will wake, once they are committed.
    pub(crate) fn of<'a>(&self, writes: impl Iterator<Item = &'a Write>) -> HashSet<Wake> {
        let now = self.clock.now();
        writes.flat_map(|write| write.wakes(now)).collect()
    }

    pub(crate) fn ring(&self, wakes: &HashSet<Wake>) {
        let bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        for bell in wakes.iter().filter_map(|wake| bells.get(wake)) {
            bell.send_replace(());
        }
    }
}
