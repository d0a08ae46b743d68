//! What can go wrong between a service and its database.

use crate::Write;

/// A read or a single statement that failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The configured URL cannot be used.
    #[error("database url: {0}")]
    Url(String),
    /// The database did not answer, or not in time.
    #[error("database unavailable: {0}")]
    Unavailable(String),
    /// The database refused the statement.
    #[error("statement {statement} failed: {cause}")]
    Statement {
        /// The query's name.
        statement: &'static str,
        /// What the database said.
        cause: String,
    },
    /// A column holds what this version cannot read.
    #[error("column {column} of {statement}: {cause}")]
    Column {
        /// The query's name.
        statement: &'static str,
        /// The column.
        column: &'static str,
        /// What is wrong.
        cause: String,
    },
    /// The file belongs to another process.
    #[error(
        "{file} is in use by another process; SQLite serves one process: stop the other one, or use MySQL"
    )]
    InUse {
        /// The database file.
        file: String,
    },
    /// Migrations are missing.
    #[error(
        "{pending} pending migration(s) in the database of {service}: run `paymesh migrate {service}`"
    )]
    PendingMigrations {
        /// Whose database.
        service: String,
        /// How many.
        pending: usize,
    },
    /// A migration failed, or the database has one this version does not know.
    #[error("migration of {service}: {cause}")]
    Migration {
        /// Whose database.
        service: String,
        /// What the database said.
        cause: String,
    },
    /// The write was not made, or nobody knows.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl StoreError {
    /// A stable word for logs, metrics and callers.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Url(_) => "DATABASE_URL_INVALID",
            Self::Unavailable(_) => "DATABASE_UNAVAILABLE",
            Self::Statement { .. } => "DATABASE_STATEMENT_FAILED",
            Self::Column { .. } => "DATABASE_COLUMN_CORRUPT",
            Self::InUse { .. } => "DATABASE_IN_USE",
            Self::PendingMigrations { .. } => "MIGRATIONS_PENDING",
            Self::Migration { .. } => "MIGRATION_FAILED",
            Self::Commit(error) => error.reason(),
        }
    }

    /// Whether another write came first: read again and decide again.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Commit(CommitError::Conflict { .. }))
    }

    pub(crate) fn of(statement: &'static str, error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(cause) => Self::Statement {
                statement,
                cause: cause.message().to_owned(),
            },
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::ColumnNotFound(_) => Self::Statement {
                statement,
                cause: error.to_string(),
            },
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

/// Why a write is not known to be done.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Another write came first: read again and decide again.
    #[error("{write}: another write came first")]
    Conflict {
        /// The write's name.
        write: &'static str,
    },
    /// Nothing was written, and nothing will be.
    #[error("{write}: refused, {refusal}")]
    Refused {
        /// The write's name.
        write: &'static str,
        /// Why.
        refusal: Refusal,
    },
    /// The committer ended before it answered: it is not known whether the write was made.
    #[error("{write}: the committer ended before it answered")]
    Lost {
        /// The write's name.
        write: &'static str,
    },
    /// The commit's fate is not known. Submit the same write again: it is done once.
    #[error("{}: the commit's fate is not known", .0.name())]
    Unknown(Box<Write>),
}

/// Why nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too many writes wait already.
    #[error("too many writes wait already")]
    QueueFull,
    /// The committer is closing.
    #[error("the committer is closing")]
    Closing,
    /// The database was not there.
    #[error("the database is not there: {0}")]
    Unavailable(String),
    /// The database said no: a constraint, a statement that does not fit.
    #[error("the database said: {0}")]
    Rejected(String),
}

impl CommitError {
    /// A stable word for logs, metrics and callers.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "WRITE_CONFLICT",
            Self::Refused {
                refusal: Refusal::QueueFull,
                ..
            } => "WRITE_QUEUE_FULL",
            Self::Refused {
                refusal: Refusal::Closing,
                ..
            } => "SHUTTING_DOWN",
            Self::Refused {
                refusal: Refusal::Unavailable(_),
                ..
            } => "DATABASE_UNAVAILABLE",
            Self::Refused {
                refusal: Refusal::Rejected(_),
                ..
            } => "WRITE_REJECTED",
            Self::Lost { .. } | Self::Unknown(_) => "COMMIT_UNKNOWN",
        }
    }
}
