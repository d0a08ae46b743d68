//! How anything changes: a row of its history decides, the thing itself follows.

use jiff::Timestamp;
use prost::Message;
use store::{Db, Guard, Value, Write, row};
use work::By;

use super::get;
use crate::ShopCenterError;
use crate::convert::Update;
use crate::model::{Entity, Kept};
use crate::queries::{CHANGES_CONTENT, CHANGES_INSERT, CHANGES_WINNER};

static GUARD: Guard = Guard {
    insert: &CHANGES_INSERT,
    winner: &CHANGES_WINNER,
    key: &[0, 1, 2],
};

// How often a decision is taken again when others change the same thing.
const DECISIONS: usize = 8;

/// What a change is called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named {
    /// In logs and metrics.
    pub(crate) write: &'static str,
    /// In the history.
    pub(crate) event: &'static str,
}

/// Makes the change that `decide` finds to be right, or answers that it was made already.
pub(super) async fn change<T: Entity, C>(
    db: &Db,
    update: &Update<C>,
    (named, by): (Named, &By),
    decide: impl Fn(T, &C) -> Result<T, ShopCenterError>,
) -> Result<Kept<T>, ShopCenterError> {
    let mut version = 0;
    for _ in 0..DECISIONS {
        let current = get::<T>(db, update.id).await?;
        version = current.stamp.version;
        if let Some(expected) = update.expected.filter(|expected| *expected != version) {
            let becomes = |it| decide(it, &update.change);
            return repeated(db, current, expected, becomes).await;
        }
        let it = decide(current.it.clone(), &update.change)?;
        if it == current.it {
            return Ok(current);
        }
        let stamp = current.stamp.next(db.clock().now());
        let next = Kept { it, stamp };
        if db.wins(write(&next, named, by)).await? {
            return Ok(next);
        }
    }
    Err(conflict::<T>(update.id, version))
}

fn write<T: Entity>(next: &Kept<T>, named: Named, by: &By) -> Write {
    let (id, stamp) = (next.it.id(), &next.stamp);
    let log = line(&next.it, (stamp.version, stamp.updated_at), named.event, by);
    let changed = [
        row![id, stamp.version],
        next.it.changeable(),
        row![stamp.updated_at],
    ];
    Write::new(named.write, &GUARD, log).update(T::CHANGE, changed.concat())
}

/// A row of the history, without its write id.
pub(super) fn line<T: Entity>(
    it: &T,
    (version, at): (i64, Timestamp),
    event: &'static str,
    by: &By,
) -> Vec<Value> {
    row![
        T::WHAT.code(),
        it.id(),
        version,
        at,
        event,
        by.actor.as_str(),
        by.trace_id.as_str(),
        it.message().encode_to_vec()
    ]
}

// A caller that was not answered asks again: the version it expected is past, and what
// followed that one is what it asked for.
async fn repeated<T: Entity>(
    db: &Db,
    current: Kept<T>,
    expected: i64,
    becomes: impl Fn(T) -> Result<T, ShopCenterError>,
) -> Result<Kept<T>, ShopCenterError> {
    let (id, version) = (current.it.id(), current.stamp.version);
    if expected < version {
        let before = content::<T>(db, id, expected).await?;
        let after = content::<T>(db, id, expected + 1).await?;
        let made = before.map(becomes).transpose()?;
        if made.is_some() && made == after {
            return Ok(current);
        }
    }
    Err(conflict::<T>(id, version))
}

/// What a version said; `None` if there is no such version, or it is not understood.
pub(super) async fn content<T: Entity>(
    db: &Db,
    id: i64,
    version: i64,
) -> Result<Option<T>, ShopCenterError> {
    let key = row![T::WHAT.code(), id, version];
    let Some(found) = db.fetch_optional(&CHANGES_CONTENT, key).await? else {
        return Ok(None);
    };
    let message = T::Message::decode(found.bytes("content")?.as_slice());
    Ok(message.ok().and_then(|message| T::check(message).ok()))
}

fn conflict<T: Entity>(id: i64, version: i64) -> ShopCenterError {
    ShopCenterError::VersionConflict {
        what: T::WHAT,
        id,
        version,
    }
}
