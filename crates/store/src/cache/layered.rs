//! Two caches, one behind the other: a near one for the moment between two calls and for
//! the time the far one is away, and a far one that others share.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use seam::Clock;

use super::{Cache, CacheError, InProcess};

/// How long the far cache is not asked again about a key: what another process forgets is
/// served here for no longer than that.
pub const NEAR: Duration = Duration::from_secs(1);

/// A near cache in front of a far one.
pub struct Layered {
    // What the far cache or this process said within the last moment.
    recent: InProcess,
    // What this process put: served only while the far cache fails, and not after that has
    // said something else.
    own: InProcess,
    far: Arc<dyn Cache>,
}

impl Layered {
    /// At most `bytes` in this process, and `far` behind it.
    pub fn new(bytes: u64, far: Arc<dyn Cache>, clock: Arc<dyn Clock>) -> Self {
        Self {
            recent: InProcess::new(bytes / 2, Arc::clone(&clock)),
            own: InProcess::new(bytes / 2, clock),
            far,
        }
    }

    async fn heard(&self, key: &str, found: Option<&Vec<u8>>) -> Result<(), CacheError> {
        if self.own.get(key).await?.as_ref() != found {
            self.own.forget(key).await?;
        }
        match found {
            Some(value) => self.recent.put(key, value.clone(), NEAR).await,
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Cache for Layered {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, CacheError> {
        if let Some(value) = self.recent.get(key).await? {
            return Ok(Some(value));
        }
        match self.far.get(key).await {
            Ok(found) => {
                self.heard(key, found.as_ref()).await?;
                Ok(found)
            }
            Err(error) => match self.own.get(key).await? {
                Some(value) => Ok(Some(value)),
                None => Err(error),
            },
        }
    }

    async fn put(&self, key: &str, value: Vec<u8>, ttl: Duration) -> Result<(), CacheError> {
        self.recent.put(key, value.clone(), ttl.min(NEAR)).await?;
        self.own.put(key, value.clone(), ttl).await?;
        self.far.put(key, value, ttl).await
    }

    async fn forget(&self, key: &str) -> Result<(), CacheError> {
        self.recent.forget(key).await?;
        self.own.forget(key).await?;
        self.far.forget(key).await
    }
}
