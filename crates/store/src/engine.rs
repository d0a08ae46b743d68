//! The two engines, and how a connection to each is set up.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::path::Path;
use std::str::FromStr;

use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, ConnectOptions, Executor};

use crate::StoreError;

/// A database engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Engine {
    /// SQLite, embedded: one file, one process, one writer.
    Sqlite,
    /// MySQL 8 or MariaDB 10.6 and later.
    MySql,
}

// Durable at power loss: FULL, because WAL with NORMAL may lose the last commits.
const SQLITE_SESSION: &[&str] = &[
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA busy_timeout = 5000",
    "PRAGMA foreign_keys = ON",
];

// No gap locks between writers; a lock that is waited for is found out within a second.
const MYSQL_SESSION: &[&str] = &[
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET SESSION innodb_lock_wait_timeout = 1",
];

impl Engine {
    /// Which engine a URL names.
    pub fn of(url: &str) -> Result<Self, StoreError> {
        match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("sqlite") => Ok(Self::Sqlite),
            Some("mysql" | "mariadb") => Ok(Self::MySql),
            _ => Err(StoreError::Url(
                "it must begin with sqlite:// or mysql://".to_owned(),
            )),
        }
    }

    /// `sqlite` or `mysql`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::MySql => "mysql",
        }
    }

    pub(crate) fn session(self) -> &'static [&'static str] {
        match self {
            Self::Sqlite => SQLITE_SESSION,
            Self::MySql => MYSQL_SESSION,
        }
    }

    // MySQL: statements open the transaction themselves (autocommit is off on the
    // committer's connection), which saves a round trip a batch.
    pub(crate) fn begin(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => Some("BEGIN IMMEDIATE"),
            Self::MySql => None,
        }
    }

    // What to do about an error. MySQL: 1205 lock wait, 1213 deadlock, 1020 record changed
    // (MariaDB 11.6.2 and later); 1053, 1927 and 1317 when it shuts down, 1290 when it was
    // demoted. SQLite: 5, 261, 517 busy, 6 locked.
    pub(crate) fn trouble(self, error: &sqlx::Error) -> Trouble {
        use sqlx::Error::{Io, PoolTimedOut, Protocol, Tls, WorkerCrashed};
        let cause = match error {
            sqlx::Error::Database(cause) => cause,
            Io(_) | Tls(_) | Protocol(_) | PoolTimedOut | WorkerCrashed => return Trouble::Gone,
            _ => return Trouble::Rejected,
        };
        let (code, message) = (cause.code().unwrap_or_default(), cause.message());
        let is = |words: &[&str]| words.iter().any(|word| message.contains(word));
        match self {
            Self::Sqlite if matches!(&*code, "5" | "6" | "261" | "517") => Trouble::Contention,
            Self::MySql if code == "40001" => Trouble::Contention,
            Self::MySql if is(&["try restarting transaction", "Record has changed"]) => {
                Trouble::Contention
            }
            Self::MySql if is(&["hutdown in progress", "was killed", "interrupted"]) => {
                Trouble::Gone
            }
            Self::MySql if is(&["read-only option", "read only option"]) => Trouble::Gone,
            _ => Trouble::Rejected,
        }
    }

    // Never INSERT IGNORE: it hides every other error as well.
    pub(crate) fn keep_existing(self) -> &'static str {
        match self {
            Self::Sqlite => " ON CONFLICT DO NOTHING",
            Self::MySql => " ON DUPLICATE KEY UPDATE write_id = write_id",
        }
    }
}

/// What an error asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Others hold what was wanted: the same again, as a whole.
    Contention,
    /// The connection, or the server behind it, is of no use any more.
    Gone,
    /// The same again would fail again.
    Rejected,
}

pub(crate) fn options(url: &str) -> Result<AnyConnectOptions, StoreError> {
    let options = AnyConnectOptions::from_str(url).map_err(|e| StoreError::Url(e.to_string()))?;
    Ok(options.disable_statement_logging())
}

pub(crate) async fn set_up(engine: Engine, connection: &mut AnyConnection) -> sqlx::Result<()> {
    for statement in engine.session() {
        connection.execute(sqlx::raw_sql(*statement)).await?;
    }
    Ok(())
}

// The committer's own connection.
pub(crate) async fn connect_writer(engine: Engine, url: &str) -> sqlx::Result<AnyConnection> {
    let options = AnyConnectOptions::from_str(&with_cache(engine, url))?;
    let mut connection = options.disable_statement_logging().connect().await?;
    set_up(engine, &mut connection).await?;
    if engine == Engine::MySql {
        connection
            .execute(sqlx::raw_sql("SET SESSION autocommit = 0"))
            .await?;
    }
    Ok(connection)
}

// The committer prepares each statement for a dozen sizes; sqlx keeps 100 by default, and
// would prepare again and again beyond that. SQLite's URL has no such option.
fn with_cache(engine: Engine, url: &str) -> Cow<'_, str> {
    if engine == Engine::Sqlite || url.contains("statement-cache-capacity") {
        return Cow::Borrowed(url);
    }
    let separator = if url.contains('?') { '&' } else { '?' };
    Cow::Owned(format!("{url}{separator}statement-cache-capacity=1000"))
}

// A SQLite file belongs to one process; the lock ends with the process, however it ends,
// or with its committer, once that has written what waited.
pub(crate) fn lock(engine: Engine, url: &str) -> Result<Option<File>, StoreError> {
    let Some(file) = file_of(engine, url) else {
        return Ok(None);
    };
    let path = format!("{file}.lock");
    let opened = OpenOptions::new()
        .create(true)
        .append(true)
        .open(Path::new(&path));
    let lock = opened.map_err(|e| StoreError::Url(format!("{path}: {e}")))?;
    lock.try_lock().map_err(|_| StoreError::InUse {
        file: file.to_owned(),
    })?;
    Ok(Some(lock))
}

fn file_of(engine: Engine, url: &str) -> Option<&str> {
    let path = url.split_once("://").map_or(url, |(_, path)| path);
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    (engine == Engine::Sqlite && !path.is_empty() && !path.starts_with(':')).then_some(path)
}
