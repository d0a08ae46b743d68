//! Why a drill could not be held. What a drill found is no error: it is in the books.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use mesh::{PolicyError, TargetError, TlsError};
use thiserror::Error;
use tonic::Status;

/// Why there is no outcome.
#[derive(Debug, Error)]
pub enum DrillError {
    /// The executable does not start.
    #[error("{} cannot be started", exe.display())]
    Spawn {
        /// What was to be started.
        exe: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It runs, and does not say that it is ready.
    #[error("the mesh was not ready within {} s; {tail}", within.as_secs())]
    NotReady {
        /// How long it had.
        within: Duration,
        /// The end of its log.
        tail: String,
    },
    /// It ended though nobody asked it to.
    #[error("the mesh ended by itself, {status}; {tail}")]
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// The end of its log.
        tail: String,
    },
    /// A process of a mesh of several does not start, or does not start again.
    #[error("{name} does not start; {tail}")]
    Down {
        /// Which.
        name: String,
        /// The end of its log.
        tail: String,
    },
    /// A process was to be frozen, and answered all the same.
    #[error("{0} is not frozen: it answers")]
    Awake(String),
    /// Somebody pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// Files or processes.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// A call that must succeed did not.
    #[error("{what}: {status}")]
    Call {
        /// What was asked for.
        what: &'static str,
        /// The answer.
        status: Box<Status>,
    },
    /// The descriptors are not usable.
    #[error(transparent)]
    Policies(#[from] PolicyError),
    /// The certificates are not usable.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The mesh listens on something that is no address.
    #[error(transparent)]
    Target(#[from] TargetError),
}

impl DrillError {
    pub(crate) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }

    pub(crate) fn call(what: &'static str) -> impl FnOnce(Status) -> Self {
        move |status| Self::Call {
            what,
            status: Box::new(status),
        }
    }
}
