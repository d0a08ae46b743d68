//! How services talk: a gRPC mesh as a library, without a business word.
//! A `Client` and a `Server` are stacks of layers; a `Context` goes along with each call.

pub mod admin;
pub mod client;
pub mod context;
pub mod error;
mod health;
mod incoming;
mod layer;
pub mod lifecycle;
pub mod policy;
pub mod server;
pub mod telemetry;
pub mod trace;
mod transport;

pub use client::{Client, ClientSettings, TargetError};
pub use context::Context;
pub use error::{ErrorKind, Fault, reason_of, retry_after_of};
pub use incoming::Incoming;
pub use lifecycle::Lifecycle;
pub use policy::{MethodPolicy, Policies, PolicyError};
pub use server::{Drained, ServeError, Server, ServerSettings};
pub use telemetry::{LogFormat, init_logs, install_metrics};
pub use trace::TraceContext;
