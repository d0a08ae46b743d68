//! Charges closed and reversed.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::Action;

const CLOSE: &str = include_str!("../../queries/charges/close.sql");
const REVERSE: &str = include_str!("../../queries/charges/reverse.sql");
const TAKE_BACK: &str = include_str!("../../queries/charges/take_back.sql");
const FAIL_REFUNDS: &str = include_str!("../../queries/refunds/fail_open.sql");
const PLAN: &str = include_str!("../../queries/charges/plan.sql");

/// Closes a charge that the payer scans, if nobody has paid and it was made by `newest`.
pub(crate) struct Close {
    pub(crate) out_trade_no: String,
    pub(crate) newest: Timestamp,
}

#[async_trait]
impl Action for Close {
    type Answer = ();

    async fn run(&self, ledger: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let close = sqlx::query(CLOSE)
            .bind(&self.out_trade_no)
            .bind(self.newest.as_microsecond());
        close.execute(ledger).await?;
        Ok(())
    }
}

/// Undoes a charge: what was paid goes back whole, and its refunds under way fail.
pub(crate) enum Reverse {
    /// The merchant does; only what it scanned itself.
    ByMerchant(String),
    /// The channel does; only what was paid.
    ByChannel(String),
}

#[async_trait]
impl Action for Reverse {
    type Answer = ();

    async fn run(&self, ledger: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let (query, number) = match self {
            Self::ByMerchant(number) => (REVERSE, number),
            Self::ByChannel(number) => (TAKE_BACK, number),
        };
        let reverse = sqlx::query(query).bind(number);
        let reversed = reverse.execute(&mut *ledger).await?.rows_affected() == 1;
        if reversed {
            let fail = sqlx::query(FAIL_REFUNDS).bind(number);
            fail.execute(ledger).await?;
        }
        Ok(())
    }
}

/// The payer is going to pay, if that is still possible then; an earlier plan stays.
pub(crate) struct PlanPayment {
    pub(crate) out_trade_no: String,
    pub(crate) at: Timestamp,
}

#[async_trait]
impl Action for PlanPayment {
    type Answer = ();

    async fn run(&self, ledger: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let plan = sqlx::query(PLAN)
            .bind(self.at.as_microsecond())
            .bind(&self.out_trade_no);
        plan.execute(ledger).await?;
        Ok(())
    }
}
