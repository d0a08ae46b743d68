//! One call's hold on a stream and on its endpoint's attention, from the pick to the end of the
//! answer's body.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::uri::Authority;
use hyper::client::conn::http2::SendRequest;
use tokio::time::Instant;
use tonic::body::Body;

use super::Shared;
use super::connection::Line;
use crate::endpoint::Endpoint;
use crate::layer::{Polled, poll_body};
use crate::outcome::Outcome;

/// A stream taken for one call.
pub(crate) struct Ticket {
    shared: Arc<Shared>,
    endpoint: Arc<Endpoint>,
    line: Arc<Line>,
    picked: Instant,
    deadline: Option<Instant>,
    /// How long it took, once that is known; a stream's length says nothing about its peer.
    latency: Option<Duration>,
    recorded: bool,
}

impl Ticket {
    pub(super) fn new(
        shared: &Arc<Shared>,
        endpoint: &Arc<Endpoint>,
        line: Arc<Line>,
        now: Instant,
    ) -> Self {
        // Takes the probe, if it is the one that finds out.
        endpoint.breaker().allows(now);
        endpoint.enter();
        shared.meters.picked(endpoint);
        Self {
            shared: Arc::clone(shared),
            endpoint: Arc::clone(endpoint),
            line,
            picked: now,
            deadline: None,
            latency: None,
            recorded: false,
        }
    }

    /// Ends unanswered at that time, the call counts as failed.
    pub(crate) fn due(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.endpoint.address()
    }

    pub(crate) fn authority(&self) -> Option<&Authority> {
        self.endpoint.authority()
    }

    pub(crate) fn sender(&self) -> SendRequest<Body> {
        self.line.sender()
    }

    /// Takes the time now: what follows is the length of the answer.
    pub(crate) fn answered(&mut self) {
        self.latency.get_or_insert(self.picked.elapsed());
    }

    /// Notes how the call ended, once.
    pub(crate) fn record(&mut self, outcome: Outcome) {
        if !std::mem::replace(&mut self.recorded, true) {
            let latency = self.latency.unwrap_or_else(|| self.picked.elapsed());
            self.endpoint.observe(latency, outcome);
        }
    }

    // Given up by its caller.
    fn abandoned(&mut self) {
        let now = Instant::now();
        let late = self.deadline.is_some_and(|deadline| now >= deadline);
        match self.latency {
            // An answer that goes on for as long as its caller listens.
            Some(_) => self.record(Outcome::Ok),
            None if late => self.record(Outcome::Failure),
            None => self
                .endpoint
                .observe_at_least(now.saturating_duration_since(self.picked)),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.recorded {
            self.abandoned();
        }
        self.endpoint.leave();
        self.line.release();
        self.shared.freed();
    }
}

/// A body that gives its ticket back when it ends.
pub(crate) struct Held {
    body: Body,
    ticket: Option<Ticket>,
    streams: bool,
}

impl Held {
    /// `streams`: it may have many messages, and only the first says how quick the peer is.
    pub(crate) fn new(body: Body, ticket: Ticket, streams: bool) -> Self {
        Self {
            body,
            ticket: Some(ticket),
            streams,
        }
    }

    fn end(&mut self, outcome: Outcome) {
        if let Some(mut ticket) = self.ticket.take() {
            ticket.record(outcome);
        }
    }
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let this = &mut *self;
        let frame = poll_body(&mut this.body, cx);
        match &frame {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(frame))) => match frame.trailers_ref() {
                Some(trailers) => this.end(Outcome::of_trailers(trailers)),
                None if this.streams => {
                    if let Some(ticket) = &mut this.ticket {
                        ticket.answered();
                    }
                }
                None => {}
            },
            Poll::Ready(Some(Err(status))) => this.end(Outcome::of_status(status)),
            Poll::Ready(None) => this.end(Outcome::Failure),
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        http_body::Body::is_end_stream(&self.body)
    }
}
