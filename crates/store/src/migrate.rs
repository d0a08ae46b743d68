//! Schema versions: this crate's tables are number 1 and up, a service's own 100 and up.

use std::borrow::Cow;
use std::collections::HashSet;

use sqlx::migrate::{Migrate, MigrateDatabase, Migration as Step, MigrationType, Migrator};
use sqlx::{Any, AnyConnection, AssertSqlSafe, Connection, SqlSafeStr};

use crate::engine;
use crate::{Engine, StoreError};

/// One step of a schema, for both engines.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Its place in the order; never used twice.
    pub version: i64,
    /// What it does.
    pub name: &'static str,
    /// The statements for SQLite.
    pub sqlite: &'static str,
    /// The statements for MySQL.
    pub mysql: &'static str,
}

/// Declares migrations read from `migrations/{sqlite,mysql}/<file>.sql`.
#[macro_export]
macro_rules! migrations {
    ($visibility:vis $constant:ident = $($version:literal => $file:literal),* $(,)?) => {
        /// The schema's steps, oldest first.
        $visibility static $constant: &[$crate::Migration] = &[$($crate::Migration {
            version: $version,
            name: $file,
            sqlite: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite/", $file, ".sql")),
            mysql: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/mysql/", $file, ".sql")),
        }),*];
    };
}

// Where sqlx notes the steps that were taken.
const STEPS: &str = "_sqlx_migrations";

migrations!(BASE = 1 => "0001_base");

/// Brings the database of `service` up to date; answers how many steps were taken.
pub async fn migrate(service: &str, url: &str, own: &[Migration]) -> Result<usize, StoreError> {
    sqlx::any::install_default_drivers();
    let engine = Engine::of(url)?;
    let failed = |e: &dyn std::fmt::Display| StoreError::Migration {
        service: service.to_owned(),
        cause: e.to_string(),
    };
    let _lock = engine::lock(engine, url)?;
    let mut connection = open(url, engine).await?;
    let pending = pending(&mut connection, engine, own)
        .await
        .map_err(|e| failed(&e))?;
    migrator(engine, own)
        .run(&mut connection)
        .await
        .map_err(|e| failed(&e))?;
    connection.close().await.map_err(|e| failed(&e))?;
    Ok(pending)
}

/// Makes the empty database that the URL names; whoever deploys does that by other means.
pub async fn create(url: &str) -> Result<(), StoreError> {
    sqlx::any::install_default_drivers();
    let created = Any::create_database(url).await;
    created.map_err(|e| StoreError::of("create database", &e))
}

/// Removes the database that the URL names, with all that is in it, if it is there.
pub async fn remove(url: &str) -> Result<(), StoreError> {
    sqlx::any::install_default_drivers();
    let removed = Any::drop_database(url).await;
    removed.map_err(|e| StoreError::of("drop database", &e))
}

/// Fails unless the database of `service` has every step.
pub(crate) async fn check(
    service: &str,
    connection: &mut AnyConnection,
    (engine, own): (Engine, &[Migration]),
) -> Result<(), StoreError> {
    let failed = |cause: String| StoreError::Migration {
        service: service.to_owned(),
        cause,
    };
    let pending = pending(connection, engine, own)
        .await
        .map_err(|e| failed(e.to_string()))?;
    let dirty = dirty(connection, engine).await;
    // MySQL cannot roll back what a failed step had done by then.
    if let Some(version) = dirty.map_err(|e| failed(e.to_string()))? {
        return Err(failed(format!(
            "step {version} was begun and not finished; repair it by hand"
        )));
    }
    match pending {
        0 => Ok(()),
        pending => Err(StoreError::PendingMigrations {
            service: service.to_owned(),
            pending,
        }),
    }
}

async fn open(url: &str, engine: Engine) -> Result<AnyConnection, StoreError> {
    use sqlx::ConnectOptions as _;
    let options = engine::options(url)?;
    let connected = options.connect().await;
    let mut connection = connected.map_err(|e| StoreError::Unavailable(e.to_string()))?;
    let set_up = engine::set_up(engine, &mut connection).await;
    set_up.map_err(|e| StoreError::of("session", &e))?;
    Ok(connection)
}

async fn pending(
    connection: &mut AnyConnection,
    engine: Engine,
    own: &[Migration],
) -> Result<usize, sqlx::migrate::MigrateError> {
    let migrator = migrator(engine, own);
    let mut applied = HashSet::new();
    if is_begun(connection, engine).await? {
        let steps = connection.list_applied_migrations(STEPS).await?;
        applied.extend(steps.iter().map(|step| step.version));
    }
    Ok(migrator
        .iter()
        .filter(|step| !applied.contains(&step.version))
        .count())
}

// A step that was begun and not finished.
async fn dirty(
    connection: &mut AnyConnection,
    engine: Engine,
) -> Result<Option<i64>, sqlx::migrate::MigrateError> {
    if is_begun(connection, engine).await? {
        connection.dirty_version(STEPS).await
    } else {
        Ok(None)
    }
}

// Whether any step was ever taken. Looked up, not made: who only checks has no right to make
// tables.
async fn is_begun(connection: &mut AnyConnection, engine: Engine) -> Result<bool, sqlx::Error> {
    let sql = match engine {
        Engine::Sqlite => "SELECT COUNT(*) FROM sqlite_master WHERE name = ?",
        Engine::MySql => {
            "SELECT COUNT(*) FROM information_schema.tables \
             WHERE table_schema = DATABASE() AND table_name = ?"
        }
    };
    let tables: i64 = sqlx::query_scalar(sql)
        .bind(STEPS)
        .fetch_one(connection)
        .await?;
    Ok(tables > 0)
}

fn migrator(engine: Engine, own: &[Migration]) -> Migrator {
    let steps = BASE.iter().chain(own).map(|migration| {
        let sql = match engine {
            Engine::Sqlite => migration.sqlite,
            Engine::MySql => migration.mysql,
        };
        let name = Cow::Borrowed(migration.name);
        let sql = AssertSqlSafe(sql).into_sql_str();
        Step::new(migration.version, name, MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(steps.collect())
}
