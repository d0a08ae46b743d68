//! Looking charges up.

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::{Action, entry};
use crate::charge::Charge;

const GET: &str = include_str!("../../queries/charges/get.sql");
const GET_BY_TOKEN: &str = include_str!("../../queries/charges/get_by_token.sql");
const GET_BY_TRANSACTION: &str = include_str!("../../queries/charges/get_by_transaction.sql");
const GET_BY_REFUND: &str = include_str!("../../queries/charges/get_by_refund.sql");
const GET_BY_REFUND_ID: &str = include_str!("../../queries/charges/get_by_refund_id.sql");
const LIST: &str = include_str!("../../queries/charges/list.sql");

/// One charge.
pub(crate) enum Find {
    /// By the merchant's number.
    Order(String),
    /// By the number that opens the pay page.
    Token(String),
    /// By the channel's number of the payment.
    Transaction(String),
    /// By the merchant's number of a refund of it.
    Refund(String),
    /// By the channel's number of a refund of it.
    RefundId(String),
}

#[async_trait]
impl Action for Find {
    type Answer = Option<Charge>;

    async fn run(&self, ledger: &mut SqliteConnection) -> Result<Option<Charge>, sqlx::Error> {
        let (query, key) = match self {
            Self::Order(key) => (GET, key),
            Self::Token(key) => (GET_BY_TOKEN, key),
            Self::Transaction(key) => (GET_BY_TRANSACTION, key),
            Self::Refund(key) => (GET_BY_REFUND, key),
            Self::RefundId(key) => (GET_BY_REFUND_ID, key),
        };
        let row = sqlx::query(query).bind(key).fetch_optional(ledger).await?;
        row.as_ref().map(entry::read).transpose()
    }
}

/// Charges by the merchant's number, from the one after `after`.
pub(crate) struct List {
    pub(crate) after: String,
    pub(crate) limit: u32,
}

#[async_trait]
impl Action for List {
    type Answer = Vec<Charge>;

    async fn run(&self, ledger: &mut SqliteConnection) -> Result<Vec<Charge>, sqlx::Error> {
        let query = sqlx::query(LIST).bind(&self.after).bind(self.limit);
        entry::read_all(&query.fetch_all(ledger).await?)
    }
}
