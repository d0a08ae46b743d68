//! Caches: bytes kept for a while, never the truth. With the cache gone, everything is
//! read from where it is kept, only slower.

mod entry;
mod flight;
mod in_process;
mod layered;
mod read_through;
mod redis;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;

pub use in_process::InProcess;
pub use layered::{Layered, NEAR};
pub use read_through::{ReadThrough, ReadThroughSettings};
pub use redis::Redis;

/// The cache did not do what it was asked; whoever asked goes on without it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cache: {0}")]
pub struct CacheError(pub String);

/// Keeps bytes under keys, each for a limited time.
#[async_trait]
pub trait Cache: Send + Sync + 'static {
    /// What is kept under the key.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, CacheError>;

    /// Keeps a value for at most `ttl`; a `ttl` of zero keeps nothing.
    async fn put(&self, key: &str, value: Vec<u8>, ttl: Duration) -> Result<(), CacheError>;

    /// Keeps it no longer.
    async fn forget(&self, key: &str) -> Result<(), CacheError>;
}
