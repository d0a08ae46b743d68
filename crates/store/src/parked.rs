//! Parked events: what a subscriber could not apply is kept with what it owes for it, so
//! that the feed goes on and nothing is dropped.

use jiff::Timestamp;

use crate::feed::Sequenced;
use crate::{Db, Guard, Row, StoreError, Write, query, row};

/// The obligation an order with parked events owes its subscriber.
pub const KIND: i16 = 100;

static PARK: Guard = Guard {
    insert: &query::PARKED_INSERT,
    winner: &query::PARKED_WINNER,
    key: &[0, 1],
};

/// Keeps an event that could not be applied; parking it twice keeps it once.
pub async fn park(
    db: &Db,
    publisher: &str,
    event: &Sequenced,
    (reason, due): (&str, Timestamp),
) -> Result<(), StoreError> {
    let reason: String = reason.chars().take(255).collect();
    let guard = row![
        publisher,
        event.seq,
        event.id.clone(),
        event.key,
        event.kind.clone(),
        event.payload.clone(),
        event.traceparent.clone(),
        event.at,
        reason,
        db.clock().now()
    ];
    let write = Write::new("feed/park", &PARK, guard).arm(KIND, (event.key, 0), due);
    // Parked already: it stays as it is.
    db.wins(write).await.map(drop)
}

/// Up to `most` parked events of an order, oldest first, each with its publisher.
pub async fn of(db: &Db, key: i64, most: u32) -> Result<Vec<(String, Sequenced)>, StoreError> {
    let rows = db.fetch_all(&query::PARKED_OF, row![key, most]).await?;
    rows.iter()
        .map(|row| Ok((row.text("publisher")?, parked(row)?)))
        .collect()
}

/// Forgets an event that has been applied since.
pub async fn end(db: &Db, publisher: &str, seq: i64) -> Result<(), StoreError> {
    db.execute(&query::PARKED_END, row![publisher, seq]).await?;
    Ok(())
}

fn parked(row: &Row) -> Result<Sequenced, StoreError> {
    Ok(Sequenced {
        seq: row.int("seq")?,
        id: row.text("event_id")?,
        aggregate: String::new(),
        key: row.int("order_key")?,
        kind: row.text("type")?,
        payload: row.bytes("payload")?,
        traceparent: row.text("traceparent")?,
        at: row.time("occurred_at")?,
    })
}
