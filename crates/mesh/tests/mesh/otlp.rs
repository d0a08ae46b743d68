//! Spans, as a collector sees them: a real trace service of OTLP's.

use std::sync::Arc;
use std::time::Duration;

use mesh::{Client, ClientSettings, Directory, Explain, Lifecycle, ServerSettings, Spans};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use seam::SystemClock;
use seam::net::Net;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use crate::probe::{CALL, Probe, World, ask, ask_with};
use crate::retry::Named;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const SERVER_KIND: i32 = 2;
const CLIENT_KIND: i32 = 3;

struct Collector(UnboundedSender<ExportTraceServiceRequest>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let _ = self.0.send(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// A span, and the name of the service it is of.
type Seen = (String, Span);

async fn collector(world: &World) -> (String, UnboundedReceiver<ExportTraceServiceRequest>) {
    let (sender, seen) = unbounded_channel();
    let lifecycle = Lifecycle::new();
    lifecycle.ready();
    let server = world.server(ServerSettings::new("collector"), &lifecycle);
    let server = server.add(TraceServiceServer::new(Collector(sender)));
    let (address, _) = world.listen(server).await;
    (format!("http://{address}"), seen)
}

fn export(world: &World, endpoint: &str) -> Spans {
    export_until(world, endpoint, &Lifecycle::new())
}

fn export_until(world: &World, endpoint: &str, lifecycle: &Lifecycle) -> Spans {
    let net: Arc<dyn Net> = world.net.clone();
    let seams = (net, Arc::new(SystemClock) as _);
    mesh::otlp::export(endpoint, seams, (lifecycle, &Directory::default())).unwrap()
}

/// All spans until there are `count`.
async fn spans(seen: &mut UnboundedReceiver<ExportTraceServiceRequest>, count: usize) -> Vec<Seen> {
    let mut spans = Vec::new();
    while spans.len() < count {
        let request = seen.recv().await.unwrap();
        for resource in request.resource_spans {
            let who = text(&resource.resource.unwrap().attributes, "service.name");
            let scopes = resource.scope_spans.into_iter();
            let all = scopes.flat_map(|scope| scope.spans);
            spans.extend(all.map(|span| (who.clone(), span)));
        }
    }
    spans
}

fn value(attributes: &[KeyValue], key: &str) -> Option<Value> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    found.value.clone()?.value
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    match value(attributes, key) {
        Some(Value::StringValue(text)) => text,
        other => panic!("{key}: {other:?}"),
    }
}

fn number(attributes: &[KeyValue], key: &str) -> i64 {
    match value(attributes, key) {
        Some(Value::IntValue(number)) => number,
        other => panic!("{key}: {other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

async fn serve(world: &World, name: &'static str, probe: Probe, spans: &Spans) -> String {
    let settings = ServerSettings {
        spans: spans.clone(),
        ..ServerSettings::new(name)
    };
    let lifecycle = Lifecycle::new();
    lifecycle.ready();
    let server = world.server(settings, &lifecycle);
    let (address, _) = world
        .listen(server.add(Named(probe.clone())).add(probe))
        .await;
    address
}

fn client(world: &World, caller: &'static str, address: &str, spans: &Spans) -> Client {
    let settings = ClientSettings {
        spans: spans.clone(),
        ..ClientSettings::new(caller, address)
    };
    Client::new(settings, world.net.clone(), world.policies.clone()).unwrap()
}

fn traced(flags: &str) -> Request<String> {
    let mut request = Request::new("x".to_owned());
    request.set_timeout(Duration::from_secs(5));
    let said = format!("00-{TRACE}-{CALLER}-{flags}").parse().unwrap();
    request.metadata_mut().insert("traceparent", said);
    request
}

#[tokio::test]
async fn a_call_over_two_hops_is_one_trace_whose_spans_hang_together() {
    for world in World::both() {
        let (endpoint, mut seen) = collector(&world).await;
        let exported = export(&world, &endpoint);
        let far = serve(&world, "far", Probe::echo(), &exported).await;
        let onward = client(&world, "near", &far, &exported);
        let near = Probe::new(move |text| {
            let onward = onward.clone();
            async move { ask(&onward, &text).await }
        });
        let near = serve(&world, "near", near, &exported).await;
        // Whoever calls first exports nothing.
        let caller = world.client(&near);
        ask_with(&caller, CALL, traced("01")).await.unwrap();

        let spans = spans(&mut seen, 3).await;
        let one = |who: &str, kind| {
            let mut found = spans
                .iter()
                .filter(|(name, span)| name == who && span.kind == kind);
            let (_, span) = found.next().unwrap();
            assert!(found.next().is_none());
            span
        };
        let (served, tried) = (one("near", SERVER_KIND), one("near", CLIENT_KIND));
        let far = one("far", SERVER_KIND);
        assert_eq!(hex(&served.parent_span_id), CALLER);
        assert_eq!(tried.parent_span_id, served.span_id);
        assert_eq!(far.parent_span_id, tried.span_id);
        for span in [served, tried, far] {
            assert_eq!(hex(&span.trace_id), TRACE);
            assert_eq!(span.span_id.len(), 8);
            assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
            assert_eq!(number(&span.attributes, "rpc.grpc.status_code"), 0);
            let request = text(&span.attributes, "request.id");
            assert_eq!(request, text(&served.attributes, "request.id"));
        }
        assert!(served.start_time_unix_nano <= tried.start_time_unix_nano);
        assert!(tried.end_time_unix_nano <= served.end_time_unix_nano);
        assert!(!text(&tried.attributes, "network.peer.address").is_empty());
    }
}

#[tokio::test]
async fn each_attempt_is_a_span_with_its_own_end() {
    let world = World::memory();
    let (endpoint, mut seen) = collector(&world).await;
    let exported = export(&world, &endpoint);
    let calls = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let probe = Probe::new(move |text| {
        let first = calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        std::future::ready(if first {
            Err(Status::unavailable("not yet"))
        } else {
            Ok(text)
        })
    });
    let address = serve(&world, "probe", probe, &Spans::default()).await;
    let client = client(&world, "tries", &address, &exported);
    let path = "/paymesh.trade.v1.TradeService/GetOrder";
    ask_with(&client, path, Request::new("x".to_owned()))
        .await
        .unwrap();
    let spans = spans(&mut seen, 2).await;
    let codes: Vec<_> = spans
        .iter()
        .map(|(_, span)| number(&span.attributes, "rpc.grpc.status_code"))
        .collect();
    assert_eq!(codes, [14, 0]);
    let (first, second) = (&spans[0].1, &spans[1].1);
    assert_eq!(first.name, "paymesh.trade.v1.TradeService/GetOrder");
    assert_eq!(first.trace_id, second.trace_id);
    assert_ne!(first.span_id, second.span_id);
    assert_eq!(number(&second.attributes, "rpc.previous_attempts"), 1);
    let error = first.status.as_ref().unwrap().code;
    assert_eq!((error, second.status.as_ref().unwrap().code), (2, 0));
}

#[tokio::test]
async fn a_trace_that_is_not_sampled_leaves_no_span() {
    let world = World::memory();
    let (endpoint, mut seen) = collector(&world).await;
    let exported = export(&world, &endpoint);
    let address = serve(&world, "probe", Probe::echo(), &exported).await;
    let client = world.client(&address);
    ask_with(&client, CALL, traced("00")).await.unwrap();
    ask_with(&client, CALL, traced("01")).await.unwrap();
    assert_eq!(spans(&mut seen, 1).await.len(), 1);
    assert!(seen.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_is_away_costs_spans_and_nothing_else() {
    let world = World::memory();
    // Nobody listens there.
    let exported = export(&world, "http://127.0.0.1:9");
    let address = serve(&world, "probe", Probe::echo(), &exported).await;
    let client = client(&world, "calls", &address, &exported);
    let begun = Instant::now();
    for _ in 0..2_000 {
        ask(&client, "x").await.unwrap();
    }
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_comes_back_gets_the_spans_that_follow() {
    let world = World::memory();
    let (sender, mut seen) = unbounded_channel();
    let probe = world.net.listen("127.0.0.1:0").await.unwrap();
    let address = probe.address().to_string();
    drop(probe);
    let exported = export(&world, &format!("http://{address}"));
    let echo = serve(&world, "probe", Probe::echo(), &exported).await;
    let client = world.client(&echo);
    ask(&client, "lost").await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;

    let lifecycle = Lifecycle::new();
    lifecycle.ready();
    let server = world.server(ServerSettings::new("collector"), &lifecycle);
    let server = server.add(TraceServiceServer::new(Collector(sender)));
    let listener = world.net.listen(&address).await.unwrap();
    tokio::spawn(server.serve(listener));
    tokio::time::sleep(Duration::from_mins(1)).await;
    ask_with(&client, CALL, traced("01")).await.unwrap();
    let spans = spans(&mut seen, 1).await;
    assert_eq!(hex(&spans[0].1.trace_id), TRACE);
}

#[tokio::test(start_paused = true)]
async fn the_last_spans_are_sent_before_the_process_ends() {
    let world = World::memory();
    let (endpoint, mut seen) = collector(&world).await;
    let lifecycle = Lifecycle::new();
    let exported = export_until(&world, &endpoint, &lifecycle);
    let address = serve(&world, "probe", Probe::echo(), &exported).await;
    let client = world.client(&address);
    ask_with(&client, CALL, traced("01")).await.unwrap();
    lifecycle.stop();
    // A call that was under way ends only now, and so does a task.
    tokio::time::sleep(Duration::from_secs(3)).await;
    ask_with(&client, CALL, traced("01")).await.unwrap();
    let late = async move {
        tokio::time::sleep(Duration::from_secs(2)).await;
        ask_with(&client, CALL, traced("01")).await.unwrap();
    };
    lifecycle.spawn("late", late);
    let begun = Instant::now();
    assert_eq!(lifecycle.drained(Duration::from_secs(5)).await, Ok(()));
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    let mut sent = 0;
    while let Ok(request) = seen.try_recv() {
        let resources = request.resource_spans.into_iter();
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        sent += scopes.map(|scope| scope.spans.len()).sum::<usize>();
    }
    assert_eq!(sent, 3);
    drop(exported);
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_is_away_does_not_keep_the_process() {
    let world = World::memory();
    let lifecycle = Lifecycle::new();
    let exported = export_until(&world, "http://127.0.0.1:9", &lifecycle);
    let address = serve(&world, "probe", Probe::echo(), &exported).await;
    ask(&world.client(&address), "x").await.unwrap();
    lifecycle.stop();
    assert_eq!(lifecycle.drained(Duration::from_secs(2)).await, Ok(()));
    drop(exported);
}

#[tokio::test(start_paused = true)]
async fn the_collector_is_a_peer_that_can_be_explained() {
    let world = World::memory();
    let directory = Directory::default();
    let seams = (world.net.clone(), Arc::new(SystemClock) as _);
    let around = (&Lifecycle::new(), &directory);
    let exported = mesh::otlp::export("http://collector.test:4317", seams, around).unwrap();
    let told = Explain::new(directory.clone(), world.policies.clone()).tell(&[]);
    assert_eq!(told.peers[0].target, "collector.test:4317");
    drop(exported);
}
