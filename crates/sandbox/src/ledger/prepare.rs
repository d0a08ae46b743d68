//! A merchant prepares a charge.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::Action;
use crate::charge::NewCharge;

const INSERT: &str = include_str!("../../queries/charges/insert.sql");

/// Enters a charge; answers whether its number was free.
pub(crate) struct Prepare(pub(crate) NewCharge);

#[async_trait]
impl Action for Prepare {
    type Answer = bool;

    async fn run(&self, ledger: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
        let charge = &self.0;
        let insert = sqlx::query(INSERT)
            .bind(&charge.out_trade_no)
            .bind(&charge.mch_id)
            .bind(&charge.signer)
            .bind(&charge.token_id)
            .bind(charge.amount)
            .bind(&charge.body)
            .bind(&charge.attach)
            .bind(&charge.device_info)
            .bind(&charge.sub_openid)
            .bind(&charge.sub_appid)
            .bind(&charge.notify_url)
            .bind(charge.created_at.as_microsecond())
            .bind(charge.expires_at.map(Timestamp::as_microsecond))
            .bind(charge.wallet.code())
            .bind(&charge.buyer_id)
            .bind(&charge.wallet_no)
            .bind(charge.way.code());
        Ok(insert.execute(ledger).await?.rows_affected() == 1)
    }
}
