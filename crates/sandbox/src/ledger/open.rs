//! Opening the ledger's file, for one process.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Row, SqliteConnection};

use crate::SandboxError;

/// Each brings the ledger one version further.
const MIGRATIONS: [&str; 3] = [
    include_str!("../../migrations/0001_ledger.sql"),
    include_str!("../../migrations/0002_mischief.sql"),
    include_str!("../../migrations/0003_both_ways.sql"),
];

/// Takes `<file>.lock`, until the file returned is dropped.
pub(super) fn lock(path: &Path) -> Result<File, SandboxError> {
    let failed = |source| SandboxError::LedgerFile {
        path: path.to_owned(),
        source,
    };
    let lock = lock_file(path).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(SandboxError::LedgerInUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn lock_file(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut name = OsString::from(path);
    name.push(".lock");
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(name)
}

/// Connects and brings the tables about. Every commit is on disk when it returns.
pub(super) async fn connect(path: &Path) -> Result<SqliteConnection, SandboxError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true);
    let mut ledger = options.connect().await?;
    let version = sqlx::query("PRAGMA user_version")
        .fetch_one(&mut ledger)
        .await?;
    let version: i64 = version.try_get(0)?;
    let known = usize::try_from(version).ok();
    let missing = known.and_then(|version| MIGRATIONS.get(version..));
    let missing = missing.ok_or_else(|| SandboxError::LedgerVersion {
        path: path.to_owned(),
        version,
    })?;
    for migration in missing {
        migrate(&mut ledger, migration).await?;
    }
    Ok(ledger)
}

async fn migrate(
    ledger: &mut SqliteConnection,
    migration: &'static str,
) -> Result<(), sqlx::Error> {
    let mut transaction = sqlx::Connection::begin(ledger).await?;
    sqlx::raw_sql(migration).execute(&mut *transaction).await?;
    transaction.commit().await
}
