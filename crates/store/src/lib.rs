//! Where services keep what they know: one database each (MySQL family or SQLite),
//! written only through its committer, read by named queries.
//!
//! Beneath every service's own tables stand those of this crate: obligations, the
//! outbox and its feed, leases. No business table.

pub mod bell;
pub mod cache;
mod committer;
pub mod config;
mod db;
mod engine;
mod error;
pub mod feed;
pub mod lease;
pub mod migrate;
pub mod obligation;
pub mod parked;
pub mod query;
pub mod redis;
mod row;
mod value;
mod wake;
mod write;

pub use db::{Db, DbSettings};
pub use engine::Engine;
pub use error::{CommitError, Refusal, StoreError};
pub use migrate::Migration;
pub use query::Query;
pub use row::Row;
pub use value::Value;
pub use wake::Wake;
pub use write::{Guard, Write};
