//! What can go wrong here, and what callers are told of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mesh::{ErrorKind, Fault};
use proto::shop::v1::ShopStatus;
use store::StoreError;
use tonic::Status;
use work::Violations;

use crate::lookup::LookupError;

/// What this service keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Who sells.
    Merchant,
    /// Where it sells.
    Shop,
    /// Where a shop's money goes.
    Account,
}

/// Why a call was not served.
#[derive(Debug, thiserror::Error)]
pub enum ShopCenterError {
    /// The request is wrong; every field that is, is named.
    #[error(transparent)]
    Invalid(#[from] Violations),
    /// Nobody created it.
    #[error("{0} {1} does not exist")]
    NotFound(What, i64),
    /// What it would belong to is not there.
    #[error("{0} {1} does not exist, create it first")]
    Missing(What, i64),
    /// Same id, other content.
    #[error("{0} {1} exists with other content")]
    Differs(What, i64),
    /// Another account has that shop, channel, pay type and `mch_id`.
    #[error("merchant account {0} has this shop, channel, pay type and mch_id already")]
    AccountTaken(i64),
    /// The change was meant for another version.
    #[error("{what} {id} is at version {version}: read it and decide again")]
    VersionConflict {
        /// What it is.
        what: What,
        /// Which one.
        id: i64,
        /// Its present version.
        version: i64,
    },
    /// The shop is closed for ever.
    #[error("shop {id} is closed and cannot become {}", .to.as_str_name())]
    ShopClosed {
        /// Which one.
        id: i64,
        /// What it should have become.
        to: ShopStatus,
    },
    /// The configuration cannot work.
    #[error("shop-center setting {name}: {problem}")]
    Setting {
        /// Which setting.
        name: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Something could not be looked up.
    #[error(transparent)]
    Lookup(#[from] Arc<LookupError>),
    /// The database did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const SOON: Duration = Duration::from_secs(1);

impl ShopCenterError {
    fn fault(&self) -> Fault {
        let of = |kind, reason| Fault::new(kind, reason, self.to_string());
        match self {
            Self::Invalid(violations) => violations.fault(),
            Self::NotFound(what, id) => {
                of(ErrorKind::NotFound, what.not_found()).with(what.key(), id)
            }
            Self::Missing(what, id) => of(ErrorKind::Precondition, what.not_found())
                .with(what.key(), id)
                .precondition("EXISTENCE", &what.name_of(*id), "create it first"),
            Self::Differs(what, id) => of(ErrorKind::Exists, what.differs()).with(what.key(), id),
            Self::AccountTaken(id) => {
                of(ErrorKind::Exists, "MERCHANT_ACCOUNT_TAKEN").with("account_id", id)
            }
            Self::VersionConflict { what, id, version } => {
                of(ErrorKind::Conflict, what.version_conflict())
                    .with(what.key(), id)
                    .with("version", version)
            }
            Self::ShopClosed { id, .. } => of(ErrorKind::Precondition, "SHOP_CLOSED")
                .with("shop_id", id)
                .precondition(
                    "STATUS",
                    &What::Shop.name_of(*id),
                    "a closed shop stays closed",
                ),
            Self::Setting { .. } => of(ErrorKind::Internal, "SETTING_INVALID"),
            Self::Lookup(error) => match &**error {
                LookupError::Busy => of(ErrorKind::Throttled, "LOOKUPS_BUSY").retry_after(SOON),
                LookupError::Store(error) => work::fault_of(error),
            },
            Self::Store(error) => work::fault_of(error),
        }
    }
}

impl From<ShopCenterError> for Status {
    fn from(error: ShopCenterError) -> Self {
        error.fault().into()
    }
}

impl What {
    fn not_found(self) -> &'static str {
        match self {
            Self::Merchant => "MERCHANT_NOT_FOUND",
            Self::Shop => "SHOP_NOT_FOUND",
            Self::Account => "MERCHANT_ACCOUNT_NOT_FOUND",
        }
    }

    fn differs(self) -> &'static str {
        match self {
            Self::Merchant => "MERCHANT_DIFFERS",
            Self::Shop => "SHOP_DIFFERS",
            Self::Account => "MERCHANT_ACCOUNT_DIFFERS",
        }
    }

    fn version_conflict(self) -> &'static str {
        match self {
            Self::Merchant => "MERCHANT_VERSION_CONFLICT",
            Self::Shop => "SHOP_VERSION_CONFLICT",
            Self::Account => "MERCHANT_ACCOUNT_VERSION_CONFLICT",
        }
    }

    // Under which its id stands in the metadata.
    fn key(self) -> &'static str {
        match self {
            Self::Merchant => "merchant_id",
            Self::Shop => "shop_id",
            Self::Account => "account_id",
        }
    }

    fn name_of(self, id: i64) -> String {
        match self {
            Self::Merchant => format!("merchants/{id}"),
            Self::Shop => format!("shops/{id}"),
            Self::Account => format!("merchantAccounts/{id}"),
        }
    }

    /// As `changes.kind` has it.
    pub(crate) fn code(self) -> i16 {
        match self {
            Self::Merchant => 1,
            Self::Shop => 2,
            Self::Account => 3,
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Merchant => "merchant",
            Self::Shop => "shop",
            Self::Account => "merchant account",
        })
    }
}
