//! Merchants, shops and accounts: what they are, and how they are stored and told.

mod account;
mod merchant;
mod shop;

use jiff::Timestamp;
use prost::Message;
use store::{Query, Row, StoreError, Value};
use work::Violations;

use crate::error::What;

pub(crate) use account::{Account, AccountChange, Route};
pub(crate) use merchant::{Merchant, MerchantChange, Notify};
pub(crate) use shop::{Shop, ShopChange};

/// What is stored with a version and a history.
pub(crate) trait Entity: Clone + PartialEq + Send + 'static {
    /// As callers see it.
    type Message: Message + Default;
    /// What it is.
    const WHAT: What;
    /// Reads one by id.
    const GET: &'static Query;
    /// Changes one from the version before.
    const CHANGE: &'static Query;

    /// Which one.
    fn id(&self) -> i64;
    /// From its columns.
    fn read(row: &Row) -> Result<Self, StoreError>;
    /// The columns that a change may set.
    fn changeable(&self) -> Vec<Value>;
    /// From what a caller sent, checked.
    fn check(message: Self::Message) -> Result<Self, Violations>;
    /// As callers see it, without what the server sets.
    fn message(&self) -> Self::Message;
    /// Sets what the server sets.
    fn stamp(message: &mut Self::Message, stamp: &Stamp);
}

/// What the server sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// What is stored, with its version.
#[derive(Debug, Clone)]
pub(crate) struct Kept<T> {
    pub(crate) it: T,
    pub(crate) stamp: Stamp,
}

impl Stamp {
    /// Version 1.
    pub(crate) fn first(now: Timestamp) -> Self {
        Self {
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }

    /// The next version.
    pub(crate) fn next(self, now: Timestamp) -> Self {
        Self {
            version: self.version + 1,
            updated_at: now,
            ..self
        }
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            version: row.int("version")?,
            created_at: row.time("created_at")?,
            updated_at: row.time("updated_at")?,
        })
    }
}

impl<T: Entity> Kept<T> {
    pub(crate) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            it: T::read(row)?,
            stamp: Stamp::read(row)?,
        })
    }

    /// As callers see it.
    pub(crate) fn into_message(self) -> T::Message {
        let mut message = self.it.message();
        T::stamp(&mut message, &self.stamp);
        message
    }
}
