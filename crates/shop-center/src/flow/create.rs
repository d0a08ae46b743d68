//! How anything is created: once, by the id its caller gave it.

use store::{CommitError, Db, Guard, StoreError, Value, Write, row};
use work::By;

use super::{change, find};
use crate::ShopCenterError;
use crate::model::{Entity, Kept, Stamp};
use crate::queries::CHANGES_INSERT;

/// What was asked for, and whether this call made it.
pub(crate) struct Created<T> {
    pub(crate) kept: Kept<T>,
    pub(crate) created: bool,
}

const EVENT: &str = "CREATE";

/// Creates it at version 1, if nothing has its key.
pub(super) async fn create<T: Entity>(
    db: &Db,
    it: &T,
    (name, guard): (&'static str, &'static Guard),
    (columns, by): (Vec<Value>, &By),
) -> Result<Option<Kept<T>>, StoreError> {
    let stamp = Stamp::first(db.clock().now());
    let Stamp {
        version,
        created_at,
        updated_at,
    } = stamp;
    let row = [columns, row![version, created_at, updated_at]].concat();
    let log = change::line(it, (version, created_at), EVENT, by);
    // The line's own write id says nothing: the row of the thing itself is the guard.
    let log = [log, row![0]].concat();
    let write = Write::new(name, guard, row).insert(&CHANGES_INSERT, log);
    let it = it.clone();
    Ok(db.wins(write).await?.then_some(Kept { it, stamp }))
}

/// What has the id, if it was created as `wanted`, whatever became of it since.
pub(super) async fn existing<T: Entity>(
    db: &Db,
    wanted: &T,
) -> Result<Option<Kept<T>>, ShopCenterError> {
    let Some(kept) = find::<T>(db, wanted.id()).await? else {
        return Ok(None);
    };
    let first = change::content::<T>(db, wanted.id(), 1).await?;
    if first.as_ref() != Some(wanted) {
        return Err(ShopCenterError::Differs(T::WHAT, wanted.id()));
    }
    Ok(Some(kept))
}

/// What conflicted is not there: never, as nothing is ever deleted; the caller tries again.
pub(super) fn vanished(write: &'static str) -> ShopCenterError {
    StoreError::from(CommitError::Conflict { write }).into()
}

impl<T> Created<T> {
    pub(super) fn now(kept: Kept<T>) -> Self {
        Self {
            kept,
            created: true,
        }
    }

    pub(super) fn before(kept: Kept<T>) -> Self {
        Self {
            kept,
            created: false,
        }
    }
}
