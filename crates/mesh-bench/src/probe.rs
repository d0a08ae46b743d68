//! What is called: an echo that can be told to be slow or to fail. Both ends of it, without
//! generated code.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use mesh::{Policies, PolicyError};
use tonic::body::Body;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::{Service, http};
use tonic::server::NamedService;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/probe.binpb"));
const READ: &str = "/mesh.bench.v1.ProbeService/Read";
const WRITE: &str = "/mesh.bench.v1.ProbeService/Write";

/// How long a call may take, whoever makes it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(2);

/// What a call says, and its answer.
pub(crate) const PAYLOAD: Bytes = Bytes::from_static(&[b'x'; 100]);

/// How the probe may be called, as its file says.
pub(crate) fn policies() -> Result<Policies, PolicyError> {
    Policies::read(DESCRIPTORS)
}

/// Which of the probe's methods is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// May be called again: idempotent, three attempts.
    Read,
    /// May be called once.
    Write,
}

impl Method {
    pub(crate) fn path(self) -> PathAndQuery {
        PathAndQuery::from_static(match self {
            Self::Read => READ,
            Self::Write => WRITE,
        })
    }
}

/// How an echo behaves, and how often it was called.
#[derive(Debug, Default)]
pub(crate) struct Mood {
    delay_ms: AtomicU32,
    failing: AtomicBool,
    served: AtomicU64,
}

impl Mood {
    pub(crate) fn delay(&self, millis: u32) {
        self.delay_ms.store(millis, Ordering::Relaxed);
    }

    pub(crate) fn failing(&self, failing: bool) {
        self.failing.store(failing, Ordering::Relaxed);
    }

    pub(crate) fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    async fn echo(&self, said: Bytes) -> Result<Response<Bytes>, Status> {
        self.served.fetch_add(1, Ordering::Relaxed);
        if self.failing.load(Ordering::Relaxed) {
            return Err(Status::unavailable("not today"));
        }
        let millis = self.delay_ms.load(Ordering::Relaxed);
        if millis > 0 {
            tokio::time::sleep(Duration::from_millis(millis.into())).await;
        }
        Ok(Response::new(said))
    }
}

/// The echo, served.
#[derive(Debug, Clone)]
pub(crate) struct Probe(pub(crate) Arc<Mood>);

impl NamedService for Probe {
    const NAME: &'static str = "mesh.bench.v1.ProbeService";
}

impl Service<http::Request<Body>> for Probe {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let mood = Arc::clone(&self.0);
        async move {
            if ![READ, WRITE].contains(&request.uri().path()) {
                return Ok(Status::unimplemented("").into_http());
            }
            let echo = tower::service_fn(move |said: Request<Bytes>| {
                let mood = Arc::clone(&mood);
                async move { mood.echo(said.into_inner()).await }
            });
            let codec = ProstCodec::<Bytes, Bytes>::default();
            Ok(tonic::server::Grpc::new(codec).unary(echo, request).await)
        }
        .boxed()
    }
}
