//! Trace context, request id and criticality: in at the server, on to the next hop at the client.

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use seam::Ids;

use super::{Answer, Call, Pattern, Rest, unlike_others};
use crate::context::Context;
use crate::criticality::{self, Criticality};
use crate::peer::Peer;
use crate::policy::Method;
use crate::span::Spans;
use crate::trace::TraceContext;

pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Takes up the caller's trace, or starts one, and runs the call within it.
#[derive(Clone)]
pub(crate) struct ServerTrace {
    pub(crate) ids: Arc<dyn Ids>,
}

impl Pattern for ServerTrace {
    fn around<R: Rest>(&self, call: Call, rest: &R) -> impl Answer + use<R> {
        let caller = call.request.extensions().get().and_then(Peer::name);
        let context = self.taken_up(call.request.headers(), &call.method);
        let context = context.serving(&call.method, caller);
        let work = context.enter(|| rest.run(call));
        context.scope(work)
    }
}

impl ServerTrace {
    fn taken_up(&self, headers: &HeaderMap, method: &Method) -> Context {
        let trace = trace_of(headers, &*self.ids);
        let request_id = headers.get(REQUEST_ID);
        let request_id = request_id.and_then(|value| value.to_str().ok());
        let context = match request_id.filter(|id| is_plain(id)) {
            Some(id) => Context::named(trace, id),
            None => Context::new(trace),
        };
        match Criticality::of(headers).or(method.policy.criticality) {
            Some(criticality) => context.with_criticality(criticality),
            None => context,
        }
    }
}

fn trace_of(headers: &HeaderMap, ids: &dyn Ids) -> TraceContext {
    let parent = headers
        .get(TRACEPARENT)
        .and_then(|value| value.to_str().ok());
    match parent.and_then(TraceContext::parse) {
        Some(parent) => parent
            .child(ids)
            .with_state(headers.get(TRACESTATE).cloned()),
        None => TraceContext::start(ids),
    }
}

// It goes into logs and on to every hop: short, and without surprises.
fn is_plain(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Tells the next hop the trace, request id and criticality of the work at hand; where nobody
/// said how much that matters, what the method declares.
#[derive(Clone)]
pub(crate) struct ClientTrace {
    pub(crate) ids: Arc<dyn Ids>,
    /// Whether anybody wants to see what the peer is told.
    pub(crate) spans: Spans,
}

/// On a request, where its span is wanted: the step that its peer is told, and will name as its
/// parent.
#[derive(Debug, Clone)]
pub(crate) struct Told(pub(crate) TraceContext);

impl Pattern for ClientTrace {
    fn around<R: Rest>(&self, mut call: Call, rest: &R) -> impl Answer + use<R> {
        let context = Context::current();
        let trace = self.told(&context, call.request.headers_mut());
        // A peer that is told the trace knows a request without a name by it.
        let known = trace
            .as_ref()
            .is_some_and(|told| told.is_of(context.trace()));
        let wanted = trace.filter(|trace| self.spans.are_wanted() && trace.is_sampled());
        if let Some(trace) = wanted {
            call.request.extensions_mut().insert(Told(trace));
        }
        let state = context.trace().state().cloned();
        set(call.request.headers_mut(), TRACESTATE, state);
        let declared = call.method.policy.criticality;
        let told = context.said_criticality().or(declared);
        let told = told.map(Criticality::told);
        set(call.request.headers_mut(), criticality::HEADER, told);
        let name = if known {
            context.own_request_id().map(Cow::Borrowed)
        } else {
            Some(context.request_id())
        };
        let name = name.and_then(|name| HeaderValue::from_str(&name).ok());
        set(
            call.request.headers_mut(),
            REQUEST_ID,
            name.map(unlike_others),
        );
        rest.run(call)
    }
}

impl ClientTrace {
    /// The step that the peer is told; none if what the caller has set is nonsense.
    fn told(&self, context: &Context, headers: &mut HeaderMap) -> Option<TraceContext> {
        if let Some(set) = headers.get(TRACEPARENT) {
            let trace = TraceContext::parse(set.to_str().ok()?)?;
            return Some(trace.under(context.trace()));
        }
        let trace = context.trace().child(&*self.ids);
        set(headers, TRACEPARENT, trace.header().map(unlike_others));
        Some(trace)
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
    use super::super::Reply;
    use super::super::testing::{call, service};
    use super::*;
    use seam::SeededIds;
    use tonic::body::Body;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    /// What a hop behind server and client layers would be told.
    async fn next_hop(headers: &[(HeaderName, &'static str)]) -> HeaderMap {
        between("/first/Hop", headers, "/next/Hop").await
    }

    async fn between(
        near: &str,
        headers: &[(HeaderName, &'static str)],
        far: &'static str,
    ) -> HeaderMap {
        let ids: Arc<dyn Ids> = Arc::new(SeededIds::new(1));
        let client = ClientTrace {
            ids: ids.clone(),
            spans: Spans::default(),
        };
        let hop = service(move |_| {
            let told = service(|call: Call| async move {
                let mut reply = Reply::new(Body::empty());
                *reply.headers_mut() = call.request.headers().clone();
                reply
            });
            let client = client.clone();
            async move { client.around(call(far), &told).await }
        });
        let mut call = call(near);
        for (name, value) in headers {
            call.request
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        let server = ServerTrace { ids };
        server.around(call, &hop).await.headers().clone()
    }

    #[tokio::test]
    async fn the_callers_trace_is_carried_on_with_a_span_of_ours() {
        let told = next_hop(&[(TRACEPARENT, PARENT), (TRACESTATE, "vendor=1")]).await;
        let traceparent = told[TRACEPARENT].to_str().unwrap();
        assert!(traceparent.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
        assert_ne!(traceparent, PARENT);
        assert_eq!(told[TRACESTATE], "vendor=1");
        // That is its request's name as well: it needs not be told twice.
        assert!(!told.contains_key(REQUEST_ID));
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
        for said in ["critical", "default", "sheddable"] {
            assert_eq!(next_hop(&[(HEADER, said)]).await[HEADER], said);
        }
        assert!(!next_hop(&[(HEADER, "whatever")]).await.contains_key(HEADER));
    }

    #[tokio::test]
    async fn where_nobody_says_it_the_method_does_and_the_first_word_stands() {
        const HEADER: HeaderName = criticality::HEADER;
        const LIST: &str = "/paymesh.trade.v1.TradeService/ListOrders";
        const PAY: &str = "/paymesh.trade.v1.TradeService/PayOrder";
        assert_eq!(between("/x/Y", &[], LIST).await[HEADER], "sheddable");
        assert_eq!(between("/x/Y", &[], PAY).await[HEADER], "critical");
        // What a payment needs is needed, though it only lists.
        assert_eq!(between(PAY, &[], LIST).await[HEADER], "critical");
        assert_eq!(between(PAY, &[], "/x/Y").await[HEADER], "critical");
        let said = [(HEADER, "sheddable")];
        assert_eq!(between(PAY, &said, "/x/Y").await[HEADER], "sheddable");
    }

    #[tokio::test]
    async fn a_plain_request_id_is_handed_on_and_an_odd_one_replaced() {
        assert_eq!(
            next_hop(&[(REQUEST_ID, "order-7")]).await[REQUEST_ID],
            "order-7"
        );
        let odd = next_hop(&[(REQUEST_ID, "a b")]).await;
        assert!(!odd.contains_key(REQUEST_ID));
    }
}
