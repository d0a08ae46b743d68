//! Sends spans to an OpenTelemetry collector: OTLP over gRPC, in batches, with a client of the
//! mesh's own. A collector that is away costs spans and nothing else: calls never wait for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto as otel;
use otel::tonic::collector::trace::v1::ExportTraceServiceRequest;
use otel::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use otel::tonic::common::v1::any_value::Value;
use otel::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use otel::tonic::resource::v1::Resource;
use otel::tonic::trace::v1::span::SpanKind as WireKind;
use otel::tonic::trace::v1::status::StatusCode;
use otel::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as WireSpan, Status as WireStatus};
use seam::Clock;
use seam::net::Net;
use thiserror::Error;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep};
use tonic::{Code, Request, Status};
use tracing::{info, warn};

use crate::client::{Client, ClientSettings, TargetError};
use crate::context::Context;
use crate::directory::Directory;
use crate::lifecycle::Lifecycle;
use crate::policy::{Policies, PolicyError};
use crate::span::{Span, SpanKind, Spans};

/// Counts spans by whether the collector has taken them.
pub(crate) const EXPORTED: &str = "mesh_otlp_spans_total";

// Spans that may wait: some megabytes, and a few seconds of a busy process.
const WAITING: usize = 8192;
const BATCH: usize = 512;
// How long a batch may wait until it is full; less when the process is about to end.
const EVERY: Duration = Duration::from_secs(1);
const AT_LAST: Duration = Duration::from_millis(50);
const WITHIN: Duration = Duration::from_secs(5);
const WITHIN_AT_LAST: Duration = Duration::from_secs(1);

/// Why spans cannot be exported.
#[derive(Debug, Error)]
pub enum OtlpError {
    /// Not a collector's address.
    #[error("{0:?} is not http://host:port, the address of a collector that takes OTLP over gRPC")]
    Endpoint(String),
    /// As `Endpoint`.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Never: there is no descriptor to be wrong.
    #[error(transparent)]
    Policies(#[from] PolicyError),
}

/// Spans that go to the collector at `endpoint` (`http://host:4317`); within a tokio runtime. The
/// lifecycle ends only when the last of them are sent, or lost; the directory knows the collector.
pub fn export(
    endpoint: &str,
    (net, clock): (Arc<dyn Net>, Arc<dyn Clock>),
    (lifecycle, directory): (&Lifecycle, &Directory),
) -> Result<Spans, OtlpError> {
    let client = ClientSettings {
        connections: 1,
        directory: directory.clone(),
        ..ClientSettings::new("otlp", target(endpoint)?)
    };
    let client = Client::new(client, net, Policies::read(&[])?)?;
    let (spans, taken) = Spans::channel(WAITING);
    let exporter = Exporter {
        collector: TraceServiceClient::new(client),
        clock,
        lifecycle: lifecycle.clone(),
        away: false,
    };
    info!(endpoint, "spans are exported");
    lifecycle.spawn("span exporter", exporter.run(taken));
    Ok(spans)
}

fn target(endpoint: &str) -> Result<&str, OtlpError> {
    let target = endpoint.strip_prefix("http://");
    let target = target.map(|target| target.trim_end_matches('/'));
    let malformed = || OtlpError::Endpoint(endpoint.to_owned());
    target
        .filter(|target| !target.contains('/'))
        .ok_or_else(malformed)
}

struct Exporter {
    collector: TraceServiceClient<Client>,
    clock: Arc<dyn Clock>,
    lifecycle: Lifecycle,
    /// Whether the last batch was lost: said once, not for each.
    away: bool,
}

impl Exporter {
    /// Until nobody can end a span any more.
    async fn run(mut self, mut spans: Receiver<Span>) {
        let mut batch = Vec::new();
        while self.begun(&mut batch, &mut spans).await {
            tokio::select! {
                () = filled(&mut batch, &mut spans) => {}
                () = self.pause() => {}
            }
            self.send(std::mem::take(&mut batch)).await;
        }
    }

    /// Waits for the first spans of a batch; whether there are any.
    async fn begun(&self, batch: &mut Vec<Span>, spans: &mut Receiver<Span>) -> bool {
        tokio::select! {
            biased;
            count = spans.recv_many(batch, BATCH) => count > 0,
            () = self.alone() => false,
        }
    }

    // Calls that were under way when the end began leave spans too.
    async fn alone(&self) {
        self.lifecycle.stopping().await;
        while !self.lifecycle.is_last() {
            sleep(AT_LAST).await;
        }
    }

    async fn pause(&self) {
        tokio::select! {
            () = sleep(EVERY) => {}
            () = self.lifecycle.stopping() => sleep(AT_LAST).await,
        }
    }

    async fn send(&mut self, batch: Vec<Span>) {
        let count = batch.len() as u64;
        let mut request = Request::new(self.request(batch));
        let within = if self.lifecycle.token().is_cancelled() {
            WITHIN_AT_LAST
        } else {
            WITHIN
        };
        request.set_timeout(within);
        let sent = Context::background(within).scope(self.collector.export(request));
        let sent = sent.await.map(|answer| {
            let refused = answer.into_inner().partial_success;
            refused.map_or(0, |refused| refused.rejected_spans)
        });
        match sent {
            Ok(rejected) => {
                let rejected = u64::try_from(rejected).unwrap_or(0).min(count);
                exported("ok", count - rejected);
                exported("rejected", rejected);
                self.away = false;
            }
            Err(status) => {
                exported("failed", count);
                self.lost(&status);
            }
        }
    }

    fn lost(&mut self, status: &Status) {
        if !std::mem::replace(&mut self.away, true) {
            warn!(%status, "spans cannot be exported, and are lost until they can");
        }
    }

    fn request(&self, batch: Vec<Span>) -> ExportTraceServiceRequest {
        let now = Now {
            instant: Instant::now(),
            nanos: self.clock.now().as_nanosecond(),
        };
        let mut by_whom: BTreeMap<&'static str, Vec<WireSpan>> = BTreeMap::new();
        for span in batch {
            by_whom.entry(span.who).or_default().push(now.wire(span));
        }
        ExportTraceServiceRequest {
            resource_spans: by_whom.into_iter().map(resource).collect(),
        }
    }
}

async fn filled(batch: &mut Vec<Span>, spans: &mut Receiver<Span>) {
    while batch.len() < BATCH {
        if spans.recv_many(batch, BATCH - batch.len()).await == 0 {
            return;
        }
    }
}

fn exported(result: &'static str, count: u64) {
    if count > 0 {
        metrics::counter!(EXPORTED, "result" => result).increment(count);
    }
}

fn resource((who, spans): (&'static str, Vec<WireSpan>)) -> ResourceSpans {
    ResourceSpans {
        resource: Some(Resource {
            attributes: vec![text("service.name", who)],
            ..Resource::default()
        }),
        scope_spans: vec![ScopeSpans {
            scope: Some(InstrumentationScope {
                name: env!("CARGO_PKG_NAME").to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                ..InstrumentationScope::default()
            }),
            spans,
            ..ScopeSpans::default()
        }],
        ..ResourceSpans::default()
    }
}

/// One moment on both clocks: spans know how long ago they were.
struct Now {
    instant: Instant,
    nanos: i128,
}

impl Now {
    fn wire(&self, span: Span) -> WireSpan {
        let began = self.at(span.begun);
        let parent = span.trace.parent_bytes();
        let state = span.trace.state().and_then(|state| state.to_str().ok());
        WireSpan {
            trace_id: span.trace.trace_bytes().to_vec(),
            span_id: span.trace.span_bytes().to_vec(),
            parent_span_id: parent.map(|parent| parent.to_vec()).unwrap_or_default(),
            trace_state: state.unwrap_or_default().to_owned(),
            flags: u32::from(span.trace.is_sampled()),
            name: format!("{}/{}", span.service, span.method),
            kind: match span.kind {
                SpanKind::Server => WireKind::Server,
                SpanKind::Client => WireKind::Client,
            }
            .into(),
            start_time_unix_nano: began,
            end_time_unix_nano: began.saturating_add(nanos(span.took)),
            status: Some(status(&span)),
            attributes: attributes(span),
            ..WireSpan::default()
        }
    }

    fn at(&self, then: Instant) -> u64 {
        let ago = self.instant.saturating_duration_since(then);
        let nanos = u64::try_from(self.nanos).unwrap_or(0);
        nanos.saturating_sub(self::nanos(ago))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

// A server is not to blame for what its caller asked.
fn status(span: &Span) -> WireStatus {
    let failed = match span.kind {
        SpanKind::Client => span.code != Code::Ok,
        SpanKind::Server => matches!(
            span.code,
            Code::Unknown
                | Code::DeadlineExceeded
                | Code::Unimplemented
                | Code::Internal
                | Code::Unavailable
                | Code::DataLoss
        ),
    };
    let code = if failed {
        StatusCode::Error
    } else {
        StatusCode::Unset
    };
    WireStatus {
        message: String::new(),
        code: code.into(),
    }
}

fn attributes(span: Span) -> Vec<KeyValue> {
    let mut attributes = vec![
        text("rpc.system", "grpc"),
        text("rpc.service", &*span.service),
        text("rpc.method", &*span.method),
        number("rpc.grpc.status_code", i64::from(i32::from(span.code))),
        text("request.id", span.request_id),
    ];
    if span.previous > 0 {
        attributes.push(number("rpc.previous_attempts", i64::from(span.previous)));
    }
    if let Some(caller) = span.caller {
        attributes.push(text("peer.service", caller));
    }
    if let Some(peer) = span.peer {
        attributes.push(text("network.peer.address", peer.ip().to_string()));
        attributes.push(number("network.peer.port", i64::from(peer.port())));
    }
    attributes
}

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

fn number(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_plain_address() {
        assert_eq!(target("http://collector:4317").unwrap(), "collector:4317");
        assert_eq!(target("http://[::1]:4317/").unwrap(), "[::1]:4317");
        for wrong in [
            "",
            "collector:4317",
            "https://c:4317",
            "http://c:1/v1/traces",
        ] {
            let why = target(wrong).unwrap_err().to_string();
            assert!(why.contains("is not http://host:port"), "{why}");
        }
    }
}
