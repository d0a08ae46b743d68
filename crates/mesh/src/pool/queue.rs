//! Calls for which no endpoint is ready: as many as the queue holds, and for no longer than they
//! have time. They are woken in the order they came; one that finds nothing stands last again.

use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// How many calls may wait.
pub(crate) const LONGEST: usize = 1024;

/// A queue of calls.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: AtomicUsize,
    turns: Notify,
}

/// A place in the queue, until it is dropped.
pub(crate) struct Place<'a> {
    queue: &'a Queue,
    /// Nobody stood there before: it is its turn at once.
    pub(crate) first: bool,
}

impl Queue {
    /// Gets in line; none when the queue is full.
    pub(crate) fn enter(&self) -> Option<Place<'_>> {
        let before = self.waiting.fetch_add(1, Ordering::AcqRel);
        let place = Place {
            queue: self,
            first: before == 0,
        };
        (before < LONGEST).then_some(place)
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    /// One may go on: a stream is free.
    pub(crate) fn one(&self) {
        if self.len() > 0 {
            self.turns.notify_one();
        }
    }

    /// All should look again: an endpoint has come or cannot be reached.
    pub(crate) fn all(&self) {
        self.turns.notify_waiters();
    }

    pub(crate) fn turns(&self) -> &Notify {
        &self.turns
    }
}

impl Drop for Place<'_> {
    // Whoever leaves lets the next one look: a turn must not end with somebody who has gone.
    fn drop(&mut self) {
        self.queue.waiting.fetch_sub(1, Ordering::AcqRel);
        self.queue.one();
    }
}
