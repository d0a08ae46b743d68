//! How services talk: a gRPC mesh as a library, without a business word.
//! A `Client` and a `Server` are stacks of layers; a `Context` goes along with each call.

pub mod admin;
mod breaker;
mod budget;
pub mod client;
pub mod context;
mod criticality;
mod discover;
mod endpoint;
pub mod error;
mod health;
mod incoming;
mod layer;
pub mod lifecycle;
mod outcome;
mod pick;
pub mod policy;
mod pool;
pub mod server;
pub mod telemetry;
pub mod trace;
mod transport;

pub use client::{Client, ClientSettings, TargetError};
pub use context::Context;
pub use criticality::Criticality;
pub use discover::{Resolve, SystemResolver};
pub use error::{ErrorKind, Fault, reason_of, retry_after_of};
pub use incoming::Incoming;
pub use layer::bulkhead::BulkheadLimits;
pub use layer::caller_rate::{CallerRates, Rate};
pub use layer::limit::Limits;
pub use lifecycle::Lifecycle;
pub use pick::Pick;
pub use policy::{MaxAttempts, MethodPolicy, Policies, PolicyError, ServiceConfigError};
pub use server::{Drained, ServeError, Server, ServerSettings};
pub use telemetry::{LogFormat, init_logs, install_metrics};
pub use trace::TraceContext;
