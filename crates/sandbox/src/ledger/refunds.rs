//! Refunds: taken, ended, looked up.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::{Action, Find, entry};
use crate::china;
use crate::refund::{self, NewRefund, Refund, RefundState, Unfit, Weighed};

const GET: &str = include_str!("../../queries/refunds/get.sql");
const GET_BY_ID: &str = include_str!("../../queries/refunds/get_by_id.sql");
const OF_CHARGE: &str = include_str!("../../queries/refunds/of_charge.sql");
const LIST: &str = include_str!("../../queries/refunds/list.sql");
const RESERVED: &str = include_str!("../../queries/refunds/reserved.sql");
const INSERT: &str = include_str!("../../queries/refunds/insert.sql");
const BEGIN: &str = include_str!("../../queries/refunds/begin.sql");
const SENT: &str = include_str!("../../queries/refunds/sent.sql");
const END: &str = include_str!("../../queries/refunds/end.sql");
const REFUNDED: &str = include_str!("../../queries/charges/refunded.sql");

/// How a refund is going to end, and when; `None`: never.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending {
    pub(crate) state: RefundState,
    pub(crate) at: Option<Timestamp>,
}

/// Takes a request for a refund. One that begins needs an ending: without, nothing is written.
#[derive(Clone)]
pub(crate) struct SendRefund {
    pub(crate) asked: NewRefund,
    pub(crate) now: Timestamp,
    pub(crate) ending: Option<Ending>,
}

/// What became of it.
pub(crate) enum Sent {
    /// It stands in the ledger so.
    Taken(Refund),
    /// It would begin: say how it is to end.
    Undecided,
}

#[async_trait]
impl Action for SendRefund {
    type Answer = Result<Sent, Unfit>;

    async fn run(&self, ledger: &mut SqliteConnection) -> Result<Self::Answer, sqlx::Error> {
        let weighed = match self.weigh(&mut *ledger).await? {
            Ok(weighed) => weighed,
            Err(unfit) => return Ok(Err(unfit)),
        };
        let sure = Ending {
            state: RefundState::Success,
            at: Some(self.now),
        };
        match (weighed, self.ending) {
            (Weighed::Known, _) => {}
            (Weighed::MadeSure, _) => self.begin(&mut *ledger, sure).await?,
            (Weighed::Begins, Some(ending)) => self.begin(&mut *ledger, ending).await?,
            (Weighed::Begins, None) => return Ok(Ok(Sent::Undecided)),
        }
        let number = &self.asked.out_refund_no;
        let sent = sqlx::query(SENT).bind(number);
        sent.execute(&mut *ledger).await?;
        let row = sqlx::query(GET).bind(number).fetch_one(ledger).await?;
        Ok(Ok(Sent::Taken(read(&row)?)))
    }
}

impl SendRefund {
    async fn weigh(
        &self,
        ledger: &mut SqliteConnection,
    ) -> Result<Result<Weighed, Unfit>, sqlx::Error> {
        let asked = &self.asked;
        let find = Find::Order(asked.out_trade_no.clone());
        let Some(charge) = find.run(&mut *ledger).await? else {
            return Ok(Err(Unfit::NotPaid));
        };
        let get = sqlx::query(GET).bind(&asked.out_refund_no);
        let known = get.fetch_optional(&mut *ledger).await?;
        let known = known.as_ref().map(read).transpose()?;
        let reserved = sqlx::query(RESERVED)
            .bind(&asked.out_trade_no)
            .bind(&asked.out_refund_no);
        let reserved = reserved.fetch_one(ledger).await?.try_get("reserved")?;
        Ok(refund::weigh(asked, &charge, known.as_ref(), reserved))
    }

    async fn begin(
        &self,
        ledger: &mut SqliteConnection,
        ending: Ending,
    ) -> Result<(), sqlx::Error> {
        let asked = &self.asked;
        let insert = sqlx::query(INSERT)
            .bind(&asked.out_refund_no)
            .bind(&asked.out_trade_no)
            .bind(&asked.mch_id)
            .bind(asked.amount)
            .bind(self.now.as_microsecond());
        insert.execute(&mut *ledger).await?;
        let begin = sqlx::query(BEGIN)
            .bind(ending.state.code())
            .bind(ending.at.map(Timestamp::as_microsecond))
            .bind(china::day(self.now))
            .bind(&asked.out_refund_no);
        begin.execute(&mut *ledger).await?;
        end(ledger, self.now).await
    }
}

/// Ends the refunds whose time has come, and counts what went back.
pub(super) async fn end(ledger: &mut SqliteConnection, now: Timestamp) -> Result<(), sqlx::Error> {
    let end = sqlx::query(END).bind(now.as_microsecond());
    for row in end.fetch_all(&mut *ledger).await? {
        let number: String = row.try_get("out_trade_no")?;
        let count = sqlx::query(REFUNDED).bind(&number);
        count.execute(&mut *ledger).await?;
    }
    Ok(())
}

/// Refunds, by one of their numbers or by that of their charge, the oldest first.
pub(crate) enum TheRefunds {
    /// The one of the merchant's number.
    Numbered(String),
    /// The one of the channel's number.
    Known(String),
    /// All of a charge.
    OfCharge(String),
}

#[async_trait]
impl Action for TheRefunds {
    type Answer = Vec<Refund>;

    async fn run(&self, ledger: &mut SqliteConnection) -> Result<Vec<Refund>, sqlx::Error> {
        let (query, key) = match self {
            Self::Numbered(key) => (GET, key),
            Self::Known(key) => (GET_BY_ID, key),
            Self::OfCharge(key) => (OF_CHARGE, key),
        };
        let rows = sqlx::query(query).bind(key).fetch_all(ledger).await?;
        rows.iter().map(read).collect()
    }
}

/// Refunds by the merchant's number, from the one after `after`.
pub(crate) struct ListRefunds {
    pub(crate) after: String,
    pub(crate) limit: u32,
}

#[async_trait]
impl Action for ListRefunds {
    type Answer = Vec<Refund>;

    async fn run(&self, ledger: &mut SqliteConnection) -> Result<Vec<Refund>, sqlx::Error> {
        let list = sqlx::query(LIST).bind(&self.after).bind(self.limit);
        list.fetch_all(ledger).await?.iter().map(read).collect()
    }
}

fn read(row: &SqliteRow) -> Result<Refund, sqlx::Error> {
    let channel_no: Option<String> = row.try_get("refund_id")?;
    Ok(Refund {
        out_refund_no: row.try_get("out_refund_no")?,
        out_trade_no: row.try_get("out_trade_no")?,
        mch_id: row.try_get("mch_id")?,
        channel_no: channel_no.unwrap_or_default(),
        amount: row.try_get("amount")?,
        state: RefundState::from_code(row.try_get("state")?),
        sent: row.try_get("sent")?,
        refunded_at: entry::time(row, "refunded_at")?,
    })
}
