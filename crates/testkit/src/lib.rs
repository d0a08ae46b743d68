//! What tests need: a database of their own on each engine, a clock that stands still,
//! a network that breaks where it is told to.

pub mod database;
pub mod fault_proxy;
pub mod mariadb;
pub mod proxy;
pub mod redis;

use std::sync::Arc;

use jiff::Timestamp;
use seam::ManualClock;

pub use ::pki;
pub use database::{ENGINES, TestDb};
pub use fault_proxy::{FaultProxy, Faults};
pub use mariadb::MariaDb;
pub use proxy::Proxy;
pub use redis::TestRedis;

/// A clock that stands at 2026-11-20 12:00:00 in China.
pub fn clock() -> Arc<ManualClock> {
    let noon: Timestamp = "2026-11-20T04:00:00Z".parse().expect("a valid time");
    Arc::new(ManualClock::new(noon))
}
