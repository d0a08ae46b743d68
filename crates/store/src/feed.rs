//! The feed: outbox events get their place from one sequencer, and each subscriber has a
//! cursor per shard. No event can be skipped that commits late, because only what is
//! committed is sequenced, and only what is sequenced is read.

use std::time::Duration;

use jiff::Timestamp;

use crate::{Db, Guard, Row, StoreError, Value, Write, query, row};

/// Into how many shards each feed is cut.
pub const SHARDS: i16 = 4;

/// A fact for others, as it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What it is about, e.g. `payment`.
    pub aggregate: &'static str,
    /// Whose events keep their order: an order number.
    pub key: i64,
    /// The key in text, for people and Debezium.
    pub key_text: String,
    /// Which payment of the order.
    pub part: i32,
    /// The version of the aggregate that says so.
    pub version: i64,
    /// The payload's message type.
    pub kind: &'static str,
    /// The encoded message.
    pub payload: Vec<u8>,
    /// The trace that caused it (W3C traceparent).
    pub traceparent: String,
    /// When.
    pub at: Timestamp,
}

/// A fact for others, as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequenced {
    /// Its place.
    pub seq: i64,
    /// Unique within the service.
    pub id: String,
    /// What it is about.
    pub aggregate: String,
    /// Whose events keep their order.
    pub key: i64,
    /// The payload's message type.
    pub kind: String,
    /// The encoded message.
    pub payload: Vec<u8>,
    /// The trace that caused it.
    pub traceparent: String,
    /// When.
    pub at: Timestamp,
}

/// A subscriber's hold on a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Everything up to here is done.
    pub position: i64,
    /// Proves the hold.
    pub token: i64,
}

impl Event {
    /// Unique within the service, and in key order.
    pub fn id(&self) -> String {
        format!(
            "{}:{}:{}:{}",
            self.aggregate, self.key_text, self.part, self.version
        )
    }

    pub(crate) fn into_row(self) -> Vec<Value> {
        let id = self.id();
        row![
            id,
            self.aggregate,
            self.key_text,
            self.kind,
            self.payload,
            self.key,
            self.version,
            self.traceparent,
            self.at
        ]
    }
}

static BATCH: Guard = Guard {
    insert: &query::FEED_BATCHES_INSERT,
    winner: &query::FEED_BATCHES_WINNER,
    key: &[0],
};

/// Gives up to `most` pending events their place; answers how many. A sequencer that was
/// overtaken changes nothing: its batch number is taken.
pub async fn sequence(db: &Db, most: u32) -> Result<usize, StoreError> {
    // The last batch is read first: what is pending after that cannot be in it.
    let last = db.fetch_optional(&query::FEED_BATCHES_LAST, row![]).await?;
    let (batch, mut seq) = match last {
        Some(row) => (row.int("batch_no")?, row.int("last_seq")?),
        None => (0, 0),
    };
    let pending = db.fetch_all(&query::FEED_PENDING_LIST, row![most]).await?;
    if pending.is_empty() {
        return Ok(0);
    }
    let last_seq = seq + i64::try_from(pending.len()).unwrap_or(0);
    let guard = row![batch + 1, last_seq, db.clock().now()];
    let mut write = Write::new("feed/sequence", &BATCH, guard);
    for row in &pending {
        seq += 1;
        let (key, part, version) = (row.int("order_key")?, row.int("part")?, row.int("version")?);
        let id = row.text("event_id")?;
        write = write
            .insert(&query::FEED_INSERT, row![seq, shard_of(key), id.as_str()])
            .delete(
                &query::FEED_PENDING_END,
                row![key, part, version, id.as_str()],
            );
    }
    Ok(if db.wins(write).await? {
        pending.len()
    } else {
        0
    })
}

/// The last place given.
pub async fn last(db: &Db) -> Result<i64, StoreError> {
    let row = db.fetch_optional(&query::FEED_BATCHES_LAST, row![]).await?;
    row.map_or(Ok(0), |row| row.int("last_seq"))
}

/// Holds a shard for `term`: `token` is that of an earlier hold, or 0. `None` while
/// another puller holds it.
pub async fn hold(
    db: &Db,
    (subscriber, shard): (&str, i16),
    token: i64,
    term: Duration,
) -> Result<Option<Cursor>, StoreError> {
    let now = db.clock().now();
    let key = row![subscriber, shard];
    let mut found = db
        .fetch_optional(&query::FEED_CURSORS_GET, key.clone())
        .await?;
    if found.is_none() {
        db.execute(&query::FEED_CURSORS_OPEN, key.clone()).await?;
        found = db.fetch_optional(&query::FEED_CURSORS_GET, key).await?;
    }
    let Some(row) = found else { return Ok(None) };
    let (position, holder, until) = (row.int("pos")?, row.int("token")?, row.time("lease_until")?);
    let ours = token != 0 && holder == token;
    // A hold that has half its term left is not renewed: one write fewer a pull.
    if ours && until > now + term / 2 {
        return Ok(Some(Cursor { position, token }));
    }
    let token = if ours { token } else { db.ids().positive() };
    let lease = row![
        token,
        now + term,
        subscriber,
        shard,
        if ours { token } else { -1 },
        now
    ];
    let held = db.execute(&query::FEED_CURSORS_LEASE, lease).await? > 0;
    Ok(held.then_some(Cursor { position, token }))
}

/// Up to `most` events of a shard behind `position`.
pub async fn read(
    db: &Db,
    shard: i16,
    position: i64,
    most: u32,
) -> Result<Vec<Sequenced>, StoreError> {
    let rows = db
        .fetch_all(&query::FEED_READ, row![shard, position, most])
        .await?;
    rows.iter().map(sequenced).collect()
}

/// Moves a cursor on, never back. False: the hold was lost.
pub async fn acknowledge(
    db: &Db,
    (subscriber, shard): (&str, i16),
    to: Cursor,
) -> Result<bool, StoreError> {
    let ack = row![to.position, subscriber, shard, to.token, to.position];
    if db.execute(&query::FEED_CURSORS_ACK, ack).await? > 0 {
        return Ok(true);
    }
    let row = db
        .fetch_optional(&query::FEED_CURSORS_GET, row![subscriber, shard])
        .await?;
    Ok(row.map(|row| row.int("token")).transpose()? == Some(to.token))
}

/// The shard of a key.
pub fn shard_of(key: i64) -> i16 {
    // Order numbers of a moment differ in their last digits only: mix before cutting.
    let mixed = (key.cast_unsigned()).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    i16::try_from(mixed % u64::from(SHARDS.unsigned_abs())).unwrap_or(0)
}

fn sequenced(row: &Row) -> Result<Sequenced, StoreError> {
    Ok(Sequenced {
        seq: row.int("seq")?,
        id: row.text("id")?,
        aggregate: row.text("aggregatetype")?,
        key: row.int("order_key")?,
        kind: row.text("type")?,
        payload: row.bytes("payload")?,
        traceparent: row.text("traceparent")?,
        at: row.time("occurred_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_of_one_moment_spread_over_the_shards() {
        let first = 261_120_000_000_000_000_i64;
        for step in [1, 100, 10_000] {
            let mut shards = [0; SHARDS as usize];
            for order in (0..4000).map(|n| first + n * step) {
                shards[usize::try_from(shard_of(order)).unwrap()] += 1;
            }
            assert!(shards.iter().all(|&count| count > 700), "{shards:?}");
        }
    }
}
