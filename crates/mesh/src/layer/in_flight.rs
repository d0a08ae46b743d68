//! Knows how many calls are being served, and can end them: what a drain waits for.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::body::Body;

use super::{Answer, Call, Pattern, Polled, Rest, poll_body, reply, trailers};
use crate::error::{ErrorKind, Fault};

/// Counts calls until their answers end.
#[derive(Clone)]
pub(crate) struct InFlight(Arc<Shared>);

struct Shared {
    count: AtomicUsize,
    /// Ends streams that would never end by themselves.
    stop: CancellationToken,
    /// Ends everything.
    abort: CancellationToken,
}

impl InFlight {
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self(Arc::new(Shared {
            count: AtomicUsize::new(0),
            stop,
            abort: CancellationToken::new(),
        }))
    }

    /// Calls whose answers have not ended.
    pub(crate) fn count(&self) -> usize {
        self.0.count.load(Ordering::Acquire)
    }

    /// Ends all calls at once as UNAVAILABLE.
    pub(crate) fn abort(&self) {
        self.0.abort.cancel();
    }

    fn enter(&self) -> Guard {
        self.0.count.fetch_add(1, Ordering::AcqRel);
        Guard(Arc::clone(&self.0))
    }
}

struct Guard(Arc<Shared>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Pattern for InFlight {
    fn around<R: Rest>(&self, call: Call, rest: &R) -> impl Answer + use<R> {
        let guard = self.enter();
        let endless = call.method.endless;
        let work = rest.run(call);
        Box::pin(async move {
            let answer = tokio::select! {
                biased;
                answer = work => answer,
                () = guard.0.abort.cancelled() => return reply(ended()),
            };
            // One that ended with its headers is over.
            if !answer.is_whole() && answer.is_over() {
                return answer;
            }
            let Shared { stop, abort, .. } = &*guard.0;
            let end = if endless { stop } else { abort }.clone();
            // What is here already needs not be ended: it only is to be taken.
            let end = (!answer.is_whole()).then(|| end.cancelled_owned().boxed());
            answer.map(|body| {
                let open = Some((body, guard));
                Body::new(Held { open, end })
            })
        })
    }
}

fn ended() -> Fault {
    Fault::new(
        ErrorKind::Unavailable,
        "DRAINING",
        "the server is going away",
    )
}

/// A body that counts as in flight until it ends, and can be ended.
struct Held {
    open: Option<(Body, Guard)>,
    end: Option<BoxFuture<'static, ()>>,
}

impl Held {
    fn is_ended(&mut self, cx: &mut Context<'_>) -> bool {
        let end = self.end.as_mut();
        end.is_some_and(|end| end.as_mut().poll(cx).is_ready())
    }
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let this = &mut *self;
        let Some((body, _)) = &mut this.open else {
            return Poll::Ready(None);
        };
        let frame = match poll_body(body, cx) {
            Poll::Pending if this.is_ended(cx) => {
                this.open = None;
                return Poll::Ready(Some(Ok(trailers(ended()))));
            }
            frame => frame,
        };
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) {
            this.open = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.open
            .as_ref()
            .is_none_or(|(body, _)| http_body::Body::is_end_stream(body))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{call, ending, endless, service};
    use super::*;
    use crate::error::reason_of;

    fn in_flight() -> InFlight {
        InFlight::new(CancellationToken::new())
    }

    #[tokio::test]
    async fn a_call_counts_until_its_answer_ends() {
        let calls = in_flight();
        let answer = calls
            .clone()
            .around(call("/x/Y"), &service(|_| async { endless(vec![]) }));
        assert_eq!(calls.count(), 1);
        let answer = answer.await;
        assert_eq!(calls.count(), 1);
        drop(answer);
        assert_eq!(calls.count(), 0);
    }

    #[tokio::test]
    async fn an_abort_ends_handlers_and_streams() {
        let calls = in_flight();
        let waiting = calls
            .clone()
            .around(call("/x/Y"), &service(|_| std::future::pending()));
        let streaming = calls
            .clone()
            .around(call("/x/Y"), &service(|_| async { endless(vec![]) }));
        let streaming = streaming.await;
        calls.abort();
        for answer in [waiting.await, streaming] {
            assert_eq!(
                reason_of(&ending(answer).await).as_deref(),
                Some("DRAINING")
            );
        }
        assert_eq!(calls.count(), 0);
    }

    #[tokio::test]
    async fn a_stop_ends_only_streams_that_never_would() {
        let calls = in_flight();
        let stream = service(|_| async { endless(vec![]) });
        let watch = calls
            .clone()
            .around(call("/grpc.health.v1.Health/Watch"), &stream.clone())
            .await;
        let _work = calls.clone().around(call("/x/Y"), &stream).await;
        calls.0.stop.cancel();
        assert_eq!(reason_of(&ending(watch).await).as_deref(), Some("DRAINING"));
        assert_eq!(calls.count(), 1);
    }
}
