//! Spans: what a server did for a call, and each attempt of a client's, with the ids that go over
//! the wire. Nobody sees them unless somebody takes them: see `otlp`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::Instant;
use tonic::Code;

use crate::trace::TraceContext;

/// Counts spans for which there was no room.
pub(crate) const DROPPED: &str = "mesh_spans_dropped_total";

/// Which side of a call a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// From a call's arrival to the end of its answer.
    Server,
    /// One attempt, from when it is to be sent to the end of its answer.
    Client,
}

/// What happened between two moments, within a trace.
#[derive(Debug, Clone)]
pub struct Span {
    /// Which side it is.
    pub kind: SpanKind,
    /// Whose it is: a server's name, or a client's caller.
    pub who: &'static str,
    /// Its trace, its own id and its parent's.
    pub trace: TraceContext,
    /// The full name of the service that was called.
    pub service: Arc<str>,
    /// The method that was called.
    pub method: Arc<str>,
    /// The request's id, as in logs.
    pub request_id: String,
    /// Attempts of the same call before this one.
    pub previous: u32,
    /// The endpoint that answered an attempt; at a server, where the caller is.
    pub peer: Option<SocketAddr>,
    /// At a server: the name its caller has proved to have.
    pub caller: Option<String>,
    /// When it began.
    pub begun: Instant,
    /// How long it took.
    pub took: Duration,
    /// How it ended.
    pub code: Code,
}

/// Where spans go when they have ended; nowhere by default. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Spans(Option<Sender<Span>>);

impl Spans {
    /// Into a channel that holds `most` of them; what ends while it is full is dropped, and counted.
    pub fn channel(most: usize) -> (Self, Receiver<Span>) {
        let (sender, receiver) = channel(most.max(1));
        (Self(Some(sender)), receiver)
    }

    /// Whether it is worth the while to make spans.
    pub(crate) fn are_wanted(&self) -> bool {
        self.0.is_some()
    }

    /// Hands one on, without waiting.
    pub(crate) fn ended(&self, span: Span) {
        let Some(sender) = &self.0 else { return };
        if sender.try_send(span).is_err() {
            metrics::counter!(DROPPED).increment(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics_exporter_prometheus::PrometheusBuilder;
    use seam::SeededIds;

    fn span() -> Span {
        Span {
            kind: SpanKind::Server,
            who: "probe",
            trace: TraceContext::start(&SeededIds::new(1)),
            service: "x".into(),
            method: "Y".into(),
            request_id: String::new(),
            previous: 0,
            peer: None,
            caller: None,
            begun: Instant::now(),
            took: Duration::ZERO,
            code: Code::Ok,
        }
    }

    #[test]
    fn what_has_no_room_is_dropped_and_counted_and_nobody_waits() {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            let (spans, mut taken) = Spans::channel(2);
            (0..5).for_each(|_| spans.ended(span()));
            assert_eq!(taken.len(), 2);
            taken.try_recv().unwrap();
            spans.ended(span());
            assert_eq!(taken.len(), 2);
        });
        let shown = recorder.handle().render();
        assert!(shown.contains(&format!("{DROPPED} 3")), "{shown}");
    }

    #[test]
    fn spans_that_nobody_wants_are_not_made() {
        assert!(!Spans::default().are_wanted());
        Spans::default().ended(span());
    }
}
