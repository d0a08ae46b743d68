//! The use cases, one file each.

mod create_merchant;
mod create_merchant_account;
mod create_shop;
mod get_merchant;
mod get_shop;
mod list_merchant_accounts;

use store::{CommitError, StoreError};

pub(crate) use create_merchant::create_merchant;
pub(crate) use create_merchant_account::create_merchant_account;
pub(crate) use create_shop::create_shop;
pub(crate) use get_merchant::get_merchant;
pub(crate) use get_shop::get_shop;
pub(crate) use list_merchant_accounts::list_merchant_accounts;

/// What was asked for, and whether this call made it.
pub(crate) struct Created<T> {
    pub(crate) it: T,
    pub(crate) created: bool,
}

// What conflicted is not there: never, as nothing is ever deleted; the caller tries again.
fn vanished(write: &'static str) -> StoreError {
    CommitError::Conflict { write }.into()
}
