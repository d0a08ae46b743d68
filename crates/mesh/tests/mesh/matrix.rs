//! Every fault against every kind of call: what the tests behind `docs/mesh-faults.md` share.
//! The client prefers the first address it has, and the first is the one that misbehaves.

mod book;
mod held_up;
mod left;
mod lying;
mod proxied;
mod secured;
mod unreached;
mod unwell;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use futures::stream;
use mesh::{Client, ClientSettings, Lifecycle, Pick, ServerSettings};
use metrics_exporter_prometheus::PrometheusRecorder;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::NamedService;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use crate::fleet::{SECOND, client, settings};
use crate::probe::{Probe, World};

/// The three kinds of calls that faults treat differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Unary, idempotent, three attempts.
    Get,
    /// Unary, not to be repeated once a handler may have seen it.
    Once,
    /// A stream of answers, one attempt.
    Watch,
}

const KINDS: [Kind; 3] = [Kind::Get, Kind::Once, Kind::Watch];

const WATCH: &str = "/paymesh.trade.v1.TradeService/WatchOrder";

impl Kind {
    fn path(self) -> &'static str {
        match self {
            Self::Get => "/paymesh.trade.v1.TradeService/GetOrder",
            Self::Once => "/mesh.test.Probe/Once",
            Self::Watch => WATCH,
        }
    }
}

/// Calls with a timeout; all messages of a stream, one after the other.
async fn call(
    client: &Client,
    kind: Kind,
    (text, timeout): (&str, Duration),
) -> Result<String, Status> {
    let mut request = Request::new(text.to_owned());
    request.set_timeout(timeout);
    let mut grpc = tonic::client::Grpc::new(client.clone());
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<String, String>::default();
    let path = http::uri::PathAndQuery::from_static(kind.path());
    if kind != Kind::Watch {
        let answer = grpc.unary(request, path, codec).await;
        return answer.map(Response::into_inner);
    }
    let answer = grpc.server_streaming(request, path, codec).await?;
    let (mut messages, mut said) = (answer.into_inner(), String::new());
    while let Some(message) = messages.message().await? {
        said.push_str(&message);
    }
    Ok(said)
}

async fn said(client: &Client, kind: Kind) -> Result<String, Status> {
    call(client, kind, ("said", 2 * SECOND)).await
}

/// Does as its probe does, by whatever name it is called; a stream has one message.
#[derive(Clone)]
struct Handler(Probe);

impl Service<http::Request<Body>> for Handler {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let probe = self.0.clone();
        let mut grpc = tonic::server::Grpc::new(ProstCodec::<String, String>::default());
        let watch = request.uri().path() == WATCH;
        let answer = move |request: Request<String>| probe.handle(request.into_inner());
        async move {
            if watch {
                let one = tower::service_fn(move |request| {
                    let one = |text| Response::new(stream::iter([Ok::<_, Status>(text)]));
                    answer(request).map(move |answer| answer.map(one))
                });
                return Ok(grpc.server_streaming(one, request).await);
            }
            let one = tower::service_fn(move |request| {
                answer(request).map(|answer| answer.map(Response::new))
            });
            Ok(grpc.unary(one, request).await)
        }
        .boxed()
    }
}

macro_rules! named {
    ($service:ident, $name:literal) => {
        #[derive(Clone)]
        struct $service(Handler);

        impl NamedService for $service {
            const NAME: &'static str = $name;
        }

        impl Service<http::Request<Body>> for $service {
            type Response = http::Response<Body>;
            type Error = Infallible;
            type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

            fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                self.0.poll_ready(cx)
            }

            fn call(&mut self, request: http::Request<Body>) -> Self::Future {
                self.0.call(request)
            }
        }
    };
}

named!(Orders, "paymesh.trade.v1.TradeService");
named!(Probes, "mesh.test.Probe");

/// A server of ours for all kinds: where, and how many calls its handlers have seen.
async fn serve(world: &World, settings: ServerSettings, probe: Probe) -> (String, Seen) {
    let seen = Seen::default();
    let counted = seen.clone();
    let counting = Probe::new(move |text| {
        counted.0.fetch_add(1, Ordering::Relaxed);
        probe.handle(text)
    });
    let lifecycle = Lifecycle::new();
    lifecycle.ready();
    let server = world.server(settings, &lifecycle);
    let server = server
        .add(Orders(Handler(counting.clone())))
        .add(Probes(Handler(counting)));
    let (address, _) = world.listen(server).await;
    (address, seen)
}

/// One that does what it is asked.
async fn good(world: &World) -> (String, Seen) {
    serve(world, ServerSettings::new("good"), Probe::echo()).await
}

/// How many calls handlers have seen.
#[derive(Debug, Clone, Default)]
struct Seen(Arc<AtomicUsize>);

impl Seen {
    /// Since this was asked before.
    fn calls(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

/// A client of these, in this order of preference.
fn preferring(world: &World, addresses: &[&str]) -> Client {
    let settings = ClientSettings {
        pick: Pick::First,
        ..settings(&format!("static:///{}", addresses.join(",")))
    };
    client(world, settings)
}

/// What an operator sees of a metric, of those of its lines that have all labels: their sum.
fn shown(recorder: &PrometheusRecorder, metric: &str, labels: &[&str]) -> u64 {
    let rendered = recorder.handle().render();
    let lines = rendered.lines().filter(|line| {
        line.split(['{', ' ']).next() == Some(metric)
            && labels.iter().all(|label| line.contains(label))
    });
    lines
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}
