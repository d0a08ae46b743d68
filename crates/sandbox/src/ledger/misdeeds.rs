//! What scripts did to orders.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::Action;
use crate::mischief::{Met, Script, Step};

const MEET: &str = include_str!("../../queries/misdeeds/meet.sql");
const DONE: &str = include_str!("../../queries/misdeeds/done.sql");
const ACKNOWLEDGED: &str = include_str!("../../queries/misdeeds/acknowledged.sql");
const LIST: &str = include_str!("../../queries/misdeeds/list.sql");

/// An order meets scripts; answers those whose turns are not used up, and counts what they do.
pub(crate) struct Meet {
    pub(crate) out_trade_no: String,
    pub(crate) step: Step,
    pub(crate) scripts: Vec<Script>,
}

#[async_trait]
impl Action for Meet {
    type Answer = Vec<Met>;

    async fn run(&self, ledger: &mut SqliteConnection) -> Result<Vec<Met>, sqlx::Error> {
        let mut happening = Vec::with_capacity(self.scripts.len());
        for script in &self.scripts {
            if let Some(met) = self.meet(ledger, script).await? {
                happening.push(met);
            }
        }
        Ok(happening)
    }
}

impl Meet {
    async fn meet(
        &self,
        ledger: &mut SqliteConnection,
        script: &Script,
    ) -> Result<Option<Met>, sqlx::Error> {
        let upsert = sqlx::query(MEET)
            .bind(&self.out_trade_no)
            .bind(&script.name)
            .bind(self.step.code())
            .bind(script.act.code())
            .bind(script.times);
        let Some(row) = upsert.fetch_optional(&mut *ledger).await? else {
            return Ok(None);
        };
        let met = Met {
            script: script.clone(),
            turn: row.try_get("met")?,
        };
        if script.act.counts(met.turn) {
            let done = sqlx::query(DONE)
                .bind(&self.out_trade_no)
                .bind(&script.name)
                .bind(self.step.code())
                .bind(script.act.code())
                .bind(script.act.is_once());
            done.execute(ledger).await?;
        }
        Ok(Some(met))
    }
}

/// The merchant believed a forged notice.
pub(crate) struct Believed {
    pub(crate) out_trade_no: String,
    pub(crate) step: Step,
    pub(crate) script: Script,
}

#[async_trait]
impl Action for Believed {
    type Answer = ();

    async fn run(&self, ledger: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let believed = sqlx::query(ACKNOWLEDGED)
            .bind(&self.out_trade_no)
            .bind(&self.script.name)
            .bind(self.step.code())
            .bind(self.script.act.code());
        believed.execute(ledger).await?;
        Ok(())
    }
}

/// What one script did to one order at one step.
pub(crate) struct Misdeed {
    /// Its place in the list.
    pub(crate) number: i64,
    pub(crate) out_trade_no: String,
    pub(crate) script: String,
    pub(crate) step: i32,
    pub(crate) kind: i32,
    pub(crate) done: i32,
    pub(crate) acknowledged: i32,
}

/// Misdeeds from the one after `after`; of one order, unless its number is empty.
pub(crate) struct ListMisdeeds {
    pub(crate) after: i64,
    pub(crate) out_trade_no: String,
    pub(crate) limit: u32,
}

#[async_trait]
impl Action for ListMisdeeds {
    type Answer = Vec<Misdeed>;

    async fn run(&self, ledger: &mut SqliteConnection) -> Result<Vec<Misdeed>, sqlx::Error> {
        let list = sqlx::query(LIST)
            .bind(self.after)
            .bind(&self.out_trade_no)
            .bind(self.limit);
        list.fetch_all(ledger).await?.iter().map(read).collect()
    }
}

fn read(row: &SqliteRow) -> Result<Misdeed, sqlx::Error> {
    Ok(Misdeed {
        number: row.try_get("number")?,
        out_trade_no: row.try_get("out_trade_no")?,
        script: row.try_get("script")?,
        step: row.try_get("step")?,
        kind: row.try_get("kind")?,
        done: row.try_get("done")?,
        acknowledged: row.try_get("acknowledged")?,
    })
}
