//! Rate, errors, duration of each method, under the names gRPC dashboards know;
//! measured to the end of the answer's body.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use http::HeaderMap;
use metrics::{Counter, Histogram};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Status};
use tracing::{debug, warn};

use super::load_shed::ShedMeters;
use super::reply::Ended;
use super::retry::PREVIOUS;
use super::trace::Told;
use super::{Answer, Call, Pattern, Polled, Reply, Rest, poll_body};
use crate::context::Context as CallContext;
use crate::peer::Peer;
use crate::policy::Method;
use crate::span::{Span, SpanKind, Spans};

/// Names of one side's metrics.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) started: &'static str,
    pub(crate) handled: &'static str,
    pub(crate) seconds: &'static str,
    of: Of,
    /// Where a method keeps this side's meters.
    kept: fn(&Method) -> &OnceLock<Meters>,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Served,
    Called,
    Tried,
}

/// The meters of one method on one side. Made by its first call, which must not come before the
/// recorder is installed, and kept: looking them up by their labels costs more than counting.
#[derive(Debug)]
pub(crate) struct Meters {
    started: Counter,
    seconds: Histogram,
    /// By code, made when it first comes.
    handled: [OnceLock<Counter>; CODES],
    /// Of those refused unseen.
    pub(crate) shed: ShedMeters,
}

const CODES: usize = 17;

/// What servers count.
pub(crate) const SERVER: &Names = &Names {
    started: "grpc_server_started_total",
    handled: "grpc_server_handled_total",
    seconds: "grpc_server_handling_seconds",
    of: Of::Served,
    kept: |method| &method.served,
};

/// What clients count.
pub(crate) const CLIENT: &Names = &Names {
    started: "grpc_client_started_total",
    handled: "grpc_client_handled_total",
    seconds: "grpc_client_handling_seconds",
    of: Of::Called,
    kept: |method| &method.called,
};

/// What clients count of each attempt: a call that is tried again is several of these.
pub(crate) const ATTEMPT: &Names = &Names {
    started: "grpc_client_attempts_started_total",
    handled: "grpc_client_attempts_handled_total",
    seconds: "grpc_client_attempt_seconds",
    of: Of::Tried,
    kept: |method| &method.tried,
};

/// Counts and times every call, and makes it a span where spans are wanted.
#[derive(Clone)]
pub(crate) struct Metrics {
    names: &'static Names,
    spans: Option<(SpanKind, &'static str, Spans)>,
}

impl Metrics {
    pub(crate) fn new(names: &'static Names) -> Self {
        Self { names, spans: None }
    }

    /// With spans of that kind, by that name.
    pub(crate) fn with(self, kind: SpanKind, who: &'static str, spans: &Spans) -> Self {
        let spans = spans.are_wanted().then(|| (kind, who, spans.clone()));
        Self { spans, ..self }
    }
}

impl Names {
    pub(crate) fn meters<'a>(&self, method: &'a Method) -> &'a Meters {
        (self.kept)(method).get_or_init(|| Meters {
            started: metrics::counter!(
                self.started,
                "grpc_type" => method.kind,
                "grpc_service" => method.service.clone(),
                "grpc_method" => method.name.clone(),
            ),
            seconds: metrics::histogram!(
                self.seconds,
                "grpc_type" => method.kind,
                "grpc_service" => method.service.clone(),
                "grpc_method" => method.name.clone(),
            ),
            handled: Default::default(),
            shed: ShedMeters::default(),
        })
    }

    fn count(&self, method: &Method, code: Code) {
        let made = || {
            metrics::counter!(
                self.handled,
                "grpc_type" => method.kind,
                "grpc_service" => method.service.clone(),
                "grpc_method" => method.name.clone(),
                "grpc_code" => label(code),
            )
        };
        let kept = usize::try_from(i32::from(code)).ok();
        let kept = kept.and_then(|code| self.meters(method).handled.get(code));
        match kept {
            Some(kept) => kept.get_or_init(made).increment(1),
            None => made().increment(1),
        }
    }
}

impl Pattern for Metrics {
    fn around<R: Rest>(&self, call: Call, rest: &R) -> impl Answer + use<R> {
        let spans = self.spans.as_ref();
        let open = spans.and_then(|spans| Open::new(spans, &call));
        let mut record = Record::start(self.names, &call, open);
        if self.names.of == Of::Tried {
            record.due = CallContext::deadline_at_hand();
        }
        let work = rest.run(call);
        work.map(move |reply| {
            record.answered(&reply);
            if let Some(Ended { code, at }) = reply.ending() {
                record.end(code, at);
                return reply;
            }
            reply.map(|body| Body::new(Observed { body, record }))
        })
    }
}

pub(crate) fn code_in(headers: &HeaderMap) -> Option<Code> {
    headers
        .get(Status::GRPC_STATUS)
        .map(|code| Code::from_bytes(code.as_bytes()))
}

/// One call, counted when it ends; dropped before that, it was cancelled.
struct Record {
    names: &'static Names,
    method: Arc<Method>,
    started: Instant,
    ended: bool,
    /// When whoever stands above gives it up: it then ran out of time, nobody cancelled it.
    due: Option<Instant>,
    open: Option<Box<Open>>,
}

impl Record {
    fn start(names: &'static Names, call: &Call, open: Option<Box<Open>>) -> Self {
        names.meters(&call.method).started.increment(1);
        Self {
            names,
            method: Arc::clone(&call.method),
            started: call.begun,
            ended: false,
            due: None,
            open,
        }
    }

    fn answered(&mut self, reply: &Reply) {
        if let (Some(open), Some(address)) = (&mut self.open, reply.known().served) {
            open.span.peer = Some(address);
        }
    }

    fn end(&mut self, code: Code, at: Instant) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let took = at.saturating_duration_since(self.started);
        self.names.count(&self.method, code);
        self.names.meters(&self.method).seconds.record(took);
        if let Some(open) = self.open.take() {
            open.close(took, code);
        }
        if self.names.of != Of::Tried {
            self.log(code, took);
        }
    }

    fn log(&self, code: Code, took: Duration) {
        let Method { service, name, .. } = &*self.method;
        let (metric, millis) = (self.names.handled, took.as_millis());
        match code {
            Code::Internal | Code::Unknown | Code::DataLoss => {
                warn!(metric, %service, method = %name, code = label(code), millis, "call failed");
            }
            _ => debug!(metric, %service, method = %name, code = label(code), millis, "call ended"),
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let now = Instant::now();
        let late = self.due.is_some_and(|due| due <= now);
        let code = if late {
            Code::DeadlineExceeded
        } else {
            Code::Cancelled
        };
        self.end(code, now);
    }
}

/// A span that has not ended yet.
struct Open {
    span: Span,
    spans: Spans,
}

impl Open {
    /// None where whoever began the trace wants no spans of it.
    fn new((kind, who, spans): &(SpanKind, &'static str, Spans), call: &Call) -> Option<Box<Self>> {
        let context = CallContext::current();
        let trace = match kind {
            SpanKind::Server => Some(context.trace()),
            SpanKind::Client => call.request.extensions().get().map(|Told(trace)| trace),
        };
        // Asked first: most of what follows is copied.
        let trace = trace.filter(|trace| trace.is_sampled())?.clone();
        let peer = call.request.extensions().get::<Peer>();
        let peer = peer.filter(|_| *kind == SpanKind::Server);
        let previous = call.request.headers().get(PREVIOUS);
        let previous = previous.and_then(|count| count.to_str().ok()?.parse().ok());
        let span = Span {
            kind: *kind,
            who,
            service: call.method.service.clone(),
            method: call.method.name.clone(),
            request_id: context.request_id().into_owned(),
            previous: previous.unwrap_or(0),
            peer: peer.and_then(|peer| peer.address),
            caller: peer.and_then(Peer::name).map(str::to_owned),
            begun: call.begun,
            took: Duration::ZERO,
            code: Code::Unknown,
            trace,
        };
        let spans = spans.clone();
        Some(Box::new(Self { span, spans }))
    }

    fn close(self, took: Duration, code: Code) {
        self.spans.ended(Span {
            took,
            code,
            ..self.span
        });
    }
}

/// A body that tells its record how the call ended.
struct Observed {
    body: Body,
    record: Record,
}

impl http_body::Body for Observed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let frame = poll_body(&mut self.body, cx);
        match &frame {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(code) = frame.trailers_ref().and_then(code_in) {
                    self.record.end(code, Instant::now());
                }
            }
            Poll::Ready(Some(Err(status))) => self.record.end(status.code(), Instant::now()),
            Poll::Ready(None) => self.record.end(Code::Unknown, Instant::now()),
            Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        http_body::Body::is_end_stream(&self.body)
    }
}

/// The code as the usual dashboards spell it.
pub(crate) fn label(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{call_by, ending, endless, service};
    use super::super::trailers;
    use super::*;
    use crate::error::{ErrorKind, Fault};
    use crate::policy::Policies;
    use http_body::Frame;
    use metrics_exporter_prometheus::PrometheusBuilder;

    /// What is rendered after one call whose answer is `reply`, read to its end or dropped.
    fn rendered(reply: fn() -> Reply, read: bool) -> String {
        rendered_after(1, reply, read)
    }

    fn rendered_after(calls: usize, reply: fn() -> Reply, read: bool) -> String {
        let recorder = PrometheusBuilder::new().build_recorder();
        let policies = Policies::read(proto::DESCRIPTORS).unwrap();
        metrics::with_local_recorder(&recorder, || {
            let layer = Metrics::new(SERVER);
            let rest = service(move |_| async move { reply() });
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            for _ in 0..calls {
                let layer = layer.clone();
                let answer =
                    layer.around(call_by(&policies, "/grpc.health.v1.Health/Check"), &rest);
                runtime.block_on(async {
                    let answer = answer.await;
                    if read {
                        ending(answer).await;
                    }
                });
            }
        });
        recorder.handle().render()
    }

    fn handled(code: &str) -> String {
        let labels =
            "grpc_type=\"unary\",grpc_service=\"grpc.health.v1.Health\",grpc_method=\"Check\"";
        format!("grpc_server_handled_total{{{labels},grpc_code=\"{code}\"}} 1")
    }

    #[test]
    fn a_failure_is_counted_by_its_code() {
        let shown = rendered(|| super::super::reply(Status::not_found("x")), true);
        assert!(shown.contains(&handled("NotFound")), "{shown}");
        assert!(shown.contains("grpc_server_started_total{"), "{shown}");
        assert!(
            shown.contains("grpc_server_handling_seconds_count{"),
            "{shown}"
        );
    }

    #[test]
    fn calls_of_a_method_are_counted_together() {
        let shown = rendered_after(3, || super::super::reply(Status::not_found("x")), true);
        let counted = handled("NotFound").replace("} 1", "} 3");
        assert!(shown.contains(&counted), "{shown}");
        assert!(!shown.contains("grpc_code=\"OK\""), "{shown}");
    }

    #[test]
    fn a_streaming_answer_is_counted_by_its_trailers() {
        let streamed = || {
            let end = trailers(Fault::new(ErrorKind::Conflict, "X", "x"));
            let frames = [Frame::data(Bytes::new()), end].map(Ok::<_, Status>);
            let frames = futures::stream::iter(frames);
            Reply::new(Body::new(http_body_util::StreamBody::new(frames)))
        };
        assert!(rendered(streamed, true).contains(&handled("Aborted")));
    }

    #[test]
    fn an_answer_nobody_reads_to_its_end_was_cancelled() {
        assert!(rendered(|| endless(vec![]), false).contains(&handled("Canceled")));
    }
}
