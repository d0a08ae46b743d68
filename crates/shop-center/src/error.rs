//! What can go wrong here, and which kind of failed call it is.

use std::time::Duration;

use mesh::{ErrorKind, Fault};
use store::{CommitError, Refusal, StoreError};
use tonic::Status;
use tracing::error;

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
pub enum ShopCenterError {
    /// The request is wrong; every field that is, is named.
    #[error("{}", listed(.0))]
    Invalid(Vec<Violation>),
    /// Nobody registered that merchant.
    #[error("merchant {0} does not exist")]
    MerchantNotFound(i64),
    /// Nobody opened that shop.
    #[error("shop {0} does not exist")]
    ShopNotFound(i64),
    /// A shop needs its merchant first.
    #[error("merchant {0} does not exist, create it first")]
    NoMerchant(i64),
    /// An account needs its shop first.
    #[error("shop {0} does not exist, create it first")]
    NoShop(i64),
    /// Same id, other content.
    #[error("merchant {0} exists with other content")]
    MerchantDiffers(i64),
    /// Same id, other content.
    #[error("shop {0} exists with other content")]
    ShopDiffers(i64),
    /// Same id, other content.
    #[error("merchant account {0} exists with other content")]
    AccountDiffers(i64),
    /// Another account has that shop, channel, pay type and `mch_id`.
    #[error("merchant account {0} has this shop, channel, pay type and mch_id already")]
    AccountTaken(i64),
    /// The configuration cannot work.
    #[error("shop-center setting {name}: {problem}")]
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

impl ShopCenterError {
    /// The kind of failed call.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::MerchantNotFound(_) | Self::ShopNotFound(_) => ErrorKind::NotFound,
            Self::NoMerchant(_) | Self::NoShop(_) => ErrorKind::Precondition,
            Self::MerchantDiffers(_)
            | Self::ShopDiffers(_)
            | Self::AccountDiffers(_)
            | Self::AccountTaken(_) => ErrorKind::Exists,
            Self::Setting { .. } => ErrorKind::Internal,
            Self::Store(error) => store_kind(error),
        }
    }

    /// A stable word for callers, logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "INVALID_ARGUMENT",
            Self::MerchantNotFound(_) | Self::NoMerchant(_) => "MERCHANT_NOT_FOUND",
            Self::ShopNotFound(_) | Self::NoShop(_) => "SHOP_NOT_FOUND",
            Self::MerchantDiffers(_) => "MERCHANT_DIFFERS",
            Self::ShopDiffers(_) => "SHOP_DIFFERS",
            Self::AccountDiffers(_) => "MERCHANT_ACCOUNT_DIFFERS",
            Self::AccountTaken(_) => "MERCHANT_ACCOUNT_TAKEN",
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

impl From<ShopCenterError> for Fault {
    fn from(error: ShopCenterError) -> Self {
        let kind = error.kind();
        let fault = Fault::new(kind, error.reason(), error.message());
        let fault = match kind {
            ErrorKind::Unavailable | ErrorKind::Throttled => fault.retry_after(RETRY_AFTER),
            _ => fault,
        };
        match &error {
            ShopCenterError::Invalid(violations) => violations
                .iter()
                .fold(fault, |fault, v| fault.field(v.field, &v.fix)),
            ShopCenterError::NoMerchant(id) => {
                fault.precondition("EXISTENCE", &format!("merchants/{id}"), "create it first")
            }
            ShopCenterError::NoShop(id) => {
                fault.precondition("EXISTENCE", &format!("shops/{id}"), "create it first")
            }
            ShopCenterError::AccountTaken(id) => fault.with("account_id", id),
            _ => fault,
        }
    }
}

impl From<ShopCenterError> for Status {
    fn from(error: ShopCenterError) -> Self {
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
        // Repeating the call finds out: what was written has the caller's id.
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
