//! What a database's trouble looks like to a caller.

use std::time::Duration;

use mesh::{ErrorKind, Fault};
use store::{CommitError, Refusal, StoreError};
use tracing::{error, warn};

const SOON: Duration = Duration::from_secs(1);

/// The fault that tells a caller about a failed read or write, with the store's own reason.
///
/// What the database said is logged here, and goes no further.
pub fn fault_of(error: &StoreError) -> Fault {
    let (kind, reason) = (kind_of(error), error.reason());
    let fault = Fault::new(kind, reason, message(kind));
    if kind == ErrorKind::Internal {
        error!(%error, reason, "the database failed");
        return fault;
    }
    warn!(%error, reason, "the database did not do it");
    fault.retry_after(SOON)
}

fn message(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Conflict => "another write came first, try again",
        ErrorKind::Throttled => "too many writes wait already, try again",
        ErrorKind::Unavailable => "the database is away, try again",
        _ => "the database failed",
    }
}

fn kind_of(error: &StoreError) -> ErrorKind {
    match error {
        StoreError::Unavailable(_) => ErrorKind::Unavailable,
        StoreError::Commit(error) => match error {
            CommitError::Conflict { .. } => ErrorKind::Conflict,
            CommitError::Refused {
                refusal: Refusal::QueueFull,
                ..
            } => ErrorKind::Throttled,
            CommitError::Refused {
                refusal: Refusal::Rejected(_),
                ..
            } => ErrorKind::Internal,
            // Whoever repeats the call learns what became of the write.
            CommitError::Refused { .. } | CommitError::Lost { .. } | CommitError::Unknown(_) => {
                ErrorKind::Unavailable
            }
        },
        _ => ErrorKind::Internal,
    }
}

#[cfg(test)]
mod tests {
    use tonic::Status;

    use super::*;

    const SECRET: &str = "SELECT key FROM accounts at 10.0.0.7";

    fn refused(refusal: Refusal) -> StoreError {
        let write = "orders/create";
        CommitError::Refused { write, refusal }.into()
    }

    fn errors() -> Vec<(StoreError, ErrorKind, &'static str)> {
        let secret = || SECRET.to_owned();
        let conflict = CommitError::Conflict {
            write: "orders/create",
        };
        vec![
            (
                StoreError::Unavailable(secret()),
                ErrorKind::Unavailable,
                "DATABASE_UNAVAILABLE",
            ),
            (
                StoreError::Statement {
                    statement: "orders/get",
                    cause: secret(),
                },
                ErrorKind::Internal,
                "DATABASE_STATEMENT_FAILED",
            ),
            (
                StoreError::Column {
                    statement: "orders/get",
                    column: "status",
                    cause: secret(),
                },
                ErrorKind::Internal,
                "DATABASE_COLUMN_CORRUPT",
            ),
            (conflict.into(), ErrorKind::Conflict, "WRITE_CONFLICT"),
            (
                refused(Refusal::QueueFull),
                ErrorKind::Throttled,
                "WRITE_QUEUE_FULL",
            ),
            (
                refused(Refusal::Closing),
                ErrorKind::Unavailable,
                "SHUTTING_DOWN",
            ),
            (
                refused(Refusal::Unavailable(secret())),
                ErrorKind::Unavailable,
                "DATABASE_UNAVAILABLE",
            ),
            (
                refused(Refusal::Rejected(secret())),
                ErrorKind::Internal,
                "WRITE_REJECTED",
            ),
        ]
    }

    #[test]
    fn callers_learn_the_kind_and_nothing_else() {
        for (error, kind, reason) in errors() {
            let fault = fault_of(&error);
            assert_eq!((fault.kind(), fault.reason()), (kind, reason));
            let status = Status::from(fault);
            let told = format!("{} {:?}", status.message(), status.details());
            for secret in ["SELECT", "10.0.0.7", "orders/", "status"] {
                assert!(!told.contains(secret), "{told}");
            }
        }
    }

    #[test]
    fn callers_are_told_to_come_back_where_that_helps() {
        for (error, kind, _) in errors() {
            let retry = mesh::retry_after_of(&fault_of(&error).into());
            assert_eq!(retry.is_some(), kind != ErrorKind::Internal, "{error}");
        }
    }
}
