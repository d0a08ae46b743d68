//! Obligations: what is owed and when. Armed and ended by writes; claimed, postponed and
//! dropped here, always under the claim's token.

use std::time::Duration;

use jiff::Timestamp;

use crate::{Db, StoreError, query, row};

/// An obligation in the hands of one worker, until its lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// Which obligation.
    pub kind: i16,
    /// Whose: an order number, an inbox id.
    pub subject: i64,
    /// Which payment of the order; 0 where there is one.
    pub part: i32,
    /// Claims so far, this one included.
    pub attempts: u32,
    token: i64,
}

/// What an order or payment still owes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// Which obligation.
    pub kind: i16,
    /// Which payment of the order; 0 where there is one.
    pub part: i32,
    /// From when on.
    pub due_at: Timestamp,
    /// Claims so far.
    pub attempts: u32,
}

/// How much waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Obligations due.
    pub waiting: i64,
    /// Since when the oldest has been due.
    pub oldest: Option<Timestamp>,
}

/// Takes up to `most` due obligations of a kind for `lease`.
pub async fn claim(
    db: &Db,
    kind: i16,
    most: u32,
    lease: Duration,
) -> Result<Vec<Claimed>, StoreError> {
    let now = db.clock().now();
    let (token, until) = (db.ids().positive(), now + lease);
    let claim = row![token, until, kind, now, most];
    if db.execute(&query::OBLIGATIONS_CLAIM, claim).await? == 0 {
        return Ok(Vec::new());
    }
    let rows = db
        .fetch_all(&query::OBLIGATIONS_CLAIMED, row![kind, until, token])
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Claimed {
                kind,
                subject: row.int("subject")?,
                part: row.small("part")?,
                attempts: row.small("attempts")?,
                token,
            })
        })
        .collect()
}

/// Owes it again from `due` on. False: the claim is no longer ours, and nothing changed.
pub async fn postpone(db: &Db, claimed: &Claimed, due: Timestamp) -> Result<bool, StoreError> {
    let Claimed {
        kind,
        subject,
        part,
        token,
        ..
    } = *claimed;
    let rows = db.execute(
        &query::OBLIGATIONS_POSTPONE,
        row![due, kind, subject, part, token],
    );
    Ok(rows.await? > 0)
}

/// Ends what turned out not to be owed. False: the claim is no longer ours.
pub async fn drop(db: &Db, claimed: &Claimed) -> Result<bool, StoreError> {
    let Claimed {
        kind,
        subject,
        part,
        token,
        ..
    } = *claimed;
    let rows = db.execute(&query::OBLIGATIONS_DROP, row![kind, subject, part, token]);
    Ok(rows.await? > 0)
}

/// All that is owed for a subject.
pub async fn of(db: &Db, subject: i64) -> Result<Vec<Owed>, StoreError> {
    let rows = db.fetch_all(&query::OBLIGATIONS_OF, row![subject]).await?;
    rows.iter()
        .map(|row| {
            Ok(Owed {
                kind: row.small("kind")?,
                part: row.small("part")?,
                due_at: row.time("due_at")?,
                attempts: row.small("attempts")?,
            })
        })
        .collect()
}

/// How much of a kind is due.
pub async fn backlog(db: &Db, kind: i16) -> Result<Backlog, StoreError> {
    let now = db.clock().now();
    match db
        .fetch_optional(&query::OBLIGATIONS_BACKLOG, row![kind, now])
        .await?
    {
        Some(row) => Ok(Backlog {
            waiting: row.int("waiting")?,
            oldest: row.opt_time("oldest")?,
        }),
        None => Ok(Backlog {
            waiting: 0,
            oldest: None,
        }),
    }
}
