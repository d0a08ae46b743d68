//! Single flight: who asks for what is being read already waits for that reading.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};

/// A reading under way. It goes on as long as anybody waits for it, whoever began it.
pub(crate) type Flight<T> = Shared<BoxFuture<'static, T>>;

// Held weakly, so that a reading nobody waits for any more ends; numbered, so that it
// leaves its own place only.
type UnderWay<T> = HashMap<String, (u64, WeakShared<BoxFuture<'static, T>>)>;

/// The readings under way, by key.
pub(crate) struct Flights<T: Clone>(Arc<State<T>>);

struct State<T: Clone> {
    next: AtomicU64,
    under_way: Mutex<UnderWay<T>>,
}

/// Given to a reading: its place among those under way, left when it ends or is dropped.
pub(crate) struct Seat<T: Clone> {
    state: Arc<State<T>>,
    key: String,
    number: u64,
}

impl<T: Clone> State<T> {
    fn lock(&self) -> MutexGuard<'_, UnderWay<T>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    pub(crate) fn new() -> Self {
        let (next, under_way) = (AtomicU64::new(0), Mutex::new(HashMap::new()));
        Self(Arc::new(State { next, under_way }))
    }

    /// The reading of `key` under way, or the one that `begin` makes.
    pub(crate) fn join<F>(&self, key: &str, begin: impl FnOnce(Seat<T>) -> F) -> Flight<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut under_way = self.0.lock();
        if let Some(flight) = under_way.get(key).and_then(|(_, flight)| flight.upgrade()) {
            return flight;
        }
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        let seat = Seat {
            state: Arc::clone(&self.0),
            key: key.to_owned(),
            number,
        };
        let flight = begin(seat).boxed().shared();
        // Not finished, so it can be held weakly.
        if let Some(weak) = flight.downgrade() {
            under_way.insert(key.to_owned(), (number, weak));
        }
        flight
    }

    /// Lets the next to ask begin anew.
    pub(crate) fn forget(&self, key: &str) {
        let forgotten = self.0.lock().remove(key);
        // Dropped here, with the lock released.
        drop(forgotten);
    }
}

impl<T: Clone> Seat<T> {
    /// Whether its key was not forgotten since.
    pub(crate) fn is_held(&self) -> bool {
        self.state
            .lock()
            .get(&self.key)
            .is_some_and(|(number, _)| *number == self.number)
    }
}

impl<T: Clone> Drop for Seat<T> {
    fn drop(&mut self) {
        let mut under_way = self.state.lock();
        if under_way
            .get(&self.key)
            .is_some_and(|(number, _)| *number == self.number)
        {
            under_way.remove(&self.key);
        }
    }
}
