//! The cache that the processes of an environment share.

use std::time::Duration;

use async_trait::async_trait;
use bb8_redis::redis::pipe;

use super::{Cache, CacheError};
use crate::redis::{Link, RedisFailure};

/// A cache in Redis.
pub struct Redis(Link);

// What outlives this would never be asked for; and Redis refuses times that overflow.
const LONGEST: Duration = Duration::from_hours(7 * 24);

impl Redis {
    /// Over a link that others may use too.
    pub fn new(link: Link) -> Self {
        Self(link)
    }

    fn key(&self, key: &str) -> String {
        format!("{}:{key}", self.0.prefix())
    }
}

#[async_trait]
impl Cache for Redis {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, CacheError> {
        let mut get = pipe();
        get.cmd("GET").arg(self.key(key));
        let (found,): (Option<Vec<u8>>,) = self.0.ask(&get).await?;
        Ok(found)
    }

    async fn put(&self, key: &str, value: Vec<u8>, ttl: Duration) -> Result<(), CacheError> {
        let millis = u64::try_from(ttl.min(LONGEST).as_millis()).unwrap_or(0);
        if millis == 0 {
            return Ok(());
        }
        let mut set = pipe();
        set.cmd("SET").arg(self.key(key)).arg(value);
        set.arg("PX").arg(millis).ignore();
        Ok(self.0.ask(&set).await?)
    }

    async fn forget(&self, key: &str) -> Result<(), CacheError> {
        let mut delete = pipe();
        delete.cmd("DEL").arg(self.key(key)).ignore();
        Ok(self.0.ask(&delete).await?)
    }
}

impl From<RedisFailure> for CacheError {
    fn from(failure: RedisFailure) -> Self {
        Self(failure.to_string())
    }
}
