//! What can go wrong here, and which kind of failed call it is.

use std::time::Duration;

use domain::PayType;
use jiff::Timestamp;
use mesh::{ErrorKind, Fault};
use store::{CommitError, Refusal, StoreError};
use tonic::Status;
use tracing::error;

use crate::model::Owner;

/// A field of a request that is wrong, and how to put it right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Its path in the request.
    pub field: &'static str,
    /// What it must be.
    pub fix: String,
}

/// Why a call was not served.
#[derive(Debug, thiserror::Error)]
pub enum RateError {
    /// The request is wrong; every field that is, is named.
    #[error("{}", listed(.0))]
    Invalid(Vec<Violation>),
    /// The version is taken by other content, or is not the next.
    #[error(
        "version {version} of the scheme of shop {shop_id} for {pay_type} cannot be published, \
         the next is {next}"
    )]
    VersionConflict {
        /// The shop.
        shop_id: i64,
        /// The pay type.
        pay_type: PayType,
        /// What was asked for.
        version: i64,
        /// What can be published.
        next: i64,
    },
    /// No scheme had been published then.
    #[error("shop {shop_id} had no rate for {pay_type} at {at}")]
    NotFound {
        /// The shop.
        shop_id: i64,
        /// The pay type.
        pay_type: PayType,
        /// The instant asked about.
        at: Timestamp,
    },
    /// The configuration cannot work.
    #[error("rate setting {name}: {problem}")]
    Setting {
        /// Which setting.
        name: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The database did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RateError {
    pub(crate) fn version_conflict(owner: Owner, version: i64, next: i64) -> Self {
        let Owner { shop_id, pay_type } = owner;
        Self::VersionConflict {
            shop_id,
            pay_type,
            version,
            next,
        }
    }

    pub(crate) fn not_found(owner: Owner, at: Timestamp) -> Self {
        let Owner { shop_id, pay_type } = owner;
        Self::NotFound {
            shop_id,
            pay_type,
            at,
        }
    }

    /// The kind of failed call.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::VersionConflict { .. } => ErrorKind::Conflict,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Setting { .. } => ErrorKind::Internal,
            Self::Store(error) => store_kind(error),
        }
    }

    /// A stable word for callers, logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "INVALID_ARGUMENT",
            Self::VersionConflict { .. } => "RATE_VERSION_CONFLICT",
            Self::NotFound { .. } => "RATE_NOT_FOUND",
            Self::Setting { .. } => "SETTING_INVALID",
            Self::Store(error) => error.reason(),
        }
    }

    // What callers are told; what the database said stays in the log.
    fn message(&self) -> String {
        match (self, self.kind()) {
            (Self::Store(_), ErrorKind::Internal) => "the database failed".to_owned(),
            (Self::Store(_), ErrorKind::Unavailable) => {
                "the database is away, try again".to_owned()
            }
            _ => self.to_string(),
        }
    }
}

impl From<RateError> for Fault {
    fn from(error: RateError) -> Self {
        let kind = error.kind();
        let fault = Fault::new(kind, error.reason(), error.message());
        let fault = match kind {
            ErrorKind::Unavailable | ErrorKind::Throttled => fault.retry_after(RETRY_AFTER),
            _ => fault,
        };
        match &error {
            RateError::Invalid(violations) => violations
                .iter()
                .fold(fault, |fault, v| fault.field(v.field, &v.fix)),
            RateError::VersionConflict { next, .. } => fault.with("next_version", next),
            _ => fault,
        }
    }
}

impl From<RateError> for Status {
    fn from(error: RateError) -> Self {
        if error.kind() == ErrorKind::Internal {
            error!(%error, reason = error.reason(), "call failed");
        }
        Fault::from(error).into()
    }
}

const RETRY_AFTER: Duration = Duration::from_secs(1);

fn store_kind(error: &StoreError) -> ErrorKind {
    let StoreError::Commit(error) = error else {
        let away = matches!(error, StoreError::Unavailable(_));
        return if away {
            ErrorKind::Unavailable
        } else {
            ErrorKind::Internal
        };
    };
    match error {
        CommitError::Conflict { .. } => ErrorKind::Conflict,
        // Repeating the call finds out: what was written has the caller's version.
        CommitError::Unknown(_) => ErrorKind::Unavailable,
        CommitError::Refused { refusal, .. } => match refusal {
            Refusal::QueueFull => ErrorKind::Throttled,
            Refusal::Closing | Refusal::Unavailable(_) => ErrorKind::Unavailable,
            Refusal::Rejected(_) => ErrorKind::Internal,
        },
    }
}

fn listed(violations: &[Violation]) -> String {
    let lines = violations.iter().map(|v| format!("{}: {}", v.field, v.fix));
    lines.collect::<Vec<_>>().join("; ")
}
