//! What can go wrong in the channel itself.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// A failure of the channel, as opposed to an answer of it.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A setting that cannot work.
    #[error("sandbox setting {name}: {problem}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What is wrong with it, and what would be right.
        problem: &'static str,
    },
    /// A key that is none.
    #[error("sandbox key of {mch_id}: {field} is no RSA key in PEM of 2048 bits or more")]
    Key {
        /// Whose it is.
        mch_id: String,
        /// The setting.
        field: &'static str,
    },
    /// A key's file cannot be read.
    #[error("sandbox key of {mch_id}: {path} cannot be read")]
    KeyFile {
        /// Whose it is.
        mch_id: String,
        /// The key's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A script that cannot work.
    #[error("sandbox script {script:?}, {field}: {problem}")]
    Script {
        /// The script's name.
        script: String,
        /// The field, as the `.proto` has it.
        field: &'static str,
        /// What would be right.
        problem: &'static str,
    },
    /// Another process has the ledger open.
    #[error("the sandbox ledger {path} is in use by another process; stop it or name another file")]
    LedgerInUse {
        /// The ledger's file.
        path: PathBuf,
    },
    /// The ledger was written by a release that this one does not know.
    #[error("the sandbox ledger {path} has version {version}, which this release does not know")]
    LedgerVersion {
        /// The ledger's file.
        path: PathBuf,
        /// The version it names.
        version: i64,
    },
    /// The ledger's file cannot be made or locked.
    #[error("the sandbox ledger {path} cannot be opened")]
    LedgerFile {
        /// The ledger's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The database failed; whether the write is there is not known.
    #[error("the sandbox ledger failed")]
    Ledger(#[source] Arc<sqlx::Error>),
    /// The ledger was closed.
    #[error("the sandbox is shutting down")]
    Closed,
    /// The HTTP side failed.
    #[error("the sandbox cannot serve HTTP")]
    Http(#[source] io::Error),
}

impl From<sqlx::Error> for SandboxError {
    fn from(error: sqlx::Error) -> Self {
        Self::Ledger(Arc::new(error))
    }
}
