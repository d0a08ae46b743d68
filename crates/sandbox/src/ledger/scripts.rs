//! Scripts told over gRPC, and the seed by which orders are chosen.

use async_trait::async_trait;
use sqlx::{Row, SqliteConnection};

use super::Action;
use crate::mischief::Script;

const SAVE: &str = include_str!("../../queries/scripts/save.sql");
const LIST: &str = include_str!("../../queries/scripts/list.sql");
const REMOVE: &str = include_str!("../../queries/scripts/remove.sql");
const CLEAR: &str = include_str!("../../queries/scripts/clear.sql");
const PLANT: &str = include_str!("../../queries/seed/insert.sql");
const SEED: &str = include_str!("../../queries/seed/get.sql");

/// Keeps a script, instead of the one that had its name.
pub(crate) struct SaveScript(pub(crate) Script);

#[async_trait]
impl Action for SaveScript {
    type Answer = ();

    async fn run(&self, ledger: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let json = serde_json::to_string(&self.0).map_err(|e| sqlx::Error::Encode(e.into()))?;
        let save = sqlx::query(SAVE).bind(&self.0.name).bind(json);
        save.execute(ledger).await?;
        Ok(())
    }
}

/// The scripts kept, the oldest first.
pub(crate) struct LoadScripts;

#[async_trait]
impl Action for LoadScripts {
    type Answer = Vec<Script>;

    async fn run(&self, ledger: &mut SqliteConnection) -> Result<Vec<Script>, sqlx::Error> {
        let rows = sqlx::query(LIST).fetch_all(ledger).await?;
        let scripts = rows.iter().map(|row| {
            let json: String = row.try_get("script")?;
            serde_json::from_str(&json).map_err(|e| sqlx::Error::Decode(e.into()))
        });
        scripts.collect()
    }
}

/// Forgets the scripts of these names, or all when none is named; answers how many.
pub(crate) struct RemoveScripts(pub(crate) Vec<String>);

#[async_trait]
impl Action for RemoveScripts {
    type Answer = u64;

    async fn run(&self, ledger: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
        if self.0.is_empty() {
            return Ok(sqlx::query(CLEAR).execute(ledger).await?.rows_affected());
        }
        let mut removed = 0;
        for name in &self.0 {
            let remove = sqlx::query(REMOVE).bind(name);
            removed += remove.execute(&mut *ledger).await?.rows_affected();
        }
        Ok(removed)
    }
}

/// The ledger's seed: this one, unless it has one already.
pub(crate) struct Seed(pub(crate) i64);

#[async_trait]
impl Action for Seed {
    type Answer = i64;

    async fn run(&self, ledger: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
        let plant = sqlx::query(PLANT).bind(self.0);
        plant.execute(&mut *ledger).await?;
        sqlx::query(SEED).fetch_one(ledger).await?.try_get("seed")
    }
}
