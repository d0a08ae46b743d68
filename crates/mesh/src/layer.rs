//! What a layer is here: something done around the rest of a stack.
//! Services of a stack are always ready; waiting happens within the call, under its deadline.

pub(crate) mod ahead;
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
pub(crate) mod reply;
pub(crate) mod retry;
pub(crate) mod trace;
pub(crate) mod whole;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, Map};
use http::HeaderValue;
use http_body::Frame;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

pub(crate) use self::reply::Reply;
use crate::policy::{Method, Policies};

/// A call as it comes in.
pub(crate) type Request = http::Request<Body>;
/// An answer as it goes out.
pub(crate) type Response = http::Response<Body>;

/// A call as it passes through a stack: all layers see the same policy of its method, whatever is
/// reloaded meanwhile.
pub(crate) struct Call {
    pub(crate) method: Arc<Method>,
    /// When it came in; where it waited or is tried again, when that was over. The clock is not
    /// asked more often than the time has gone on.
    pub(crate) begun: Instant,
    /// All its time, where it is its own and not what is left of a larger piece of work.
    pub(crate) untouched: Option<Duration>,
    pub(crate) request: Request,
}

/// An answer that is on its way.
pub(crate) trait Answer: Future<Output = Reply> + Send + 'static {}

impl<F: Future<Output = Reply> + Send + 'static> Answer for F {}

/// One whose size is nobody's concern.
pub(crate) type Answering = BoxFuture<'static, Reply>;

/// The rest of a stack, seen from one of its layers; copies share it.
pub(crate) trait Rest: Clone + Send + Sync + 'static {
    /// Passes the call on.
    fn run(&self, call: Call) -> impl Answer + use<Self>;
}

/// What stands below all layers.
#[derive(Clone)]
pub(crate) struct Bottom<S>(pub(crate) S);

impl<S> Rest for Bottom<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    fn run(&self, call: Call) -> impl Answer + use<S> {
        self.0
            .clone()
            .call(call.request)
            .map(|result| match result {
                Ok(response) => response.into(),
                Err(never) => match never {},
            })
    }
}

/// One protection or observation, written as what happens around a call.
pub(crate) trait Pattern: Send + Sync + 'static {
    /// Does its work before, around and after `rest.run(call)`. An `async` block is to be boxed: it
    /// holds what it awaits twice, before and while it does, and a stack would double with each.
    fn around<R: Rest>(&self, call: Call, rest: &R) -> impl Answer + use<Self, R>;
}

/// Makes a pattern a tower layer.
#[derive(Clone)]
pub(crate) struct Around<P>(pub(crate) P);

impl<P: Pattern + Clone, S> Layer<S> for Around<P> {
    type Service = Arc<Wrapped<P, S>>;

    fn layer(&self, rest: S) -> Self::Service {
        let pattern = self.0.clone();
        Arc::new(Wrapped { pattern, rest })
    }
}

/// A pattern around the rest of its stack.
pub(crate) struct Wrapped<P, S> {
    pattern: P,
    rest: S,
}

impl<P: Pattern, S: Rest> Rest for Arc<Wrapped<P, S>> {
    fn run(&self, call: Call) -> impl Answer + use<P, S> {
        self.pattern.around(call, &self.rest)
    }
}

/// All layers as one service. Its copies, of which servers make one a call, share them.
#[derive(Clone)]
pub(crate) struct Stack(Arc<dyn Fn(Request) -> Answering + Send + Sync>);

/// What a service of tower's gives for an answer that is always one.
pub(crate) type Answered = Map<Answering, fn(Reply) -> Result<Response, Infallible>>;

impl Stack {
    pub(crate) fn new(policies: Policies, layers: impl Rest) -> Self {
        Self(Arc::new(move |request| {
            let method = policies.method(request.uri().path());
            let begun = Instant::now();
            let call = Call {
                method,
                begun,
                untouched: None,
                request,
            };
            layers.run(call).boxed()
        }))
    }
}

impl Service<Request> for Stack {
    type Response = Response;
    type Error = Infallible;
    type Future = Answered;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        (self.0)(request).map(|reply| Ok(reply.into_response()))
    }
}

/// An answer without a body.
pub(crate) fn reply(status: impl Into<Status>) -> Reply {
    status.into().into_http().into()
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
    use std::cell::LazyCell;

    thread_local! {
        // A test's own: methods keep the meters of whoever records first.
        static POLICIES: LazyCell<Policies> =
            LazyCell::new(|| Policies::read(proto::DESCRIPTORS).unwrap());
    }

    /// A call without content to `path`, by the policies of our own descriptors.
    pub(crate) fn call(path: &str) -> Call {
        POLICIES.with(|policies| call_by(policies, path))
    }

    /// The same by other policies.
    pub(crate) fn call_by(policies: &Policies, path: &str) -> Call {
        let request = http::Request::builder().uri(path).body(Body::empty());
        Call {
            method: policies.method(path),
            begun: Instant::now(),
            untouched: None,
            request: request.unwrap(),
        }
    }

    /// A service that answers as `answer` does.
    pub(crate) fn service<F, A>(answer: F) -> impl Rest
    where
        F: Fn(Call) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Reply> + Send + 'static,
    {
        Answers(answer)
    }

    #[derive(Clone)]
    struct Answers<F>(F);

    impl<F, A> Rest for Answers<F>
    where
        F: Fn(Call) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Reply> + Send + 'static,
    {
        fn run(&self, call: Call) -> impl Answer + use<F, A> {
            (self.0)(call)
        }
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
        fn around<R: Rest>(&self, call: Call, rest: &R) -> impl Answer + use<R> {
            rest.run(call)
        }
    }

    #[tokio::test]
    async fn copies_of_a_stack_and_its_calls_share_its_layers() {
        let copies = Arc::new(AtomicUsize::new(0));
        let layer = Around(Copied(copies.clone()));
        let rest = service(|_| async { reply(Status::ok("")) });
        let policies = Policies::read(proto::DESCRIPTORS).unwrap();
        let mut stack = Stack::new(policies, layer.layer(layer.layer(rest)));
        copies.store(0, Ordering::Relaxed);
        for _ in 0..10 {
            stack = stack.clone();
            let Ok(_) = stack.call(call("/x/Y").request).await;
        }
        assert_eq!(copies.load(Ordering::Relaxed), 0);
    }
}
