//! What stands at the bottom of a client's stack: a call is sent over one of the pool's
//! connections, and what becomes of it is told as a status.
//! Nothing outside this file and the pool knows which transport it is.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri, header};
use http_body_util::BodyExt;
use seam::net::Net;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;

use crate::client::{ClientSettings, TargetError};
use crate::discover::Target;
use crate::error::{ErrorKind, Fault};
use crate::layer::deadline::requested;
use crate::layer::retry::{Avoid, Served};
use crate::layer::{Call, Reply, Rest, reply};
use crate::outcome::Outcome;
use crate::policy::Policies;
use crate::pool::connection::protocol_error;
use crate::pool::ticket::{Held, Ticket};
use crate::pool::{Pool, Refusal};

// A request that comes back unsent is sent again at once; so often that this fails, it is told.
const SENDINGS: usize = 4;

/// Sends calls to a target; always ready, it waits within the call.
#[derive(Clone)]
pub(crate) struct Transport {
    pool: Pool,
    policies: Policies,
    peer: Arc<Peer>,
}

/// What a call says about both ends.
struct Peer {
    target: String,
    /// By what name the peer is called; else by its address.
    authority: Option<Authority>,
    agent: HeaderValue,
}

impl Transport {
    /// Within a tokio runtime; dials at once, in the background.
    pub(crate) fn new(
        settings: &ClientSettings,
        net: Arc<dyn Net>,
        policies: Policies,
    ) -> Result<Self, TargetError> {
        let malformed = || TargetError(settings.target.clone());
        let target = Target::parse(&settings.target).ok_or_else(malformed)?;
        let agent = format!("paymesh-{}/{}", settings.caller, env!("CARGO_PKG_VERSION"));
        let peer = Peer {
            target: settings.target.clone(),
            authority: target.authority(),
            agent: HeaderValue::try_from(agent).map_err(|_| malformed())?,
        };
        let pool = Pool::new(settings, target, net);
        Ok(Self {
            pool,
            policies,
            peer: Arc::new(peer),
        })
    }

    async fn send(self, mut call: Call) -> Reply {
        let deadline = requested(call.headers()).map(|left| Instant::now() + left);
        let avoid = call.extensions().get().map(|Avoid(address)| *address);
        let streams = self
            .policies
            .method(call.uri().path())
            .kind
            .ends_with("stream");
        for _ in 0..SENDINGS {
            let mut ticket = match self.pool.ticket(avoid, deadline).await {
                Ok(ticket) => ticket,
                Err(refusal) => return self.peer.refused(&refusal),
            };
            ticket.due(deadline);
            self.peer.address(&mut call, ticket.authority());
            match ticket.sender().try_send_request(call).await {
                Ok(answer) => return self.peer.answer(answer.map(Body::new), ticket, streams),
                Err(mut error) => match error.take_message() {
                    // The connection ended before it was sent.
                    Some(unsent) => {
                        ticket.record(Outcome::NeverProcessed);
                        call = unsent;
                    }
                    None => return self.peer.lost(error.error(), ticket),
                },
            }
        }
        let fault = self
            .peer
            .fault("PEER_UNAVAILABLE", "keeps going away", None);
        Outcome::NeverProcessed.mark(reply(fault))
    }
}

impl Rest for Transport {
    fn run(self, call: Call) -> impl Future<Output = Reply> + Send + 'static {
        self.send(call)
    }
}

impl Peer {
    fn address(&self, call: &mut Call, endpoint: Option<&Authority>) {
        let mut parts = std::mem::take(call.uri_mut()).into_parts();
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = self.authority.as_ref().or(endpoint).cloned();
        if let Ok(uri) = Uri::from_parts(parts) {
            *call.uri_mut() = uri;
        }
        let agent = call.headers_mut().entry(header::USER_AGENT);
        agent.or_insert_with(|| self.agent.clone());
    }

    fn answer(self: &Arc<Self>, mut answer: Reply, mut ticket: Ticket, streams: bool) -> Reply {
        let address = ticket.address();
        answer.extensions_mut().insert(Served(address));
        // One that ended with its headers is over.
        if http_body::Body::is_end_stream(answer.body()) {
            ticket.record(Outcome::of(&answer).unwrap_or(Outcome::Failure));
            return answer;
        }
        if streams && let Some(outcome @ Outcome::Failure) = Outcome::of(&answer) {
            ticket.record(outcome);
        }
        let peer = Arc::clone(self);
        // A peer's own errors come as trailers; an error of the body is the connection's.
        answer.map(|body| {
            let body = body.map_err(move |error| Status::from(peer.lost_during(&error, address).0));
            Body::new(Held::new(Body::new(body), ticket, streams))
        })
    }

    fn lost(&self, error: &(dyn Error + 'static), mut ticket: Ticket) -> Reply {
        let (fault, outcome) = self.lost_during(error, ticket.address());
        ticket.record(outcome);
        let mut answer = outcome.mark(reply(fault));
        answer.extensions_mut().insert(Served(ticket.address()));
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
        let fault = match refusal {
            Refusal::QueueFull => {
                self.fault("QUEUE_FULL", "too many calls wait for a connection", None)
            }
            Refusal::Unreachable(trouble) => {
                let what = format!("cannot be reached: {trouble}");
                self.fault("PEER_UNAVAILABLE", &what, trouble.address())
            }
        };
        Outcome::NeverProcessed.mark(reply(fault))
    }

    fn fault(&self, reason: &'static str, what: &str, address: Option<SocketAddr>) -> Fault {
        let message = format!("{} {what}", self.target);
        let fault =
            Fault::new(ErrorKind::Unavailable, reason, message).with("target", &self.target);
        match address {
            Some(address) => fault.with("address", address),
            None => fault,
        }
    }
}
