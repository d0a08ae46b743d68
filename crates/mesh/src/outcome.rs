//! How a call ended, as far as it says something about the peer: what breakers, pickers and
//! retries share.

use http::{HeaderMap, HeaderName, StatusCode};
use tonic::{Code, Status};

use crate::layer::Reply;

/// Where a server says when to try again, in milliseconds; a negative number: not at all.
pub(crate) const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// What an answer says about the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It did what it was asked.
    Ok,
    /// It works, and the request was not to be served.
    CallerError,
    /// It did not do its work, or nobody knows whether it did.
    Failure,
    /// The call provably never reached a handler.
    NeverProcessed,
}

impl Outcome {
    /// Of an answer by its headers; none while its body goes on.
    pub(crate) fn of(reply: &Reply) -> Option<Self> {
        reply
            .known()
            .outcome
            .or_else(|| code_of(reply).map(|code| Self::told(code, reply.headers())))
    }

    /// Of an answer that has ended, by its trailers; without a status nobody knows.
    pub(crate) fn of_trailers(trailers: &HeaderMap) -> Self {
        status_in(trailers).map_or(Self::Failure, |code| Self::told(code, trailers))
    }

    /// Of an answer that broke off with an error.
    pub(crate) fn of_status(status: &Status) -> Self {
        Self::of_code(status.code(), || {
            status.metadata().contains_key(PUSHBACK.as_str())
        })
    }

    /// Marks an answer as one of the transport's own, made before anything was processed.
    pub(crate) fn mark(self, mut reply: Reply) -> Reply {
        reply.known_mut().outcome = Some(self);
        reply
    }

    fn told(code: Code, headers: &HeaderMap) -> Self {
        Self::of_code(code, || headers.contains_key(PUSHBACK))
    }

    fn of_code(code: Code, pushed_back: impl FnOnce() -> bool) -> Self {
        match code {
            Code::Ok => Self::Ok,
            // A server that sheds says when to come back; a service that refuses one caller's
            // storm works, and a stranger's storm must not eject it.
            Code::ResourceExhausted if !pushed_back() => Self::CallerError,
            Code::Cancelled
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::Unauthenticated => Self::CallerError,
            Code::Unknown
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss => Self::Failure,
        }
    }
}

/// The code an answer ended with, if it ended with its headers.
pub(crate) fn code_of(reply: &Reply) -> Option<Code> {
    status_in(reply.headers()).or_else(|| of_http(reply.status()))
}

fn status_in(headers: &HeaderMap) -> Option<Code> {
    let code = headers.get(Status::GRPC_STATUS)?;
    Some(Code::from_bytes(code.as_bytes()))
}

// What stands between us and the peer may answer in plain HTTP.
fn of_http(status: StatusCode) -> Option<Code> {
    match status.as_u16() {
        200 => None,
        400 => Some(Code::Internal),
        401 => Some(Code::Unauthenticated),
        403 => Some(Code::PermissionDenied),
        404 => Some(Code::Unimplemented),
        429 | 502..=504 => Some(Code::Unavailable),
        _ => Some(Code::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::reply;
    use tonic::body::Body;

    fn of(code: Code) -> Option<Outcome> {
        Outcome::of(&reply(Status::new(code, "x")))
    }

    #[test]
    fn a_callers_error_says_nothing_against_the_peer() {
        for code in [
            Code::Cancelled,
            Code::InvalidArgument,
            Code::NotFound,
            Code::AlreadyExists,
            Code::PermissionDenied,
            Code::ResourceExhausted,
            Code::FailedPrecondition,
            Code::Aborted,
            Code::OutOfRange,
            Code::Unimplemented,
            Code::Unauthenticated,
        ] {
            assert_eq!(of(code), Some(Outcome::CallerError), "{code:?}");
        }
        for code in [
            Code::Unknown,
            Code::DeadlineExceeded,
            Code::Internal,
            Code::Unavailable,
            Code::DataLoss,
        ] {
            assert_eq!(of(code), Some(Outcome::Failure), "{code:?}");
        }
        assert_eq!(of(Code::Ok), Some(Outcome::Ok));
    }

    #[test]
    fn a_server_that_sheds_has_failed() {
        let mut shed = reply(Status::resource_exhausted("too much"));
        shed.headers_mut().insert(PUSHBACK, 50.into());
        assert_eq!(Outcome::of(&shed), Some(Outcome::Failure));
        assert_eq!(Outcome::of_trailers(shed.headers()), Outcome::Failure);
    }

    #[test]
    fn an_answer_whose_body_goes_on_has_no_outcome_yet() {
        assert_eq!(Outcome::of(&Reply::new(Body::empty())), None);
        assert_eq!(Outcome::of_trailers(&HeaderMap::new()), Outcome::Failure);
        let lost = Outcome::of_status(&Status::unavailable("lost"));
        assert_eq!(lost, Outcome::Failure);
    }

    #[test]
    fn what_the_transport_knows_stands_above_any_header() {
        let answer = Outcome::NeverProcessed.mark(reply(Status::unavailable("nobody there")));
        assert_eq!(Outcome::of(&answer), Some(Outcome::NeverProcessed));
    }

    #[test]
    fn an_answer_that_is_no_grpc_has_a_code_too() {
        for (status, code) in [(503, Code::Unavailable), (404, Code::Unimplemented)] {
            let mut answer = http::Response::new(Body::empty());
            *answer.status_mut() = StatusCode::from_u16(status).unwrap();
            assert_eq!(code_of(&answer.into()), Some(code));
        }
    }
}
