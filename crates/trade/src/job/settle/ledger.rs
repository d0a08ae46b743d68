//! The settlements of one payment: its charge, and what went back of it. They are numbered,
//! so that of two that are computed at once one is computed again.

use domain::{Attempt, Charge, Fen, ObligationKind, OrderNo, Returned, Settlement};
use jiff::Timestamp;
use store::{Guard, Row, StoreError, Write, row};

use crate::error::TradeError;
use crate::{Inner, queries};

// The source is the key; the number within the charge is unique too.
static SETTLED: Guard = Guard {
    insert: &queries::SETTLEMENTS_INSERT,
    winner: &queries::SETTLEMENTS_WINNER,
    key: &[0, 1],
};

/// A row to be recorded.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) order: OrderNo,
    pub(super) payment: Attempt,
    pub(super) source: String,
    pub(super) seq: i32,
    pub(super) settled: Settlement,
    /// Rate and version of its scheme.
    pub(super) rate: (i64, i64),
    pub(super) paid_at: Timestamp,
    /// The obligation it meets.
    pub(super) owed: (i64, i32),
}

/// Records it and ends what was owed. False: its source or its number is taken.
pub(super) async fn record(trade: &Inner, entry: Entry) -> Result<bool, TradeError> {
    let guard = row![
        entry.order.get(),
        entry.source,
        entry.settled.gross.get(),
        entry.settled.fee.get(),
        entry.settled.net.get(),
        entry.rate.0,
        entry.rate.1,
        entry.payment.get(),
        entry.seq,
        entry.paid_at,
        trade.db.clock().now()
    ];
    let write = Write::new("settlement/record", &SETTLED, guard)
        .end(ObligationKind::Settle.code(), entry.owed);
    Ok(trade.db.wins(write).await?)
}

/// What is settled of one payment so far.
pub(super) struct Settled {
    pub(super) charge: Charge,
    pub(super) rate: (i64, i64),
    pub(super) paid_at: Timestamp,
    /// What went back so far.
    pub(super) returned: Returned,
    /// The next number.
    pub(super) next: i32,
    sources: Vec<String>,
}

impl Settled {
    /// Reads it; none before the charge is settled.
    pub(super) async fn of(
        trade: &Inner,
        (order, payment): (OrderNo, Attempt),
    ) -> Result<Option<Self>, StoreError> {
        let key = row![order.get(), payment.get()];
        let rows = trade
            .db
            .fetch_all(&queries::SETTLEMENTS_OF_CHARGE, key)
            .await?;
        let Some((first, others)) = rows.split_first() else {
            return Ok(None);
        };
        let mut settled = Self::charged(first)?;
        for row in others {
            settled.add(row)?;
        }
        Ok(Some(settled))
    }

    /// Whether this has been settled.
    pub(super) fn has(&self, source: &str) -> bool {
        self.sources.iter().any(|known| known == source)
    }

    // The charge is the first: nothing goes back before it.
    fn charged(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            charge: Charge {
                amount: Fen::new(row.int("gross")?),
                fee: Fen::new(row.int("fee")?),
            },
            rate: (row.int("rate_ppm")?, row.int("scheme_version")?),
            paid_at: row.time("paid_at")?,
            returned: Returned::default(),
            next: row.small::<i32>("seq")?.saturating_add(1),
            sources: vec![row.text("source")?],
        })
    }

    fn add(&mut self, row: &Row) -> Result<(), StoreError> {
        let back = |column, so_far: Fen| {
            let amount = Fen::new(row.int(column)?);
            let sum = so_far.minus(amount);
            sum.ok_or_else(|| row.corrupt(column, "the sum overflows"))
        };
        self.returned = Returned {
            refunded: back("gross", self.returned.refunded)?,
            fee: back("fee", self.returned.fee)?,
        };
        self.next = row.small::<i32>("seq")?.saturating_add(1);
        self.sources.push(row.text("source")?);
        Ok(())
    }
}
