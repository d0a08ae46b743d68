//! The payer pays.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::Action;
use crate::china;

const PAY: &str = include_str!("../../queries/charges/pay.sql");
const OWE_NOTICE: &str = include_str!("../../queries/notices/insert.sql");

/// Charges once; answers whether it was this time. Nothing happens to what is paid or expired.
pub(crate) struct Pay {
    pub(crate) out_trade_no: String,
    pub(crate) now: Timestamp,
    /// When the merchant is first told.
    pub(crate) notice_due: Timestamp,
}

#[async_trait]
impl Action for Pay {
    type Answer = bool;

    async fn run(&self, ledger: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
        let pay = sqlx::query(PAY)
            .bind(self.now.as_microsecond())
            .bind(china::day(self.now))
            .bind(&self.out_trade_no);
        let charged = pay.execute(&mut *ledger).await?.rows_affected() == 1;
        if charged {
            let owe = sqlx::query(OWE_NOTICE)
                .bind(self.notice_due.as_microsecond())
                .bind(&self.out_trade_no);
            owe.execute(ledger).await?;
        }
        Ok(charged)
    }
}
