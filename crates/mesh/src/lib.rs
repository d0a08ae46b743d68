//! How services talk: a gRPC mesh as a library, without a business word.
//! A `Client` and a `Server` are stacks of layers; a `Context` goes along with each call.

pub mod admin;
mod breaker;
mod budget;
pub mod client;
pub mod context;
mod criticality;
mod directory;
mod discover;
mod endpoint;
pub mod error;
mod explain;
mod health;
mod incoming;
mod layer;
pub mod lifecycle;
mod linger;
#[cfg(test)]
mod logged;
#[cfg(feature = "otlp")]
pub mod otlp;
mod outcome;
mod peer;
mod pick;
pub mod policy;
mod pool;
mod seldom;
pub mod server;
mod silence;
mod span;
pub mod telemetry;
pub mod tls;
pub mod trace;
mod transport;
pub mod web;

pub use client::{Client, ClientSettings, TargetError, UnderWay};
pub use context::Context;
pub use criticality::Criticality;
pub use directory::Directory;
#[cfg(feature = "kubernetes")]
pub use discover::kubernetes::Cluster;
pub use discover::{DnsResolver, Family, Resolve, Resolved, SystemResolver};
pub use error::{ErrorKind, Fault, reason_of, relayed, retry_after_of};
pub use explain::Explain;
pub use layer::authorise::{CallerPolicy, CallerPolicyError};
pub use layer::bulkhead::BulkheadLimits;
pub use layer::caller_rate::{CallerRates, Rate};
#[cfg(feature = "faults")]
pub use layer::fault::Injection;
pub use layer::limit::Limits;
pub use lifecycle::Lifecycle;
pub use peer::Peer;
pub use pick::Pick;
pub use policy::{
    MaxAttempts, MethodPolicy, Policies, PolicyError, PolicyFile, PolicyFileError,
    ServiceConfigError,
};
pub use seldom::Seldom;
pub use server::{Drained, ServeError, Server, ServerSettings};
pub use span::{Span, SpanKind, Spans};
pub use telemetry::{LogFormat, init_logs, install_metrics};
pub use tls::{IdentityError, SpiffeId, Tls, TlsError, TlsSettings, TlsView};
pub use trace::TraceContext;
