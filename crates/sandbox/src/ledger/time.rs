//! What happens by itself as time passes: payers act as planned, refunds end. It is written
//! before anything else is, so that nobody sees it late.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use proto::sandbox::v1::MisbehaviourKind;
use seam::Clock;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::{Action, Pay, entry, refunds};

const PLANNED: &str = include_str!("../../queries/charges/planned.sql");
const ACTED: &str = include_str!("../../queries/charges/acted.sql");
const DECLINE: &str = include_str!("../../queries/charges/decline.sql");
const DONE: &str = include_str!("../../queries/misdeeds/done_all.sql");

/// What tells the ledger the time.
pub(crate) struct Time {
    pub(crate) clock: Arc<dyn Clock>,
    /// Between a payment and its first notice.
    pub(crate) first_pause: Duration,
}

impl Time {
    /// Writes what happened up to now.
    pub(super) async fn pass(&self, ledger: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let now = self.clock.now();
        let planned = sqlx::query(PLANNED).bind(now.as_microsecond());
        for row in planned.fetch_all(&mut *ledger).await? {
            self.act(ledger, &row, now).await?;
        }
        refunds::end(ledger, now).await
    }

    /// A payer acts, at the time that was planned, though nobody looked then.
    async fn act(
        &self,
        ledger: &mut SqliteConnection,
        row: &SqliteRow,
        now: Timestamp,
    ) -> Result<(), sqlx::Error> {
        let number: String = row.try_get("out_trade_no")?;
        let at = entry::time(row, "payer_at")?.unwrap_or(now);
        if row.try_get("payer_pays")? {
            self.pay(ledger, &number, at).await?;
        } else {
            run(ledger, DECLINE, &number).await?;
        }
        run(ledger, ACTED, &number).await
    }

    async fn pay(
        &self,
        ledger: &mut SqliteConnection,
        number: &str,
        at: Timestamp,
    ) -> Result<(), sqlx::Error> {
        let pay = Pay {
            out_trade_no: number.to_owned(),
            now: at,
            notice_due: at.checked_add(self.first_pause).unwrap_or(at),
        };
        if pay.run(&mut *ledger).await? {
            // It may have been a script's doing.
            let kind = i32::from(MisbehaviourKind::PaidMeanwhile);
            let done = sqlx::query(DONE).bind(number).bind(kind);
            done.execute(ledger).await?;
        }
        Ok(())
    }
}

async fn run(
    ledger: &mut SqliteConnection,
    query: &'static str,
    number: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(query).bind(number).execute(ledger).await?;
    Ok(())
}
