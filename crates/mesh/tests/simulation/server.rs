//! One of the five servers: ours, or a plain one that allows few streams.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use futures::{Stream, StreamExt, stream};
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mesh::{Drained, Lifecycle, Server, ServerSettings};
use seam::SeededIds;
use tokio::time::sleep;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::NamedService;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use crate::plan::Dice;
use crate::world::World;

pub(crate) const GET: &str = "/paymesh.trade.v1.TradeService/GetOrder";
pub(crate) const WATCH: &str = "/paymesh.trade.v1.TradeService/WatchOrder";
/// No descriptor knows it, so nobody may repeat it.
pub(crate) const ONCE: &str = "/mesh.test.Probe/Once";

const PORT: &str = "0.0.0.0:80";
const DRAIN: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// As many streams as one connection of a narrow server takes.
const FEW: u32 = 3;

/// A server's life, from its start to its crash or to the end of the simulation.
pub(crate) async fn run(world: Arc<World>, place: usize) -> turmoil::Result {
    while !world.state().over {
        if world.plan.narrow[place] {
            serve_narrowly(&world, place).await?;
        } else {
            serve(&world, place).await?;
        }
        while world.state().servers[place].away {
            sleep(LOOK_EVERY).await;
        }
    }
    Ok(())
}

async fn serve(world: &Arc<World>, place: usize) -> turmoil::Result {
    let lifecycle = Lifecycle::new();
    lifecycle.ready();
    let settings = ServerSettings {
        drain: DRAIN,
        reflection: false,
        ids: Arc::new(SeededIds::new(place as u64)),
        ..ServerSettings::new("simulated")
    };
    let handler = Handler(world.clone(), place);
    let server = Server::new(settings, world.policies.clone(), lifecycle.clone())
        .add(Orders(handler.clone()))
        .add(Probe(handler));
    let listener = world.net.listen(PORT).await?;
    world.state().servers[place].lifecycle = Some(lifecycle);
    world.diary.note(format_args!("server {place} serves"));
    let Drained { aborted } = server.serve(listener).await?;
    world.state().servers[place].aborted += aborted;
    world
        .diary
        .note(format_args!("server {place} drained, {aborted} aborted"));
    Ok(())
}

async fn serve_narrowly(world: &Arc<World>, place: usize) -> turmoil::Result {
    let mut listener = world.net.listen(PORT).await?;
    world
        .diary
        .note(format_args!("server {place} serves narrowly"));
    let lifecycle = Lifecycle::new();
    world.state().servers[place].lifecycle = Some(lifecycle.clone());
    let accepting = async {
        loop {
            let stream = TokioIo::new(listener.accept().await?);
            let handler = Handler(world.clone(), place);
            let service = hyper::service::service_fn(move |request: http::Request<_>| {
                handler.clone().call(request.map(Body::new))
            });
            tokio::spawn(async move {
                let mut builder = http2::Builder::new(TokioExecutor::new());
                let served = builder.max_concurrent_streams(FEW);
                let _ = served.serve_connection(stream, service).await;
            });
        }
    };
    let accepted: Option<turmoil::Result> = lifecycle.token().run_until_cancelled(accepting).await;
    accepted.unwrap_or(Ok(()))
}

/// What all servers do, each in its own manner.
#[derive(Clone)]
struct Handler(Arc<World>, usize);

impl Handler {
    async fn answer(self, text: String) -> Result<String, Status> {
        let Self(world, place) = &self;
        let id: u64 = text.parse().unwrap();
        let _running = Running::begin(world, *place, id);
        let (fails, slow) = {
            let manner = &world.state().servers[*place];
            (manner.fails, manner.slow)
        };
        let dice = Dice::new(world.plan.seed ^ id, *place as u64);
        if dice.below(1_000) < fails {
            return Err(Status::unavailable("on purpose"));
        }
        sleep(slow + dice.millis(1, 20)).await;
        Ok(text)
    }

    fn tell(self, id: u64) -> impl Stream<Item = Result<String, Status>> + Send + 'static {
        let Self(world, place) = self;
        let running = Running::begin(&world, place, id);
        let slow = world.state().servers[place].slow;
        let messages = stream::iter(parts(id)).then(move |part| async move {
            sleep(slow + Duration::from_millis(15)).await;
            Ok(format!("{id}/{part}"))
        });
        // What a stream holds is let go with it.
        messages.map(move |message| {
            let _held = &running;
            message
        })
    }
}

/// The parts of what a call to `WATCH` is answered.
pub(crate) fn parts(id: u64) -> std::ops::Range<u64> {
    0..2 + id % 4
}

/// A handler at work.
struct Running(Arc<World>);

impl Running {
    fn begin(world: &Arc<World>, place: usize, id: u64) -> Self {
        world
            .diary
            .note(format_args!("server {place} executes {id}"));
        let mut state = world.state();
        state.running += 1;
        state.executed.entry(id).or_default().push(place);
        if state.healed {
            state.servers[place].served += 1;
        }
        drop(state);
        Self(world.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.state().running -= 1;
    }
}

impl Service<http::Request<Body>> for Handler {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let handler = self.clone();
        let mut grpc = tonic::server::Grpc::new(ProstCodec::<String, String>::default());
        async move {
            if request.uri().path() == WATCH {
                let many = tower::service_fn(move |request: Request<String>| {
                    let told = handler.clone().tell(request.get_ref().parse().unwrap());
                    std::future::ready(Ok::<_, Status>(Response::new(told)))
                });
                return Ok(grpc.server_streaming(many, request).await);
            }
            let one = tower::service_fn(move |request: Request<String>| {
                let answer = handler.clone().answer(request.into_inner());
                answer.map(|answer| answer.map(Response::new))
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
named!(Probe, "mesh.test.Probe");
