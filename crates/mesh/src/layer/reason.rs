//! Gives errors that tonic itself answers (unknown method, undecodable message) a reason,
//! so that every error carries an `ErrorInfo`.

use futures::FutureExt;
use tonic::Status;

use super::{Answer, Call, Pattern, Reply, Rest};
use crate::error::with_reason;

/// Completes errors without details.
#[derive(Clone)]
pub(crate) struct Reason;

impl Pattern for Reason {
    fn around<R: Rest>(&self, call: Call, rest: &R) -> impl Answer + use<R> {
        rest.run(call).map(completed)
    }
}

fn completed(mut reply: Reply) -> Reply {
    // Details are looked for first: most errors are of our own making and have them.
    if !reply.headers().contains_key(Status::GRPC_STATUS_DETAILS)
        && let Some(status) = Status::from_header_map(reply.headers())
    {
        // Failing to write a header leaves the error as it was: poorer, but true.
        let _ = with_reason(status).add_header(reply.headers_mut());
    }
    reply
}

#[cfg(test)]
mod tests {
    use super::super::testing::{call, ending, service};
    use super::super::{Call, reply};
    use super::*;
    use crate::error::{ErrorKind, Fault, reason_of};

    async fn answered(answer: fn(Call) -> Reply) -> Status {
        let rest = service(move |call| std::future::ready(answer(call)));
        ending(Reason.around(call("/x/Y"), &rest).await).await
    }

    #[tokio::test]
    async fn an_error_without_a_reason_gets_one() {
        let status = answered(|_| reply(Status::unimplemented("no such method"))).await;
        assert_eq!(reason_of(&status).as_deref(), Some("UNIMPLEMENTED"));
        assert_eq!(status.message(), "no such method");
    }

    #[tokio::test]
    async fn a_reason_given_stands() {
        let status = answered(|_| reply(Fault::new(ErrorKind::Conflict, "TWICE", "x"))).await;
        assert_eq!(reason_of(&status).as_deref(), Some("TWICE"));
    }
}
