//! Why a command ended without doing what it was asked: a stable reason and a sentence.

use std::fmt::Display;

use pay_gateway::GatewayError;
use rate::RateError;
use shop_center::ShopCenterError;
use store::StoreError;

/// The one error of the binary.
#[derive(Debug, thiserror::Error)]
#[error("{reason}: {text}")]
pub struct Failure {
    reason: &'static str,
    text: String,
}

impl Failure {
    pub fn new(reason: &'static str, text: impl Display) -> Self {
        Self {
            reason,
            text: text.to_string(),
        }
    }

    pub fn config(text: impl Display) -> Self {
        Self::new("CONFIG_INVALID", text)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(error.reason(), &error)
    }
}

impl From<ShopCenterError> for Failure {
    fn from(error: ShopCenterError) -> Self {
        match error {
            ShopCenterError::Store(error) => error.into(),
            error => Self::config(error),
        }
    }
}

impl From<RateError> for Failure {
    fn from(error: RateError) -> Self {
        match error {
            RateError::Store(error) => error.into(),
            error => Self::config(error),
        }
    }
}

impl From<GatewayError> for Failure {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::Store(error) => error.into(),
            error => Self::config(error),
        }
    }
}

impl From<mesh::TargetError> for Failure {
    fn from(error: mesh::TargetError) -> Self {
        Self::config(error)
    }
}

impl From<work::RunnerError> for Failure {
    fn from(error: work::RunnerError) -> Self {
        Self::config(error)
    }
}

impl From<mesh::ServeError> for Failure {
    fn from(error: mesh::ServeError) -> Self {
        Self::new("SERVE_FAILED", error)
    }
}
