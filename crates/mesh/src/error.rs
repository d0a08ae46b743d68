//! What can go wrong with a call, and the one place where it becomes a gRPC status.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, ErrorInfo, StatusExt};
use tracing::warn;

/// The `domain` of every `ErrorInfo`.
pub const DOMAIN: &str = "paymesh";
/// Whom a client could not call; in the metadata of every fault of its transport.
pub(crate) const TARGET: &str = "target";

// How soon a caller may ask again where nobody said it.
const SOON: Duration = Duration::from_secs(1);

/// The few ways a call fails; each is one gRPC code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request is wrong whatever the state: `INVALID_ARGUMENT`.
    Invalid,
    /// There is no such thing: `NOT_FOUND`.
    NotFound,
    /// There is one already, with other content: `ALREADY_EXISTS`.
    Exists,
    /// Not in this state: `FAILED_PRECONDITION`.
    Precondition,
    /// Somebody else was first; read again and decide again: `ABORTED`.
    Conflict,
    /// Too much at once: `RESOURCE_EXHAUSTED`.
    Throttled,
    /// The time is over; the outcome is unknown: `DEADLINE_EXCEEDED`.
    Timeout,
    /// Cannot be reached at present: `UNAVAILABLE`.
    Unavailable,
    /// Who calls is not known: `UNAUTHENTICATED`.
    Unauthenticated,
    /// Who calls may not: `PERMISSION_DENIED`.
    Denied,
    /// Not served here: `UNIMPLEMENTED`.
    Unimplemented,
    /// A fault of our own: `INTERNAL`.
    Internal,
}

impl ErrorKind {
    /// The gRPC code.
    pub fn code(self) -> Code {
        match self {
            Self::Invalid => Code::InvalidArgument,
            Self::NotFound => Code::NotFound,
            Self::Exists => Code::AlreadyExists,
            Self::Precondition => Code::FailedPrecondition,
            Self::Conflict => Code::Aborted,
            Self::Throttled => Code::ResourceExhausted,
            Self::Timeout => Code::DeadlineExceeded,
            Self::Unavailable => Code::Unavailable,
            Self::Unauthenticated => Code::Unauthenticated,
            Self::Denied => Code::PermissionDenied,
            Self::Unimplemented => Code::Unimplemented,
            Self::Internal => Code::Internal,
        }
    }
}

/// A failed call as a value: a kind, a stable reason and the details that help.
#[derive(Debug, Clone)]
pub struct Fault {
    kind: ErrorKind,
    reason: &'static str,
    message: String,
    // Boxed: most results are fine and should stay small.
    details: Box<Details>,
}

#[derive(Debug, Clone, Default)]
struct Details {
    metadata: HashMap<String, String>,
    fields: Vec<(String, String)>,
    preconditions: Vec<[String; 3]>,
    retry_after: Option<Duration>,
}

impl Fault {
    /// A fault with a stable reason in `UPPER_SNAKE_CASE` and a message for people.
    pub fn new(kind: ErrorKind, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            reason,
            message: message.into(),
            details: Box::default(),
        }
    }

    /// A field of the request that is wrong; the description says how to put it right.
    pub fn invalid(field: &str, description: &str) -> Self {
        let message = format!("{field}: {description}");
        Self::new(ErrorKind::Invalid, "INVALID_ARGUMENT", message).field(field, description)
    }

    /// What a caller is told of trouble behind the service that it calls: come back in a second,
    /// and nothing of who has which trouble.
    pub fn peer_unavailable() -> Self {
        let message = "a service behind this one cannot be reached";
        Self::new(ErrorKind::Unavailable, "PEER_UNAVAILABLE", message).retry_after(SOON)
    }

    /// Adds a field that is wrong (`BadRequest`).
    pub fn field(mut self, field: &str, description: &str) -> Self {
        self.details
            .fields
            .push((field.to_owned(), description.to_owned()));
        self
    }

    /// Adds a fact that programs can read (`ErrorInfo.metadata`).
    pub fn with(mut self, key: impl Into<String>, value: impl fmt::Display) -> Self {
        self.details.metadata.insert(key.into(), value.to_string());
        self
    }

    /// Says when to try again (`RetryInfo`).
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.details.retry_after = Some(delay);
        self
    }

    /// Adds what would have to be so first (`PreconditionFailure`).
    pub fn precondition(mut self, kind: &str, subject: &str, description: &str) -> Self {
        self.details
            .preconditions
            .push([kind, subject, description].map(str::to_owned));
        self
    }

    /// The kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The stable reason.
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// The message for people.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.reason)
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        let mut details = ErrorDetails::new();
        details.set_error_info(fault.reason, DOMAIN, fault.details.metadata);
        for (field, description) in fault.details.fields {
            details.add_bad_request_violation(field, description);
        }
        for [kind, subject, description] in fault.details.preconditions {
            details.add_precondition_failure_violation(kind, subject, description);
        }
        if let Some(delay) = fault.details.retry_after {
            details.set_retry_info(Some(delay));
        }
        Status::with_error_details(fault.kind.code(), fault.message, details)
    }
}

/// The stable reason a status carries, if any.
pub fn reason_of(status: &Status) -> Option<String> {
    status.get_details_error_info().map(|info| info.reason)
}

/// When a status says to try again, if it does.
pub fn retry_after_of(status: &Status) -> Option<Duration> {
    status
        .get_details_retry_info()
        .and_then(|info| info.retry_delay)
}

/// What a service answers its own caller when a service behind it answered this. What is about the
/// request goes on as it is. What is between services (nobody there, a certificate, who may call
/// whom, a fault within) is logged here whole, and told as [`Fault::peer_unavailable`].
pub fn relayed(status: Status) -> Status {
    let info = status.get_details_error_info();
    if !is_between_services(status.code(), info.as_ref()) {
        return status;
    }
    let (code, said) = (reason_for(status.code()), status.message());
    let (reason, facts) = info
        .map(|info| (info.reason, info.metadata))
        .unwrap_or_default();
    warn!(
        code,
        reason,
        said,
        ?facts,
        "a service behind this one failed"
    );
    let fault = Fault::peer_unavailable();
    match retry_after_of(&status) {
        Some(delay) => fault.retry_after(delay).into(),
        None => fault.into(),
    }
}

fn is_between_services(code: Code, info: Option<&ErrorInfo>) -> bool {
    let by_transport = info.is_some_and(|info| info.metadata.contains_key(TARGET));
    by_transport
        || match code {
            Code::PermissionDenied
            | Code::Unauthenticated
            | Code::Unimplemented
            | Code::Internal
            | Code::Unknown
            | Code::DataLoss => true,
            // Where no service of ours has said why, something on the way did.
            Code::Unavailable => info.is_none(),
            _ => false,
        }
}

/// A status made by code that knows no reasons (tonic's own) gets its code's name as reason.
pub(crate) fn with_reason(status: Status) -> Status {
    if status.code() == Code::Ok || !status.details().is_empty() {
        return status;
    }
    let mut details = ErrorDetails::new();
    details.set_error_info(reason_for(status.code()), DOMAIN, HashMap::new());
    Status::with_error_details_and_metadata(
        status.code(),
        status.message(),
        details,
        status.metadata().clone(),
    )
}

/// The code of that name, as in `UNAVAILABLE`.
pub fn code_named(name: &str) -> Option<Code> {
    let mut all = (0..17).map(Code::from_i32);
    all.find(|code| reason_for(*code) == name)
}

pub(crate) fn reason_for(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests;
