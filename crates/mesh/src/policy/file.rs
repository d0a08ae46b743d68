//! A service config in a file, read again while calls run. What was good last stands, whatever
//! becomes of the file; what is wrong with it is told in the log, in metrics and in explain.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Policies, ServiceConfigError};
use crate::endpoint::lock;

/// Counts policy files that were read, by result: once for each change.
pub(crate) const RELOADS: &str = "mesh_policy_reload_total";

/// Where a service config is kept up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFile {
    /// gRPC's service config, as JSON.
    pub path: PathBuf,
    /// How often it is read again; 5 s.
    pub every: Duration,
}

impl PolicyFile {
    /// Read at the usual pace.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            every: Duration::from_secs(5),
        }
    }
}

/// Why a policy file is not used.
#[derive(Debug, Error)]
pub enum PolicyFileError {
    /// It is not there, or no text.
    #[error("{path} cannot be read: {source}; put it there, or name another file")]
    Read {
        /// Where it should be.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// What it says cannot be.
    #[error("{path}: {source}")]
    Config {
        /// The file.
        path: String,
        /// What is wrong, where, and how to put it right.
        source: ServiceConfigError,
    },
}

/// What became of the file so far.
#[derive(Debug, Default)]
pub(super) struct Followed {
    path: Option<PathBuf>,
    /// What was there the last time; else why nothing was.
    seen: Option<Result<String, String>>,
    applied: Option<Instant>,
    error: Option<String>,
}

/// A policy file, for whoever explains it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileView {
    pub(crate) path: PathBuf,
    /// When what stands now was read; none: the method options stand alone.
    pub(crate) applied: Option<Instant>,
    pub(crate) error: Option<String>,
}

impl Policies {
    /// Reads a policy file, for a process that starts: its first call is under it. With a wrong
    /// file, or none, the method options stand, and it starts all the same.
    pub fn read_file(&self, file: &PolicyFile) {
        self.take(&file.path, std::fs::read_to_string(&file.path));
    }

    /// Reads the file again and again, until told to stop. Calls under way end under the policy
    /// they began with.
    pub async fn follow(&self, file: PolicyFile, stop: CancellationToken) {
        let follow = async {
            loop {
                let read = tokio::fs::read_to_string(&file.path).await;
                self.take(&file.path, read);
                sleep(file.every).await;
            }
        };
        stop.run_until_cancelled(follow).await;
    }

    /// The file that is followed, if any.
    pub(crate) fn file(&self) -> Option<FileView> {
        let followed = lock(&self.0.followed);
        Some(FileView {
            path: followed.path.clone()?,
            applied: followed.applied,
            error: followed.error.clone(),
        })
    }

    fn take(&self, path: &Path, read: io::Result<String>) {
        let mut followed = lock(&self.0.followed);
        let seen = match &read {
            Ok(text) => Ok(text.clone()),
            Err(error) => Err(error.to_string()),
        };
        followed.path = Some(path.to_owned());
        if followed.seen.as_ref() == Some(&seen) {
            return;
        }
        followed.seen = Some(seen);
        match self.apply(path, read) {
            Ok(()) => {
                info!(file = %path.display(), "policy file in force");
                followed.applied = Some(Instant::now());
                followed.error = None;
                metrics::counter!(RELOADS, "result" => "ok").increment(1);
            }
            Err(error) => {
                warn!(%error, "the policy file is not used; what was in force stays so");
                followed.error = Some(error.to_string());
                metrics::counter!(RELOADS, "result" => "failed").increment(1);
            }
        }
    }

    fn apply(&self, path: &Path, read: io::Result<String>) -> Result<(), PolicyFileError> {
        let path = || path.display().to_string();
        let text = read.map_err(|source| PolicyFileError::Read {
            path: path(),
            source,
        })?;
        let table = self.0.base.under(&text);
        let table = table.map_err(|source| PolicyFileError::Config {
            path: path(),
            source,
        })?;
        self.0.now.store(table.into());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
