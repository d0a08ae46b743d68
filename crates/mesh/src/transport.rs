//! What stands at the bottom of a client's stack: a call is sent over one of the pool's
//! connections, and what becomes of it is told as a status.
//! Nothing outside this file and the pool knows which transport it is.

use std::collections::HashMap;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::Either;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, StatusCode, Uri, header};
use hyper::body::Incoming;
use seam::net::Net;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::client::{ClientSettings, TargetError};
use crate::context::Context;
use crate::discover::Target;
use crate::error::{DOMAIN, ErrorKind, Fault, TARGET, reason_for};
use crate::layer::deadline;
use crate::layer::retry::Avoid;
use crate::layer::whole;
use crate::layer::{Answer, Call, Reply, Request, Rest, reply};
use crate::outcome::{Outcome, code_of};
use crate::pool::connection::protocol_error;
use crate::pool::ticket::{Held, Ticket};
use crate::pool::{Pool, Refusal};

// A request that comes back unsent is sent again at once; so often that this fails, it is told.
const SENDINGS: usize = 4;

/// Sends calls to a target; always ready, it waits within the call.
#[derive(Clone)]
pub(crate) struct Transport(Arc<Shared>);

struct Shared {
    pool: Pool,
    peer: Peer,
}

/// What a call says about both ends.
struct Peer {
    target: String,
    scheme: Scheme,
    /// By what name the peer is called; else by its address.
    authority: Option<Authority>,
    agent: HeaderValue,
}

impl Transport {
    /// Within a tokio runtime; dials at once, in the background.
    pub(crate) fn new(settings: &ClientSettings, net: Arc<dyn Net>) -> Result<Self, TargetError> {
        let malformed = || TargetError::Malformed(settings.target.clone());
        let target = Target::parse(&settings.target).ok_or_else(malformed)?;
        if !target.is_supported() {
            return Err(TargetError::NoKubernetes(settings.target.clone()));
        }
        let agent = format!("paymesh-{}/{}", settings.caller, env!("CARGO_PKG_VERSION"));
        let peer = Peer {
            target: settings.target.clone(),
            scheme: if settings.tls.is_some() {
                Scheme::HTTPS
            } else {
                Scheme::HTTP
            },
            authority: target.authority(),
            agent: HeaderValue::try_from(agent).map_err(|_| malformed())?,
        };
        let pool = Pool::new(settings, target, net);
        Ok(Self(Arc::new(Shared { pool, peer })))
    }

    /// The connections below it.
    pub(crate) fn pool(&self) -> &Pool {
        &self.0.pool
    }

    async fn send(self, call: Call) -> Reply {
        let Shared { pool, peer } = &*self.0;
        let Call {
            method,
            begun,
            untouched,
            mut request,
        } = call;
        let mut now = begun;
        let deadline = Context::deadline_at_hand();
        let avoid = request.extensions().get().map(|Avoid(address)| *address);
        let streams = method.kind.ends_with("stream");
        for _ in 0..SENDINGS {
            let mut ticket = match pool.ticket(avoid, deadline, now).await {
                Ok(ticket) => ticket,
                Err(refusal) => return peer.refused(&refusal),
            };
            ticket.due(deadline);
            peer.address(&mut request, ticket.authority());
            tell_time(&mut request, ticket.left(), untouched);
            match ticket.sender().try_send_request(request).await {
                Ok(answer) => {
                    let served = Some(ticket.address());
                    let mut answer = match self.taken(answer, ticket, streams) {
                        Either::Right(over) => return over,
                        // Whoever stands above then need not watch it.
                        Either::Left(answer) if method.answers_once() => whole::read(answer).await,
                        Either::Left(answer) => answer.map(Body::new).into(),
                    };
                    answer.known_mut().served = served;
                    return answer;
                }
                Err(mut error) => match error.take_message() {
                    // The connection ended before it was sent.
                    Some(unsent) => {
                        ticket.record(Outcome::NeverProcessed);
                        request = unsent;
                        now = Instant::now();
                    }
                    None => return peer.lost(error.error(), ticket),
                },
            }
        }
        let fault = peer.fault("PEER_UNAVAILABLE", "keeps going away", None);
        Outcome::NeverProcessed.mark(reply(fault))
    }

    /// An answer that goes on, or one that is over with its headers.
    fn taken(
        &self,
        mut answer: http::Response<Incoming>,
        mut ticket: Ticket,
        streams: bool,
    ) -> Either<http::Response<impl AnswerBody>, Reply> {
        let address = ticket.address();
        let over = http_body::Body::is_end_stream(answer.body());
        let plain = answer.status() == StatusCode::OK
            && !answer.headers().contains_key(Status::GRPC_STATUS);
        if over || !plain {
            let (head, body) = answer.into_parts();
            let reply = Reply::from_parts(head, Body::empty());
            let mut reply = self.0.peer.understood(reply, address);
            reply.known_mut().served = Some(address);
            let outcome = Outcome::of(&reply).unwrap_or(Outcome::Failure);
            told(&reply, &mut ticket, outcome);
            // What follows an error is not for us: a page for people, or nothing.
            if over || outcome != Outcome::Ok {
                return Either::Right(reply);
            }
            answer = http::Response::from_parts(reply.into_parts().0, body);
        }
        let shared = Arc::clone(&self.0);
        // A peer's own errors come as trailers; an error of the body is the connection's.
        let told = move |error| Status::from(shared.peer.lost_during(&error, address).0);
        Either::Left(answer.map(|body| Held::new((body, told), ticket, streams)))
    }
}

/// The body of an answer.
trait AnswerBody: http_body::Body<Data = Bytes, Error = Status> + Send + Unpin + 'static {}

impl<B> AnswerBody for B where
    B: http_body::Body<Data = Bytes, Error = Status> + Send + Unpin + 'static
{
}

impl Rest for Transport {
    fn run(&self, call: Call) -> impl Answer + use<> {
        Box::pin(self.clone().send(call))
    }
}

impl Peer {
    fn address(&self, request: &mut Request, endpoint: Option<&Authority>) {
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = self.authority.as_ref().or(endpoint).cloned();
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
        let agent = request.headers_mut().entry(header::USER_AGENT);
        agent.or_insert_with(|| self.agent.clone());
    }

    /// The same in gRPC's words, where something between us and the peer has answered.
    fn understood(&self, answer: Reply, address: SocketAddr) -> Reply {
        let status = answer.status();
        if status == StatusCode::OK || answer.headers().contains_key(Status::GRPC_STATUS) {
            return answer;
        }
        let code = code_of(&answer).unwrap_or(Code::Unknown);
        let message = format!(
            "{} answered HTTP {status} and no gRPC: {address}",
            self.target
        );
        let facts = [
            (TARGET, self.target.clone()),
            ("address", address.to_string()),
        ];
        let facts: HashMap<_, _> = facts.map(|(key, fact)| (key.to_owned(), fact)).into();
        let details = ErrorDetails::with_error_info("NOT_GRPC", DOMAIN, facts);
        reply(Status::with_error_details(code, message, details))
    }

    fn lost(&self, error: &(dyn Error + 'static), mut ticket: Ticket) -> Reply {
        let (fault, outcome) = self.lost_during(error, ticket.address());
        ticket.because("the connection was lost");
        ticket.record(outcome);
        let mut answer = outcome.mark(reply(fault));
        answer.known_mut().served = Some(ticket.address());
        answer
    }

    /// Tells "never processed" from "sent, fate unknown".
    fn lost_during(&self, error: &(dyn Error + 'static), address: SocketAddr) -> (Fault, Outcome) {
        let causes = std::iter::successors(Some(error), |error| (*error).source());
        let root = causes.last().map(ToString::to_string).unwrap_or_default();
        let protocol = protocol_error(error);
        // GOAWAY is told to streams above the last that was processed only; and a refused
        // stream was not processed by definition.
        let unprocessed = protocol.is_some_and(|error| {
            let refused = error.reason() == Some(h2::Reason::REFUSED_STREAM);
            error.is_remote() && (error.is_go_away() || refused)
        });
        let (outcome, reason, what) = if unprocessed {
            (
                Outcome::NeverProcessed,
                "PEER_UNAVAILABLE",
                "did not take the call",
            )
        } else {
            (
                Outcome::Failure,
                "CONNECTION_LOST",
                "went away during the call",
            )
        };
        let message = format!("{what}: {address}: {root}");
        (self.fault(reason, &message, Some(address)), outcome)
    }

    fn refused(&self, refusal: &Refusal) -> Reply {
        match refusal {
            Refusal::QueueFull => {
                let what = "too many calls wait for a connection";
                let fault = self.fault("QUEUE_FULL", what, None);
                let mut answer = Outcome::NeverProcessed.mark(reply(fault));
                answer.known_mut().crowded = true;
                answer
            }
            Refusal::Unreachable(trouble) => {
                let what = format!("cannot be reached: {trouble}");
                let fault = self.fault("PEER_UNAVAILABLE", &what, trouble.address());
                Outcome::NeverProcessed.mark(reply(fault))
            }
        }
    }

    fn fault(&self, reason: &'static str, what: &str, address: Option<SocketAddr>) -> Fault {
        let message = format!("{} {what}", self.target);
        let fault = Fault::new(ErrorKind::Unavailable, reason, message).with(TARGET, &self.target);
        match address {
            Some(address) => fault.with("address", address),
            None => fault,
        }
    }
}

// What was left of it when its endpoint was picked: it may have waited, above and for a connection.
fn tell_time(request: &mut Request, left: Option<Duration>, untouched: Option<Duration>) {
    if let Some(left) = left {
        let told = deadline::told(left, untouched);
        request.headers_mut().insert(deadline::HEADER, told);
    }
}

// What the answer's headers say about the call's end.
fn told(answer: &Reply, ticket: &mut Ticket, outcome: Outcome) {
    if outcome == Outcome::Failure
        && let Some(code) = code_of(answer)
    {
        ticket.because(reason_for(code));
    }
    ticket.record(outcome);
}
