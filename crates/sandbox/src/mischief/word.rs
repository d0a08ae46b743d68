//! The words scripts are written in.

use serde::{Deserialize, Serialize};

/// A way of forging a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forgery {
    /// The amount was changed after signing.
    BadSignature,
    /// Signed with another merchant's key.
    OtherKey,
    /// Another merchant's own, rightly signed, about this order.
    OtherMerchant,
}

/// A kind of garbage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Garbage {
    /// A message that ends in the middle.
    HalfXml,
    /// Status 502 and a page, as of a proxy.
    Html502,
    /// A message whose signature is wrong.
    WrongSignature,
    /// `status` 400 without a signature, as if it had failed.
    Status400,
    /// Bytes that are no UTF-8.
    NotUtf8,
}

impl Garbage {
    pub(crate) const ALL: [Self; 5] = [
        Self::HalfXml,
        Self::Html502,
        Self::WrongSignature,
        Self::Status400,
        Self::NotUtf8,
    ];
}

/// What a query is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// What is so.
    Truth,
    /// That nobody has paid yet.
    NotPaid,
    /// That the charge is closed.
    Closed,
    /// That the payment failed.
    PayError,
}

/// What comes of asking a payer for a password.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PasswordOutcome {
    /// The payer pays.
    #[default]
    Paid,
    /// The payer refuses.
    Refused,
    /// The payer never does anything.
    Never,
}
