//! The cache of one process: bounded in bytes, the least useful goes first.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use moka::future::Cache as Entries;
use seam::Clock;

use super::{Cache, CacheError};

/// A cache within the process.
pub struct InProcess {
    entries: Entries<String, Kept>,
    clock: Arc<dyn Clock>,
}

#[derive(Clone)]
struct Kept {
    since: Timestamp,
    until: Timestamp,
    value: Arc<[u8]>,
}

// What an entry costs beside its key and value.
const OVERHEAD: usize = 128;

impl InProcess {
    /// A cache of at most `bytes`, keys included.
    pub fn new(bytes: u64, clock: Arc<dyn Clock>) -> Self {
        let weigh = |key: &String, kept: &Kept| {
            u32::try_from(key.len() + kept.value.len() + OVERHEAD).unwrap_or(u32::MAX)
        };
        // The entries' times are ours, not the builder's: they follow the clock passed in.
        let entries = Entries::builder()
            .max_capacity(bytes)
            .weigher(weigh)
            .build();
        Self { entries, clock }
    }
}

impl Kept {
    // Not after its time, nor before it was put: then the clock has been set back, and
    // nobody knows how old it is.
    fn counts(&self, now: Timestamp) -> bool {
        self.since <= now && now < self.until
    }
}

#[async_trait]
impl Cache for InProcess {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, CacheError> {
        let Some(kept) = self.entries.get(key).await else {
            return Ok(None);
        };
        if kept.counts(self.clock.now()) {
            return Ok(Some(kept.value.to_vec()));
        }
        self.entries.invalidate(key).await;
        Ok(None)
    }

    async fn put(&self, key: &str, value: Vec<u8>, ttl: Duration) -> Result<(), CacheError> {
        let since = self.clock.now();
        let until = since.checked_add(ttl).unwrap_or(Timestamp::MAX);
        if since < until {
            let kept = Kept {
                since,
                until,
                value: value.into(),
            };
            self.entries.insert(key.to_owned(), kept).await;
        }
        Ok(())
    }

    async fn forget(&self, key: &str) -> Result<(), CacheError> {
        self.entries.invalidate(key).await;
        Ok(())
    }
}
