//! Notices held back, and let go once that of a later payment was sent.

use async_trait::async_trait;
use jiff::Timestamp;
use proto::sandbox::v1::MisbehaviourKind;
use sqlx::{Row, SqliteConnection};

use super::Action;

const HOLD: &str = include_str!("../../queries/held/insert.sql");
const RELEASE: &str = include_str!("../../queries/held/release.sql");
const POSTPONE: &str = include_str!("../../queries/notices/postpone.sql");
const DONE: &str = include_str!("../../queries/misdeeds/done_all.sql");

/// Holds a notice back; answers whether it does. It does not when an earlier one of the merchant
/// is held, which waits for just this one, nor a second time.
pub(crate) struct Hold {
    pub(crate) out_trade_no: String,
    /// When to let go even if nothing later was sent.
    pub(crate) until: Timestamp,
}

#[async_trait]
impl Action for Hold {
    type Answer = bool;

    async fn run(&self, ledger: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
        let insert = sqlx::query(HOLD).bind(&self.out_trade_no);
        let held = insert.execute(&mut *ledger).await?.rows_affected() == 1;
        if held {
            postpone(ledger, &self.out_trade_no, Some(self.until)).await?;
        }
        Ok(held)
    }
}

/// A notice was sent: those held back for it are due now. Answers how many.
pub(crate) struct Release {
    pub(crate) sent: String,
    pub(crate) now: Timestamp,
}

#[async_trait]
impl Action for Release {
    type Answer = usize;

    async fn run(&self, ledger: &mut SqliteConnection) -> Result<usize, sqlx::Error> {
        let release = sqlx::query(RELEASE).bind(&self.sent);
        let released = release.fetch_all(&mut *ledger).await?;
        for row in &released {
            let number: String = row.try_get("out_trade_no")?;
            postpone(ledger, &number, Some(self.now)).await?;
            let kind = i32::from(MisbehaviourKind::Reordered);
            let done = sqlx::query(DONE).bind(&number).bind(kind);
            done.execute(&mut *ledger).await?;
        }
        Ok(released.len())
    }
}

/// The next notice is due at another time, or never.
pub(crate) struct Postpone {
    pub(crate) out_trade_no: String,
    pub(crate) next: Option<Timestamp>,
}

#[async_trait]
impl Action for Postpone {
    type Answer = ();

    async fn run(&self, ledger: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        postpone(ledger, &self.out_trade_no, self.next).await
    }
}

async fn postpone(
    ledger: &mut SqliteConnection,
    number: &str,
    next: Option<Timestamp>,
) -> Result<(), sqlx::Error> {
    let next = next.map(Timestamp::as_microsecond);
    let postpone = sqlx::query(POSTPONE).bind(next).bind(number);
    postpone.execute(ledger).await?;
    Ok(())
}
