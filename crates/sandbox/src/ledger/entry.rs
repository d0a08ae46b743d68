//! Rows of the view `entries`.

use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::charge::{Charge, NewCharge, Payment};
use crate::state::Stage;
use crate::wallet::{Wallet, Way};

/// Reads a row.
pub(super) fn read(row: &SqliteRow) -> Result<Charge, sqlx::Error> {
    Ok(Charge {
        prepared: prepared(row)?,
        payment: payment(row)?,
        stage: Stage::from_code(row.try_get("stage")?),
        refunded: row.try_get("refunded")?,
        notice_attempts: row.try_get("attempts")?,
        notice_acknowledged: row.try_get("acknowledged")?,
    })
}

/// Reads rows.
pub(super) fn read_all(rows: &[SqliteRow]) -> Result<Vec<Charge>, sqlx::Error> {
    rows.iter().map(read).collect()
}

/// Reads a column of epoch microseconds.
pub(super) fn time(row: &SqliteRow, column: &str) -> Result<Option<Timestamp>, sqlx::Error> {
    let micros: Option<i64> = row.try_get(column)?;
    let time = micros.map(Timestamp::from_microsecond).transpose();
    time.map_err(|error| sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: error.into(),
    })
}

fn prepared(row: &SqliteRow) -> Result<NewCharge, sqlx::Error> {
    Ok(NewCharge {
        out_trade_no: row.try_get("out_trade_no")?,
        mch_id: row.try_get("mch_id")?,
        signer: row.try_get("signer")?,
        token_id: row.try_get("token_id")?,
        amount: row.try_get("amount")?,
        body: row.try_get("body")?,
        attach: row.try_get("attach")?,
        device_info: row.try_get("device_info")?,
        sub_openid: row.try_get("sub_openid")?,
        sub_appid: row.try_get("sub_appid")?,
        notify_url: row.try_get("notify_url")?,
        created_at: time(row, "created_at")?.unwrap_or(Timestamp::UNIX_EPOCH),
        expires_at: time(row, "expires_at")?,
        wallet: Wallet::from_code(row.try_get("wallet")?),
        way: Way::from_code(row.try_get("way")?),
        buyer_id: row.try_get("buyer_id")?,
        wallet_no: row.try_get("wallet_no")?,
    })
}

fn payment(row: &SqliteRow) -> Result<Option<Payment>, sqlx::Error> {
    let Some(paid_at) = time(row, "paid_at")? else {
        return Ok(None);
    };
    Ok(Some(Payment {
        transaction_id: row.try_get("transaction_id")?,
        out_transaction_id: row.try_get("out_transaction_id")?,
        paid_at,
    }))
}
