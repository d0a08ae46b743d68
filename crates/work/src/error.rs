//! What a database's trouble looks like to a caller.

use mesh::{ErrorKind, Fault};
use store::{CommitError, Refusal, StoreError};

/// The fault that tells a caller about a failed read or write, with the store's own reason.
pub fn fault_of(error: &StoreError) -> Fault {
    Fault::new(kind_of(error), error.reason(), error.to_string())
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
            CommitError::Refused { .. } | CommitError::Unknown(_) => ErrorKind::Unavailable,
        },
        _ => ErrorKind::Internal,
    }
}
