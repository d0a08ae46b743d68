//! What can go wrong here, and which kind of failed call it is.

use domain::PayType;
use jiff::Timestamp;
use mesh::{ErrorKind, Fault};
use store::StoreError;
use tonic::Status;
use work::Violations;

use crate::model::Owner;

/// Why a call was not served.
#[derive(Debug, thiserror::Error)]
pub enum RateError {
    /// The request is wrong; every field that is, is named.
    #[error(transparent)]
    Invalid(#[from] Violations),
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
    /// No scheme was ever published.
    #[error("shop {shop_id} has no rate for {pay_type} at {at}: publish its first scheme")]
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

    fn fault(&self) -> Fault {
        let of = |kind, reason| Fault::new(kind, reason, self.to_string());
        match self {
            Self::Invalid(violations) => violations.fault(),
            Self::VersionConflict {
                shop_id,
                version,
                next,
                ..
            } => of(ErrorKind::Conflict, "RATE_VERSION_CONFLICT")
                .with("shop_id", shop_id)
                .with("version", version)
                .with("next_version", next),
            Self::NotFound { shop_id, .. } => {
                of(ErrorKind::NotFound, "RATE_NOT_FOUND").with("shop_id", shop_id)
            }
            Self::Setting { .. } => of(ErrorKind::Internal, "SETTING_INVALID"),
            Self::Store(error) => work::fault_of(error),
        }
    }
}

impl From<RateError> for Status {
    fn from(error: RateError) -> Self {
        error.fault().into()
    }
}
