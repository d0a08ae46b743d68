//! The use cases, one file each.

mod create_merchant;
mod create_merchant_account;
mod create_shop;
mod get_merchant;
mod get_shop;
mod list_merchant_accounts;

use store::{CommitError, Db, StoreError, Write};

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

const RESUBMISSIONS: u32 = 2;

// False: its key is taken. A write whose fate is not known is submitted again: it is done once.
async fn submit(db: &Db, mut write: Write) -> Result<bool, StoreError> {
    let mut left = RESUBMISSIONS;
    loop {
        match db.submit(write).await {
            Ok(()) => return Ok(true),
            Err(CommitError::Conflict { .. }) => return Ok(false),
            Err(CommitError::Unknown(same)) if left > 0 => write = *same,
            Err(error) => return Err(error.into()),
        }
        left -= 1;
    }
}

// What conflicted is not there: never, as nothing is ever deleted; the caller tries again.
fn vanished(write: &'static str) -> StoreError {
    CommitError::Conflict { write }.into()
}
