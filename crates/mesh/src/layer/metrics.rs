//! Rate, errors, duration of each method, under the names gRPC dashboards know;
//! measured to the end of the answer's body.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use metrics::{Counter, Histogram};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Status};
use tracing::{debug, warn};

use super::load_shed::ShedMeters;
use super::{Call, Pattern, Polled, Reply, Rest, poll_body};
use crate::policy::{Method, Policies};

/// Names of one side's metrics.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) started: &'static str,
    pub(crate) handled: &'static str,
    pub(crate) seconds: &'static str,
    /// Where a method keeps this side's meters.
    kept: fn(&Method) -> &OnceLock<Meters>,
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
    kept: |method| &method.served,
};

/// What clients count.
pub(crate) const CLIENT: &Names = &Names {
    started: "grpc_client_started_total",
    handled: "grpc_client_handled_total",
    seconds: "grpc_client_handling_seconds",
    kept: |method| &method.called,
};

/// Counts and times every call.
#[derive(Clone)]
pub(crate) struct Metrics {
    pub(crate) names: &'static Names,
    pub(crate) policies: Policies,
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

    fn handled(&self, method: &Method, code: Code) -> Counter {
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
        kept.map_or_else(made, |kept| kept.get_or_init(made).clone())
    }
}

impl Pattern for Metrics {
    fn around<R: Rest>(self, call: Call, rest: R) -> impl Future<Output = Reply> + Send + 'static {
        let method = self.policies.method(call.uri().path()).clone();
        let mut record = Record::start(self.names, method);
        let work = rest.run(call);
        async move {
            let reply = work.await;
            if let Some(code) = code_in(reply.headers()) {
                record.end(code);
            }
            reply.map(|body| Body::new(Observed { body, record }))
        }
    }
}

fn code_in(headers: &HeaderMap) -> Option<Code> {
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
}

impl Record {
    fn start(names: &'static Names, method: Arc<Method>) -> Self {
        names.meters(&method).started.increment(1);
        Self {
            names,
            method,
            started: Instant::now(),
            ended: false,
        }
    }

    fn end(&mut self, code: Code) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let took = self.started.elapsed();
        self.names.handled(&self.method, code).increment(1);
        self.names.meters(&self.method).seconds.record(took);
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
        self.end(Code::Cancelled);
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
                    self.record.end(code);
                }
            }
            Poll::Ready(Some(Err(status))) => self.record.end(status.code()),
            Poll::Ready(None) => self.record.end(Code::Unknown),
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
    use super::super::testing::{call, ending, endless, service};
    use super::super::trailers;
    use super::*;
    use crate::error::{ErrorKind, Fault};
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
            let layer = Metrics {
                names: SERVER,
                policies,
            };
            let rest = service(move |_| async move { reply() });
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            for _ in 0..calls {
                let layer = layer.clone();
                let answer = layer.around(call("/grpc.health.v1.Health/Check"), rest.clone());
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
