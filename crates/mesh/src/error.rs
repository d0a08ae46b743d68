//! What can go wrong with a call, and the one place where it becomes a gRPC status.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The `domain` of every `ErrorInfo`.
pub const DOMAIN: &str = "paymesh";

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
mod tests {
    use super::*;

    #[test]
    fn every_detail_survives_the_wire() {
        let fault = Fault::invalid("shop_id", "must be positive, e.g. 42")
            .field("amount", "must be at least 1 fen")
            .with("shop-id", -3)
            .precondition("STATUS", "orders/W1", "is PAID")
            .retry_after(Duration::from_millis(1500));
        assert_eq!(fault.kind(), ErrorKind::Invalid);
        let http = Status::from(fault).into_http::<()>();
        let status = Status::from_header_map(http.headers()).unwrap();

        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.message(), "shop_id: must be positive, e.g. 42");
        assert_eq!(reason_of(&status).as_deref(), Some("INVALID_ARGUMENT"));
        assert_eq!(retry_after_of(&status), Some(Duration::from_millis(1500)));
        let details = status.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!(
            (info.domain.as_str(), info.metadata["shop-id"].as_str()),
            ("paymesh", "-3")
        );
        let fields: Vec<_> = details
            .bad_request()
            .unwrap()
            .field_violations
            .iter()
            .collect();
        assert_eq!(fields[0].field, "shop_id");
        assert_eq!(fields[1].description, "must be at least 1 fen");
        let broken = &details.precondition_failure().unwrap().violations[0];
        assert_eq!(
            (broken.r#type.as_str(), broken.subject.as_str()),
            ("STATUS", "orders/W1")
        );
    }

    #[test]
    fn a_status_without_details_gets_a_reason_and_keeps_its_code() {
        let status = with_reason(Status::out_of_range("too long"));
        assert_eq!(status.code(), Code::OutOfRange);
        assert_eq!(reason_of(&status).as_deref(), Some("OUT_OF_RANGE"));

        let told = Status::from(Fault::new(ErrorKind::NotFound, "ORDER_NOT_ACCEPTED", "no"));
        assert_eq!(
            reason_of(&with_reason(told)).as_deref(),
            Some("ORDER_NOT_ACCEPTED")
        );
    }

    #[test]
    fn a_status_of_strangers_has_no_reason() {
        assert_eq!(reason_of(&Status::internal("boom")), None);
        let garbled = Status::with_details(Code::Internal, "x", bytes::Bytes::from_static(b"\xff"));
        assert_eq!(
            (reason_of(&garbled), retry_after_of(&garbled)),
            (None, None)
        );
    }
}
