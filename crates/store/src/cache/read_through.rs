//! Read-through: what the cache does not have is read from its source, once for all who
//! ask at the same time, and kept, its absence too.

use std::sync::Arc;
use std::time::Duration;

use seam::Clock;
use tracing::{debug, warn};

use super::entry::Entry;
use super::flight::{Flights, Seat};
use super::{Cache, CacheError};

/// How long what was read counts.
#[derive(Debug, Clone)]
pub struct ReadThroughSettings {
    /// What is cached: the first part of its keys, and the label of its metrics.
    pub name: &'static str,
    /// How long a value counts without asking again.
    pub ttl: Duration,
    /// How long an absence does; shorter, because what is missing may be created.
    pub negative_ttl: Duration,
    /// How much longer a value is served while its source fails. An absence never is.
    pub stale: Duration,
    /// How long after its reading the source is told that there was a value, if that is longer.
    pub remembered: Duration,
}

/// A source read through a cache.
///
/// `E` is the source's error; all who waited for the same reading share it.
pub struct ReadThrough<E> {
    shelf: Arc<Shelf>,
    flights: Flights<Answer<E>>,
}

type Answer<E> = Result<Option<Vec<u8>>, Arc<E>>;

struct Shelf {
    settings: ReadThroughSettings,
    cache: Arc<dyn Cache>,
    clock: Arc<dyn Clock>,
}

impl<E: Send + Sync + 'static> ReadThrough<E> {
    /// Reads through `cache`, which others may share.
    pub fn new(
        settings: ReadThroughSettings,
        cache: Arc<dyn Cache>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let shelf = Arc::new(Shelf {
            settings,
            cache,
            clock,
        });
        Self {
            shelf,
            flights: Flights::new(),
        }
    }

    /// The value of `key`, from the cache or else from `load`; `None`: there is none.
    ///
    /// `load` is told whether a value is remembered, however old. It is polled by whoever waits,
    /// so it must not rely on its caller's task.
    pub async fn get<F>(&self, key: &str, load: impl FnOnce(bool) -> F) -> Answer<E>
    where
        F: Future<Output = Result<Option<Vec<u8>>, E>> + Send + 'static,
    {
        let key = self.shelf.key(key);
        let found = self.shelf.find(&key).await;
        let remembered = found.as_ref().is_some_and(|entry| entry.value.is_some());
        if let Some(entry) = found.filter(|entry| self.shelf.is_fresh(entry)) {
            self.shelf.count("hit");
            return Ok(entry.value);
        }
        let begin = |seat| fly(Arc::clone(&self.shelf), key.clone(), seat, load(remembered));
        let flight = self.flights.join(&key, begin);
        flight.await
    }

    /// Keeps the value of `key` no longer, nor one that is being read now.
    pub async fn forget(&self, key: &str) {
        let key = self.shelf.key(key);
        self.flights.forget(&key);
        if let Err(error) = self.shelf.cache.forget(&key).await {
            self.shelf.failed(&error);
        }
    }
}

async fn fly<E>(
    shelf: Arc<Shelf>,
    key: String,
    seat: Seat<Answer<E>>,
    load: impl Future<Output = Result<Option<Vec<u8>>, E>>,
) -> Answer<E> {
    // An earlier flight may have ended between the caller's look and this one's start.
    let known = shelf.find(&key).await;
    if let Some(entry) = known.as_ref().filter(|entry| shelf.is_fresh(entry)) {
        return Ok(entry.value.clone());
    }
    // The age counts from before the source was asked: it may have changed since.
    let read_at = shelf.clock.now();
    match load.await {
        Ok(value) => {
            shelf.count("load");
            if seat.is_held() {
                shelf
                    .keep(
                        &key,
                        &Entry {
                            read_at,
                            value: value.clone(),
                        },
                    )
                    .await;
            }
            Ok(value)
        }
        Err(error) => shelf.stale(known).map(Some).ok_or_else(|| Arc::new(error)),
    }
}

impl Shelf {
    fn key(&self, key: &str) -> String {
        format!("{}:{key}", self.settings.name)
    }

    // What the cache has, if it is believed; a cache that fails has nothing.
    async fn find(&self, key: &str) -> Option<Entry> {
        let found = self.cache.get(key).await;
        let bytes = found.unwrap_or_else(|error| {
            self.failed(&error);
            None
        })?;
        let entry = Entry::decode(key, &bytes);
        if entry.is_none() {
            warn!(key, "the cache answered with something else");
            self.count("mismatch");
        }
        entry
    }

    fn is_fresh(&self, entry: &Entry) -> bool {
        let ReadThroughSettings {
            ttl, negative_ttl, ..
        } = self.settings;
        let age = if entry.value.is_some() {
            ttl
        } else {
            negative_ttl
        };
        entry.is_within(age, self.clock.now())
    }

    async fn keep(&self, key: &str, entry: &Entry) {
        let ReadThroughSettings {
            ttl,
            negative_ttl,
            stale,
            remembered,
            ..
        } = self.settings;
        let ttl = if entry.value.is_some() {
            ttl.saturating_add(stale).max(remembered)
        } else {
            negative_ttl
        };
        if let Err(error) = self.cache.put(key, entry.encode(key), ttl).await {
            self.failed(&error);
        }
    }

    // What may be served although its source failed.
    fn stale(&self, known: Option<Entry>) -> Option<Vec<u8>> {
        let bound = self.settings.ttl.saturating_add(self.settings.stale);
        let now = self.clock.now();
        let value = known
            .filter(|entry| entry.is_within(bound, now))
            .and_then(|entry| entry.value);
        self.count(if value.is_some() { "stale" } else { "error" });
        value
    }

    // Counted rather than warned of: it may happen with each call.
    fn failed(&self, error: &CacheError) {
        debug!(cache = self.settings.name, %error, "going on without the cache");
        self.count("unavailable");
    }

    fn count(&self, outcome: &'static str) {
        let cache = self.settings.name;
        metrics::counter!("cache_reads_total", "cache" => cache, "outcome" => outcome).increment(1);
    }
}
