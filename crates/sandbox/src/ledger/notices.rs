//! What merchants are still to be told.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::{Action, entry};
use crate::charge::Charge;

const DUE: &str = include_str!("../../queries/notices/due.sql");
const NEXT: &str = include_str!("../../queries/notices/next.sql");
const RECORD: &str = include_str!("../../queries/notices/record.sql");

/// The notices due at `now`, the longest due first, and a limit for each merchant.
pub(crate) struct DueNotices {
    pub(crate) now: Timestamp,
    pub(crate) per_merchant: u32,
}

/// What is due, and when more will be.
pub(crate) struct Due {
    pub(crate) charges: Vec<Charge>,
    pub(crate) next: Option<Timestamp>,
}

#[async_trait]
impl Action for DueNotices {
    type Answer = Due;

    async fn run(&self, ledger: &mut SqliteConnection) -> Result<Due, sqlx::Error> {
        let now = self.now.as_microsecond();
        let due = sqlx::query(DUE).bind(now).bind(self.per_merchant);
        let charges = entry::read_all(&due.fetch_all(&mut *ledger).await?)?;
        let next = sqlx::query(NEXT).bind(now).fetch_one(ledger).await?;
        Ok(Due {
            charges,
            next: entry::time(&next, "next_at")?,
        })
    }
}

/// What became of one notice.
pub(crate) struct RecordNotice {
    pub(crate) out_trade_no: String,
    pub(crate) acknowledged: bool,
    /// `None`: acknowledged, or given up.
    pub(crate) next: Option<Timestamp>,
}

#[async_trait]
impl Action for RecordNotice {
    type Answer = ();

    async fn run(&self, ledger: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let record = sqlx::query(RECORD)
            .bind(self.acknowledged)
            .bind(self.next.map(Timestamp::as_microsecond))
            .bind(&self.out_trade_no);
        record.execute(ledger).await?;
        Ok(())
    }
}
