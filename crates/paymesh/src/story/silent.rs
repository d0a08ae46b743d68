//! Who told nothing of an order, and why.

use std::fmt;

use mesh::reason_of;
use tonic::Status;

use crate::failure::Failure;

/// A service that told nothing; displayed as one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silent {
    /// Which.
    pub service: &'static str,
    /// Its reason, or that of the mesh; stable.
    pub reason: String,
    /// The same, for people.
    pub why: String,
}

impl Silent {
    pub(super) fn of(service: &'static str, status: &Status) -> Self {
        let reason = reason_of(status).unwrap_or_else(|| status.code().to_string());
        Self {
            service,
            reason,
            why: status.message().to_owned(),
        }
    }
}

impl fmt::Display for Silent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            service,
            reason,
            why,
        } = self;
        write!(f, "not told by {service}: {reason}: {why}")
    }
}

/// Nobody tells anything.
pub(super) fn failure(silent: &[Silent]) -> Failure {
    let each: Vec<String> = silent.iter().map(ToString::to_string).collect();
    Failure::new("TRACE_FAILED", each.join("; "))
}
