//! A service whose handler a test writes, and what is needed to call it.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use futures::{StreamExt, stream};
use mesh::{Client, ClientSettings, Drained, Lifecycle, Policies, Server, ServerSettings};
use seam::net::{Memory, Net, Tcp};
use tokio::task::JoinHandle;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::NamedService;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

pub(crate) const CALL: &str = "/mesh.test.Probe/Call";
pub(crate) const STREAM: &str = "/mesh.test.Probe/Stream";

type Answer = BoxFuture<'static, Result<String, Status>>;

/// `Call` does what the test says; `Stream` sends one message and then waits for ever.
#[derive(Clone)]
pub(crate) struct Probe(Arc<dyn Fn(String) -> Answer + Send + Sync>);

impl Probe {
    pub(crate) fn new<F, A>(handler: F) -> Self
    where
        F: Fn(String) -> A + Send + Sync + 'static,
        A: Future<Output = Result<String, Status>> + Send + 'static,
    {
        Self(Arc::new(move |text| handler(text).boxed()))
    }

    /// What it answers.
    pub(crate) fn handle(&self, text: String) -> Answer {
        (self.0)(text)
    }

    pub(crate) fn echo() -> Self {
        Self::new(async |text| Ok(text))
    }
}

impl NamedService for Probe {
    const NAME: &'static str = "mesh.test.Probe";
}

impl Service<http::Request<Body>> for Probe {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let handler = self.0.clone();
        let mut grpc = tonic::server::Grpc::new(ProstCodec::<String, String>::default());
        async move {
            Ok(match request.uri().path() {
                CALL => {
                    let call = tower::service_fn(move |request: Request<String>| {
                        handler(request.into_inner()).map(|answer| answer.map(Response::new))
                    });
                    grpc.unary(call, request).await
                }
                STREAM => {
                    let one = tower::service_fn(|request: Request<String>| async {
                        let one = stream::iter([Ok::<_, Status>(request.into_inner())]);
                        Ok::<_, Status>(Response::new(one.chain(stream::pending())))
                    });
                    grpc.server_streaming(one, request).await
                }
                _ => Status::unimplemented("").into_http(),
            })
        }
        .boxed()
    }
}

/// A network, and what is served in it.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) net: Arc<dyn Net>,
    pub(crate) policies: Policies,
}

impl World {
    pub(crate) fn new(net: impl Net) -> Self {
        Self {
            net: Arc::new(net),
            policies: Policies::read(proto::DESCRIPTORS).unwrap(),
        }
    }

    pub(crate) fn memory() -> Self {
        Self::new(Memory::default())
    }

    pub(crate) fn both() -> [Self; 2] {
        [Self::memory(), Self::new(Tcp)]
    }

    /// Serves a probe; its address, its lifecycle (ready), and how it ended.
    pub(crate) async fn serve(&self, probe: Probe) -> (String, Lifecycle, JoinHandle<Drained>) {
        let lifecycle = Lifecycle::new();
        lifecycle.ready();
        let server = self
            .server(ServerSettings::new("probe"), &lifecycle)
            .add(probe);
        let (address, ended) = self.listen(server).await;
        (address, lifecycle, ended)
    }

    pub(crate) fn server(&self, settings: ServerSettings, lifecycle: &Lifecycle) -> Server {
        Server::new(settings, self.policies.clone(), lifecycle.clone())
    }

    pub(crate) async fn listen(&self, server: Server) -> (String, JoinHandle<Drained>) {
        let listener = self.net.listen("127.0.0.1:0").await.unwrap();
        let address = listener.address().to_string();
        (
            address,
            tokio::spawn(async { server.serve(listener).await.unwrap() }),
        )
    }

    pub(crate) fn client(&self, address: &str) -> Client {
        let settings = ClientSettings {
            // Whatever the machine is like.
            connections: 4,
            ..ClientSettings::new("test", address)
        };
        Client::new(settings, self.net.clone(), self.policies.clone()).unwrap()
    }
}

/// Calls the probe, with a timeout of 5 s.
pub(crate) async fn ask(client: &Client, text: &str) -> Result<String, Status> {
    ask_within(client, text, Duration::from_secs(5)).await
}

pub(crate) async fn ask_within(
    client: &Client,
    text: &str,
    timeout: Duration,
) -> Result<String, Status> {
    let mut request = Request::new(text.to_owned());
    request.set_timeout(timeout);
    ask_with(client, CALL, request).await
}

/// Calls any unary method.
pub(crate) async fn ask_with(
    client: &Client,
    path: &'static str,
    request: Request<String>,
) -> Result<String, Status> {
    let mut grpc = tonic::client::Grpc::new(client.clone());
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<String, String>::default();
    let path = http::uri::PathAndQuery::from_static(path);
    grpc.unary(request, path, codec)
        .await
        .map(Response::into_inner)
}

/// Opens the probe's stream.
pub(crate) async fn open(client: &Client, timeout: Duration) -> Result<Streaming<String>, Status> {
    let mut request = Request::new("one".to_owned());
    request.set_timeout(timeout);
    let mut grpc = tonic::client::Grpc::new(client.clone());
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<String, String>::default();
    let path = http::uri::PathAndQuery::from_static(STREAM);
    grpc.server_streaming(request, path, codec)
        .await
        .map(Response::into_inner)
}
