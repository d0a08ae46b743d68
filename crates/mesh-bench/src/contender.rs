//! Who is measured: tonic's balanced channel, tower's p2c with its peak EWMA over tonic's channels,
//! and the mesh; and one bare channel, for what a call costs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, TryFutureExt};
use mesh::tls::Tls;
use mesh::{BulkheadLimits, ClientSettings};
use seam::net::Tcp;
use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use tonic::codegen::http;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_prost::ProstCodec;
use tower::Service;
use tower::balance::p2c::Balance;
use tower::buffer::Buffer;
use tower::discover::ServiceList;
use tower::load::{CompleteOnResponse, PeakEwmaDiscover};
use tower::util::BoxService;

use crate::certificates::SERVERS;
use crate::error::BenchError;
use crate::probe::{self, Method, PAYLOAD};

const CONNECT_WITHIN: Duration = Duration::from_secs(1);
// As the mesh has them.
const FIRST_RTT: Duration = Duration::from_millis(30);
const DECAY: Duration = Duration::from_secs(10);
const BUFFERED: usize = 1024;

type Sent = http::Request<Body>;
type Came = http::Response<Body>;
type Balanced = BoxService<Sent, Came, tower::BoxError>;

/// tower's balancer behind its buffer, so that it can be shared.
#[derive(Clone)]
pub(crate) struct Tower(Buffer<Sent, <Balanced as Service<Sent>>::Future>);

impl Service<Sent> for Tower {
    type Response = Came;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Came, Status>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Service::poll_ready(&mut self.0, cx).map_err(Status::from_error)
    }

    fn call(&mut self, sent: Sent) -> Self::Future {
        Service::call(&mut self.0, sent)
            .map_err(Status::from_error)
            .boxed()
    }
}

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contender {
    Tonic,
    Tower,
    Mesh,
}

/// All three, in the order of the tables.
pub(crate) const ALL: &[Contender] = &[Contender::Tonic, Contender::Tower, Contender::Mesh];

impl Contender {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tonic => "tonic `balance_channel`",
            Self::Tower => "tower p2c + PeakEWMA",
            Self::Mesh => "mesh",
        }
    }

    /// A fresh client; it has not dialled yet.
    pub(crate) fn client(self, settings: &Reach) -> Result<Client, BenchError> {
        Ok(match self {
            Self::Tonic => Client::Tonic(balanced(&settings.addresses)?),
            Self::Tower => Client::Tower(p2c(&settings.addresses)?),
            Self::Mesh => Client::Mesh(meshed(settings)?),
        })
    }
}

/// Whom to call, and how many calls there will be at once.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) at_once: usize,
    /// The mesh's certificates; the others never have any.
    pub(crate) tls: Option<Tls>,
}

/// A client of one of the contenders; clones share its connections.
#[derive(Clone)]
pub(crate) enum Client {
    Tonic(Channel),
    Tower(Tower),
    Mesh(mesh::Client),
}

impl Client {
    /// One bare channel to one server.
    pub(crate) fn bare(address: SocketAddr) -> Result<Self, BenchError> {
        Ok(Self::Tonic(endpoint(address)?.connect_lazy()))
    }

    /// One who calls.
    pub(crate) fn caller(&self, method: Method, timeout: Duration) -> Caller {
        let how = How {
            path: method.path(),
            timeout,
        };
        match self {
            Self::Tonic(channel) => Caller::Tonic(Grpc::new(channel.clone()), how),
            Self::Tower(balance) => Caller::Tower(Grpc::new(balance.clone()), how),
            Self::Mesh(client) => Caller::Mesh(Grpc::new(client.clone()), how),
        }
    }
}

/// What is called, and for how long it is waited for.
pub(crate) struct How {
    path: http::uri::PathAndQuery,
    timeout: Duration,
}

/// Makes one call after the other.
pub(crate) enum Caller {
    Tonic(Grpc<Channel>, How),
    Tower(Grpc<Tower>, How),
    Mesh(Grpc<mesh::Client>, How),
}

impl Caller {
    pub(crate) async fn ask(&mut self) -> Result<(), Status> {
        match self {
            Self::Tonic(grpc, how) => ask(grpc, how).await,
            Self::Tower(grpc, how) => ask(grpc, how).await,
            Self::Mesh(grpc, how) => ask(grpc, how).await,
        }
    }
}

async fn ask<S>(grpc: &mut Grpc<S>, how: &How) -> Result<(), Status>
where
    S: GrpcService<Body, ResponseBody = Body>,
    S::Error: std::fmt::Display,
{
    grpc.ready()
        .await
        .map_err(|error| Status::unknown(error.to_string()))?;
    let mut request = Request::new(PAYLOAD);
    request.set_timeout(how.timeout);
    let codec = ProstCodec::<Bytes, Bytes>::default();
    let answer = grpc.unary(request, how.path.clone(), codec).await?;
    if answer.into_inner() == PAYLOAD {
        Ok(())
    } else {
        Err(Status::data_loss("another answer than was expected"))
    }
}

fn endpoint(address: SocketAddr) -> Result<Endpoint, BenchError> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
    Ok(endpoint.connect_timeout(CONNECT_WITHIN))
}

fn balanced(addresses: &[SocketAddr]) -> Result<Channel, BenchError> {
    let endpoints: Result<Vec<_>, _> = addresses.iter().copied().map(endpoint).collect();
    // The same as balance_channel, with all inserted at once.
    Ok(Channel::balance_list(endpoints?.into_iter()))
}

fn p2c(addresses: &[SocketAddr]) -> Result<Tower, BenchError> {
    let channels: Result<Vec<_>, BenchError> = addresses
        .iter()
        .map(|address| Ok(endpoint(*address)?.connect_lazy()))
        .collect();
    let known = ServiceList::new::<Sent>(channels?);
    let loaded =
        PeakEwmaDiscover::new::<Sent>(known, FIRST_RTT, DECAY, CompleteOnResponse::default());
    let balanced = BoxService::new(Balance::new(loaded));
    Ok(Tower(Buffer::new(balanced, BUFFERED)))
}

fn meshed(settings: &Reach) -> Result<mesh::Client, BenchError> {
    let addresses: Vec<_> = settings.addresses.iter().map(ToString::to_string).collect();
    let mut client = ClientSettings::new("bench", format!("static:///{}", addresses.join(",")));
    client.bulkhead = BulkheadLimits {
        at_once: client.bulkhead.at_once.max(settings.at_once),
        ..client.bulkhead
    };
    client.tls.clone_from(&settings.tls);
    client.peer = settings.tls.as_ref().map(|_| SERVERS.to_owned());
    Ok(mesh::Client::new(
        client,
        Arc::new(Tcp),
        probe::policies()?,
    )?)
}
