//! What a layer is here: something done around the rest of a stack.
//! Services of a stack are always ready; waiting happens within the call, under its deadline.

pub(crate) mod authorise;
pub(crate) mod bulkhead;
pub(crate) mod caller_rate;
pub(crate) mod deadline;
#[cfg(feature = "faults")]
pub(crate) mod fault;
pub(crate) mod in_flight;
pub(crate) mod limit;
pub(crate) mod load_shed;
pub(crate) mod message_cap;
pub(crate) mod metrics;
pub(crate) mod panic_guard;
pub(crate) mod reason;
pub(crate) mod replay;
pub(crate) mod retry;
pub(crate) mod trace;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use http::HeaderValue;
use http_body::Frame;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

/// A call as it passes through a stack.
pub(crate) type Call = http::Request<Body>;
/// Its answer; failures too are answers, with a `grpc-status`.
pub(crate) type Reply = http::Response<Body>;

/// The rest of a stack, seen from one of its layers.
pub(crate) trait Rest: Clone + Send + Sync + 'static {
    /// Passes the call on.
    fn run(self, call: Call) -> impl Future<Output = Reply> + Send + 'static;
}

/// What stands below all layers.
#[derive(Clone)]
pub(crate) struct Bottom<S>(pub(crate) S);

impl<S> Rest for Bottom<S>
where
    S: Service<Call, Response = Reply, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    fn run(mut self, call: Call) -> impl Future<Output = Reply> + Send + 'static {
        self.0.call(call).map(|result| match result {
            Ok(reply) => reply,
            Err(never) => match never {},
        })
    }
}

/// One protection or observation, written as what happens around a call.
pub(crate) trait Pattern: Clone + Send + Sync + 'static {
    /// Does its work before, around and after `rest.run(call)`. A server's layers run the rest
    /// before they await anything, so that its deadline counts from the call's arrival.
    fn around<R: Rest>(self, call: Call, rest: R) -> impl Future<Output = Reply> + Send + 'static;
}

/// Makes a pattern a tower layer.
#[derive(Clone)]
pub(crate) struct Around<P>(pub(crate) P);

impl<P: Pattern, S> Layer<S> for Around<P> {
    type Service = Wrapped<P, S>;

    fn layer(&self, rest: S) -> Self::Service {
        Wrapped {
            pattern: self.0.clone(),
            rest,
        }
    }
}

/// A pattern around the rest of its stack.
#[derive(Clone)]
pub(crate) struct Wrapped<P, S> {
    pattern: P,
    rest: S,
}

impl<P: Pattern, S: Rest> Rest for Wrapped<P, S> {
    fn run(self, call: Call) -> impl Future<Output = Reply> + Send + 'static {
        // An `async` block holds what it awaits twice, before and while it does: unboxed, a stack
        // doubles with each layer, and a call would have over 100 KB moved about for it.
        Box::pin(self.pattern.around(call, self.rest))
    }
}

/// All layers as one service. Its copies, of which servers make one a call, share them; a call
/// takes one of its own.
#[derive(Clone)]
pub(crate) struct Stack(Arc<dyn Fn(Call) -> Answering + Send + Sync>);

type Answering = BoxFuture<'static, Result<Reply, Infallible>>;

impl Stack {
    pub(crate) fn new<P: Pattern, S: Rest>(layers: Wrapped<P, S>) -> Self {
        Self(Arc::new(move |call| {
            let Wrapped { pattern, rest } = layers.clone();
            pattern.around(call, rest).map(Ok).boxed()
        }))
    }
}

impl Service<Call> for Stack {
    type Response = Reply;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> Self::Future {
        (self.0)(call)
    }
}

/// An answer without a body.
pub(crate) fn reply(status: impl Into<Status>) -> Reply {
    status.into().into_http()
}

/// The end of an answer that had begun, as a server writes it.
pub(crate) fn trailers(status: impl Into<Status>) -> Frame<Bytes> {
    Frame::trailers(status.into().into_http::<()>().into_parts().0.headers)
}

/// A header that differs from call to call: kept out of the connection's table of known headers,
/// where it would only drive out those that come again.
pub(crate) fn unlike_others(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

/// What polling a body gives.
pub(crate) type Polled = Poll<Option<Result<Frame<Bytes>, Status>>>;

pub(crate) fn poll_body(body: &mut Body, cx: &mut Context<'_>) -> Polled {
    http_body::Body::poll_frame(Pin::new(body), cx)
}

#[cfg(test)]
pub(crate) mod testing {
    //! Small services to stand below a layer under test.

    use super::*;
    use http_body_util::BodyExt;

    /// A call without content to `path`.
    pub(crate) fn call(path: &str) -> Call {
        http::Request::builder()
            .uri(path)
            .body(Body::empty())
            .unwrap()
    }

    /// A service that answers as `answer` does.
    pub(crate) fn service<F, A>(answer: F) -> impl Rest
    where
        F: Fn(Call) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Reply> + Send + 'static,
    {
        Bottom(tower::service_fn(move |call| {
            answer(call).map(Ok::<_, Infallible>)
        }))
    }

    /// An answer whose body gives `frames`, then nothing for ever.
    pub(crate) fn endless(frames: Vec<Frame<Bytes>>) -> Reply {
        use futures::StreamExt;
        let frames = futures::stream::iter(frames.into_iter().map(Ok::<_, Status>));
        let body = http_body_util::StreamBody::new(frames.chain(futures::stream::pending()));
        Reply::new(Body::new(body))
    }

    /// The status an answer ends with, whether in headers, trailers or as an error.
    pub(crate) async fn ending(reply: Reply) -> Status {
        let (parts, body) = reply.into_parts();
        if let Some(status) = Status::from_header_map(&parts.headers) {
            return status;
        }
        match body.collect().await {
            Ok(body) => Status::from_header_map(body.trailers().unwrap()).unwrap(),
            Err(status) => status,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{call, service};
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Counts how often it is copied.
    struct Copied(Arc<AtomicUsize>);

    impl Clone for Copied {
        fn clone(&self) -> Self {
            self.0.fetch_add(1, Ordering::Relaxed);
            Self(self.0.clone())
        }
    }

    impl Pattern for Copied {
        fn around<R: Rest>(
            self,
            call: Call,
            rest: R,
        ) -> impl Future<Output = Reply> + Send + 'static {
            rest.run(call)
        }
    }

    #[tokio::test]
    async fn copies_of_a_stack_share_its_layers_and_a_call_copies_them_once() {
        let copies = Arc::new(AtomicUsize::new(0));
        let layer = Around(Copied(copies.clone()));
        let rest = service(|_| async { reply(Status::ok("")) });
        let mut stack = Stack::new(layer.layer(layer.layer(rest)));
        copies.store(0, Ordering::Relaxed);
        for _ in 0..10 {
            stack = stack.clone();
        }
        assert_eq!(copies.load(Ordering::Relaxed), 0);
        let Ok(_) = stack.call(call("/x/Y")).await;
        assert_eq!(copies.load(Ordering::Relaxed), 2, "one of each layer");
    }
}
