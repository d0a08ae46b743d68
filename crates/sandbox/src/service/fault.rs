//! Refusals and failures, as callers see them.

use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use tracing::error;

use crate::SandboxError;

const DOMAIN: &str = "paymesh";

pub(super) fn not_found() -> Status {
    let details = reason("CHARGE_NOT_FOUND");
    Status::with_error_details(
        Code::NotFound,
        "nothing was prepared under this number",
        details,
    )
}

pub(super) fn expired() -> Status {
    let mut details = reason("CHARGE_EXPIRED");
    details.add_precondition_failure_violation("TIME", "charge", "time_expire is over");
    let message = "the time to pay is over; prepare another charge";
    Status::with_error_details(Code::FailedPrecondition, message, details)
}

pub(super) fn closed() -> Status {
    let mut details = reason("CHARGE_CLOSED");
    details.add_precondition_failure_violation("STATE", "charge", "closed, reversed or declined");
    let message = "the charge can no longer be paid; make another";
    Status::with_error_details(Code::FailedPrecondition, message, details)
}

pub(super) fn not_paid() -> Status {
    let mut details = reason("CHARGE_NOT_PAID");
    details.add_precondition_failure_violation("STATE", "charge", "nobody has paid it");
    let message = "there is no money to take back";
    Status::with_error_details(Code::FailedPrecondition, message, details)
}

pub(super) fn invalid(field: &str, description: &str) -> Status {
    let mut details = reason("INVALID_ARGUMENT");
    details.add_bad_request_violation(field, description);
    Status::with_error_details(
        Code::InvalidArgument,
        format!("{field}: {description}"),
        details,
    )
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn failed(failure: SandboxError) -> Status {
    let (code, name) = match failure {
        SandboxError::Closed => (Code::Unavailable, "SHUTTING_DOWN"),
        _ => (Code::Internal, "LEDGER_FAILED"),
    };
    error!(error = %failure, "sandbox call failed");
    Status::with_error_details(code, failure.to_string(), reason(name))
}

/// A script that cannot be set as things are.
pub(super) fn refused_script(name: &'static str, message: &str) -> Status {
    let mut details = reason(name);
    details.add_precondition_failure_violation("SCRIPT", "script", message);
    Status::with_error_details(Code::FailedPrecondition, message, details)
}

fn reason(reason: &str) -> ErrorDetails {
    ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new())
}
