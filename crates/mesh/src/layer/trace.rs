//! Trace context, request id and criticality: in at the server, on to the next hop at the client.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use seam::Ids;
use tracing::Instrument;

use super::{Call, Pattern, Reply, Rest};
use crate::context::Context;
use crate::criticality::{self, Criticality};
use crate::trace::TraceContext;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Takes up the caller's trace, or starts one, and runs the call within it.
#[derive(Clone)]
pub(crate) struct ServerTrace(pub(crate) Arc<dyn Ids>);

impl Pattern for ServerTrace {
    fn around<R: Rest>(self, call: Call, rest: R) -> impl Future<Output = Reply> + Send + 'static {
        let context = taken_up(call.headers(), &*self.0);
        let span = tracing::info_span!(
            "rpc",
            method = call.uri().path(),
            trace_id = context.trace_id(),
            request_id = context.request_id(),
        );
        let work = span.in_scope(|| context.enter(|| rest.run(call)));
        context.scope(work).instrument(span)
    }
}

fn taken_up(headers: &HeaderMap, ids: &dyn Ids) -> Context {
    let parent = headers
        .get(TRACEPARENT)
        .and_then(|value| value.to_str().ok());
    let trace = match parent.and_then(TraceContext::parse) {
        Some(parent) => parent
            .child(ids)
            .with_state(headers.get(TRACESTATE).cloned()),
        None => TraceContext::start(ids),
    };
    let request_id = headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    let context = Context::new(trace).with_criticality(Criticality::of(headers));
    match request_id.filter(|id| is_plain(id)) {
        Some(id) => context.with_request_id(id),
        None => context,
    }
}

// It goes into logs and on to every hop: short, and without surprises.
fn is_plain(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Tells the next hop the trace, request id and criticality of the work at hand.
#[derive(Clone)]
pub(crate) struct ClientTrace(pub(crate) Arc<dyn Ids>);

impl Pattern for ClientTrace {
    fn around<R: Rest>(
        self,
        mut call: Call,
        rest: R,
    ) -> impl Future<Output = Reply> + Send + 'static {
        let context = Context::current();
        let trace = context.trace().child(&*self.0);
        set(
            call.headers_mut(),
            TRACEPARENT,
            HeaderValue::try_from(trace.traceparent()).ok(),
        );
        set(call.headers_mut(), TRACESTATE, trace.state().cloned());
        let told = context.criticality().told();
        set(call.headers_mut(), criticality::HEADER, told);
        set(
            call.headers_mut(),
            REQUEST_ID,
            HeaderValue::try_from(context.request_id()).ok(),
        );
        rest.run(call)
    }
}

// What the caller set on the request stands.
fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    if let Some(value) = value {
        headers.entry(name).or_insert(value);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{call, service};
    use super::*;
    use seam::SeededIds;
    use tonic::body::Body;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    /// What a hop behind server and client layers would be told.
    async fn next_hop(headers: &[(HeaderName, &'static str)]) -> HeaderMap {
        let ids: Arc<dyn Ids> = Arc::new(SeededIds::new(1));
        let client = ClientTrace(ids.clone());
        let hop = service(move |_| {
            let told = service(|call: Call| async move {
                let mut reply = Reply::new(Body::empty());
                *reply.headers_mut() = call.headers().clone();
                reply
            });
            let client = client.clone();
            async move { client.around(call("/next/Hop"), told).await }
        });
        let mut call = call("/first/Hop");
        for (name, value) in headers {
            call.headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        ServerTrace(ids).around(call, hop).await.headers().clone()
    }

    #[tokio::test]
    async fn the_callers_trace_is_carried_on_with_a_span_of_ours() {
        let told = next_hop(&[(TRACEPARENT, PARENT), (TRACESTATE, "vendor=1")]).await;
        let traceparent = told[TRACEPARENT].to_str().unwrap();
        assert!(traceparent.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
        assert_ne!(traceparent, PARENT);
        assert_eq!(told[TRACESTATE], "vendor=1");
        assert_eq!(told[REQUEST_ID], "4bf92f3577b34da6a3ce929d0e0e4736");
    }

    #[tokio::test]
    async fn a_call_without_a_trace_starts_one() {
        let told = next_hop(&[(TRACEPARENT, "garbage"), (TRACESTATE, "vendor=1")]).await;
        assert!(TraceContext::parse(told[TRACEPARENT].to_str().unwrap()).is_some());
        assert!(!told.contains_key(TRACESTATE));
    }

    #[tokio::test]
    async fn how_important_a_call_is_is_handed_on() {
        const HEADER: HeaderName = criticality::HEADER;
        for said in ["critical", "sheddable"] {
            assert_eq!(next_hop(&[(HEADER, said)]).await[HEADER], said);
        }
        for said in ["default", "whatever"] {
            assert!(!next_hop(&[(HEADER, said)]).await.contains_key(HEADER));
        }
    }

    #[tokio::test]
    async fn a_plain_request_id_is_handed_on_and_an_odd_one_replaced() {
        assert_eq!(
            next_hop(&[(REQUEST_ID, "order-7")]).await[REQUEST_ID],
            "order-7"
        );
        assert_ne!(next_hop(&[(REQUEST_ID, "a b")]).await[REQUEST_ID], "a b");
    }
}
