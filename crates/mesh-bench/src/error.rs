//! Why nothing was measured. Failed calls are no error: they are what is measured.

use std::io;

use mesh::{PolicyError, ServeError, TargetError};
use thiserror::Error;

/// Why the bench cannot go on.
#[derive(Debug, Error)]
pub(crate) enum BenchError {
    /// Files, processes, sockets.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The servers' process said something else than was expected.
    #[error("{order:?} was answered with {answer:?}")]
    Servers {
        /// What they were told.
        order: String,
        /// What they said.
        answer: String,
    },
    /// A client's process ended with nothing measured.
    #[error("a client that was to be counted failed: {0}")]
    Counted(String),
    /// No address, to tonic.
    #[error(transparent)]
    Endpoint(#[from] tonic::transport::Error),
    /// No address, to the mesh.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The probe's descriptors.
    #[error(transparent)]
    Policies(#[from] PolicyError),
    /// A server does not start or cannot go on.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// Certificates.
    #[error(transparent)]
    Tls(#[from] mesh::tls::TlsError),
    /// Logs or metrics.
    #[error("telemetry cannot be set up: {0}")]
    Telemetry(String),
}

impl BenchError {
    /// For `map_err`.
    pub(crate) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }
}
