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
use super::meters::Picked;
use crate::breaker::Gate;
use crate::endpoint::Endpoint;
use crate::error::reason_for;
use crate::layer::Polled;
use crate::layer::metrics::code_in;
use crate::outcome::Outcome;
use crate::pick::Wish;

/// A stream taken for one call.
pub(crate) struct Ticket {
    shared: Arc<Shared>,
    endpoint: Arc<Endpoint>,
    line: Arc<Line>,
    picked: Instant,
    deadline: Option<Instant>,
    /// How long it took, once that is known; a stream's length says nothing about its peer.
    latency: Option<Duration>,
    /// When it ended.
    ended: Option<Instant>,
    /// How it failed, for people.
    failed: Option<String>,
    /// Its peer has answered, with a stream: how long that is silent says nothing about the peer.
    streams: bool,
    /// Whether it finds out if an ejected endpoint works again.
    probe: bool,
    recorded: bool,
}

impl Ticket {
    pub(super) fn new(
        shared: &Arc<Shared>,
        endpoint: &Arc<Endpoint>,
        (line, gate): (Arc<Line>, Gate),
        Wish { avoid, now }: Wish,
    ) -> Self {
        let picked = match gate {
            Gate::Probe => Picked::Probe,
            Gate::Open => Picked::Ejected,
            Gate::Closed if avoid == Some(endpoint.address()) => Picked::Avoided,
            Gate::Closed => Picked::Fit,
        };
        endpoint.enter();
        shared.meters.picked(picked);
        Self {
            shared: Arc::clone(shared),
            endpoint: Arc::clone(endpoint),
            line,
            picked: now,
            deadline: None,
            latency: None,
            ended: None,
            failed: None,
            streams: false,
            probe: picked == Picked::Probe,
            recorded: false,
        }
    }

    /// Ends unanswered at that time, the call counts as failed.
    pub(crate) fn due(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    /// How much time there was for it when it was picked.
    pub(crate) fn left(&self) -> Option<Duration> {
        let deadline = self.deadline?;
        Some(deadline.saturating_duration_since(self.picked))
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

    /// Says how it failed, before that is recorded.
    pub(crate) fn because(&mut self, what: impl Into<String>) {
        self.failed = Some(what.into());
    }

    /// Notes how the call ended, once.
    pub(crate) fn record(&mut self, outcome: Outcome) {
        if !std::mem::replace(&mut self.recorded, true) {
            let now = Instant::now();
            self.ended = Some(now);
            let whole = now.saturating_duration_since(self.picked);
            let latency = self.latency.unwrap_or(whole);
            if outcome == Outcome::Failure {
                let what = self.failed.take();
                let what = what.unwrap_or_else(|| "ended without a status".to_owned());
                self.endpoint
                    .note_failure(format!("{what}, after {latency:.1?}"));
            }
            let ejected = if self.probe {
                self.endpoint.observe_probe(latency, outcome, now)
            } else {
                self.endpoint.observe(latency, outcome, now)
            };
            self.shared.judged(outcome, (self.probe, ejected));
        }
    }

    // Given up by its caller.
    fn abandoned(&mut self) {
        let now = Instant::now();
        let late = self.deadline.is_some_and(|deadline| now >= deadline);
        match self.latency {
            // An answer that goes on for as long as its caller listens.
            Some(_) => self.record(Outcome::Ok),
            None if late => {
                self.because("no answer within the call's time");
                self.record(Outcome::Failure);
            }
            None if self.streams => {}
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
        self.line.release(self.ended.unwrap_or_else(Instant::now));
        self.shared.freed();
    }
}

/// A body that gives its ticket back when it ends.
pub(crate) struct Held<B, F> {
    body: B,
    /// What an error of the body's own is told as.
    told: F,
    ticket: Option<Ticket>,
    streams: bool,
}

impl<B, F> Held<B, F> {
    /// `streams`: it may have many messages, and only the first says how quick the peer is.
    pub(crate) fn new((body, told): (B, F), mut ticket: Ticket, streams: bool) -> Self {
        ticket.streams = streams;
        Self {
            body,
            told,
            ticket: Some(ticket),
            streams,
        }
    }

    fn end(&mut self, outcome: Outcome, what: impl FnOnce() -> Option<String>) {
        if let Some(mut ticket) = self.ticket.take() {
            if outcome == Outcome::Failure {
                ticket.failed = what();
            }
            ticket.record(outcome);
        }
    }
}

impl<B, F> http_body::Body for Held<B, F>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    F: FnMut(B::Error) -> tonic::Status + Unpin,
{
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let this = &mut *self;
        let frame = Pin::new(&mut this.body).poll_frame(cx);
        let frame = frame.map_err(&mut this.told);
        match &frame {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(frame))) => match frame.trailers_ref() {
                Some(trailers) => this.end(Outcome::of_trailers(trailers), || {
                    code_in(trailers).map(|code| reason_for(code).to_owned())
                }),
                None if this.streams => {
                    if let Some(ticket) = &mut this.ticket {
                        ticket.answered();
                    }
                }
                None => {}
            },
            Poll::Ready(Some(Err(status))) => {
                this.end(Outcome::of_status(status), || {
                    Some(status.message().to_owned())
                });
            }
            Poll::Ready(None) => this.end(Outcome::Failure, || None),
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}
