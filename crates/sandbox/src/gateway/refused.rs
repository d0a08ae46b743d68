//! Requests that are understood and refused.

use std::borrow::Cow;

use crate::SandboxError;

/// A business refusal: `result_code` 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) err_code: Cow<'static, str>,
    pub(super) err_msg: String,
    /// Whether the merchant must ask what became of the number.
    pub(super) need_query: bool,
}

impl Refused {
    /// A request that says too little or something impossible.
    pub(super) fn invalid(err_msg: String) -> Self {
        Self::finally("INVALID_REQUEST", err_msg)
    }

    /// A number that stands for something already.
    pub(super) fn repeated() -> Self {
        Self::asking("INVALID_REQUEST", "201 商户订单号重复")
    }

    /// Nothing was done, and nothing will be.
    pub(super) fn finally(
        err_code: impl Into<Cow<'static, str>>,
        err_msg: impl Into<String>,
    ) -> Self {
        Self {
            err_code: err_code.into(),
            err_msg: err_msg.into(),
            need_query: false,
        }
    }

    /// A query is to tell what became of it.
    pub(super) fn asking(err_code: &'static str, err_msg: &str) -> Self {
        Self {
            need_query: true,
            ..Self::finally(err_code, err_msg)
        }
    }
}

/// Why a service has no answer that accepts.
pub(super) enum Fault {
    Refused(Refused),
    Failed(SandboxError),
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<SandboxError> for Fault {
    fn from(error: SandboxError) -> Self {
        Self::Failed(error)
    }
}
