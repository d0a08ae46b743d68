//! A handler that panics fails its own call as INTERNAL, and nothing else.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use tonic::Status;
use tonic::body::Body;
use tracing::error;

use super::{Answer, Call, Pattern, Polled, Rest, poll_body, reply, trailers};
use crate::error::{ErrorKind, Fault};
use crate::policy::Method;

/// Counts panics, by method.
pub(crate) const PANICS: &str = "mesh_panics_total";

/// Stands directly around the handlers.
#[derive(Clone)]
pub(crate) struct PanicGuard;

impl Pattern for PanicGuard {
    fn around<R: Rest>(&self, call: Call, rest: &R) -> impl Answer + use<R> {
        let method = Arc::clone(&call.method);
        let rest = rest.clone();
        Box::pin(async move {
            // Asserted: what a panicking handler leaves half done is its own and goes with it.
            let work = AssertUnwindSafe(async move { rest.run(call).await });
            match work.catch_unwind().await {
                Ok(reply) if reply.is_whole() => reply,
                Ok(reply) => reply.map(|body| {
                    Body::new(Guarded {
                        body: Some(body),
                        method,
                    })
                }),
                Err(panic) => reply(panicked(&method, &*panic)),
            }
        })
    }
}

// The caller learns that it happened, never what was said.
fn panicked(method: &Method, panic: &(dyn Any + Send)) -> Fault {
    let said = panic.downcast_ref::<&str>().copied();
    let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let Method { service, name, .. } = method;
    error!(%service, method = %name, panic = said.unwrap_or("?"), "handler panicked");
    metrics::counter!(PANICS, "grpc_service" => service.clone(), "grpc_method" => name.clone())
        .increment(1);
    Fault::new(
        ErrorKind::Internal,
        "PANIC",
        "the call failed within the service",
    )
}

/// A body whose production may panic.
struct Guarded {
    body: Option<Body>,
    method: Arc<Method>,
}

impl http_body::Body for Guarded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        match catch_unwind(AssertUnwindSafe(|| poll_body(body, cx))) {
            Ok(frame) => frame,
            Err(panic) => {
                self.body = None;
                Poll::Ready(Some(Ok(trailers(panicked(&self.method, &*panic)))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body
            .as_ref()
            .is_none_or(http_body::Body::is_end_stream)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reply;
    use super::super::testing::{call, ending, service};
    use super::*;
    use crate::error::reason_of;
    use tonic::Code;

    async fn answered(rest: impl Rest) -> Status {
        let guard = PanicGuard;
        ending(guard.around(call("/x/Y"), &rest).await).await
    }

    #[tokio::test]
    async fn a_panic_in_a_handler_is_an_answer() {
        let status = answered(service(|_| async { panic!("secret") })).await;
        assert_eq!(status.code(), Code::Internal);
        assert_eq!(reason_of(&status).as_deref(), Some("PANIC"));
        assert!(!status.message().contains("secret"));
    }

    #[tokio::test]
    async fn a_panic_before_the_first_await_is_an_answer() {
        let rest = service(|_| -> std::future::Ready<Reply> { panic!("early") });
        assert_eq!(reason_of(&answered(rest).await).as_deref(), Some("PANIC"));
    }

    #[tokio::test]
    async fn a_panic_within_a_stream_ends_it() {
        let rest = service(|_| async {
            let frames = futures::stream::poll_fn(|_| -> Polled { panic!("late") });
            Reply::new(Body::new(http_body_util::StreamBody::new(frames)))
        });
        assert_eq!(reason_of(&answered(rest).await).as_deref(), Some("PANIC"));
    }
}
