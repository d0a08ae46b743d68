//! What may be repeated is, over real connections; and a client keeps its calls within limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use mesh::{
    BulkheadLimits, Client, ClientSettings, Lifecycle, MaxAttempts, ServerSettings, reason_of,
};
use tokio::sync::Notify;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::{Code, Request, Status};

use crate::probe::{CALL, Probe, World, ask, ask_with};

/// Idempotent, three attempts.
const GET: &str = "/paymesh.trade.v1.TradeService/GetOrder";
/// Idempotent, one attempt.
const PAY: &str = "/paymesh.trade.v1.TradeService/PayOrder";

/// A probe under the name of a service whose methods have policies.
#[derive(Clone)]
pub(crate) struct Named(pub(crate) Probe);

impl tonic::server::NamedService for Named {
    const NAME: &'static str = "paymesh.trade.v1.TradeService";
}

impl Service<http::Request<Body>> for Named {
    type Response = <Probe as Service<http::Request<Body>>>::Response;
    type Error = <Probe as Service<http::Request<Body>>>::Error;
    type Future = <Probe as Service<http::Request<Body>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        *request.uri_mut() = CALL.parse().unwrap();
        self.0.call(request)
    }
}

/// A server that is unavailable to the first `failures` calls: where, and how many it got.
async fn failing(world: &World, failures: usize) -> (String, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let probe = Probe::new(move |text| {
        let call = counted.fetch_add(1, Ordering::SeqCst);
        std::future::ready(match call {
            call if call < failures => Err(Status::unavailable("not yet")),
            _ => Ok(text),
        })
    });
    let lifecycle = Lifecycle::new();
    lifecycle.ready();
    let server = world.server(ServerSettings::new("probe"), &lifecycle);
    let (address, _) = world.listen(server.add(Named(probe))).await;
    (address, calls)
}

async fn get(client: &Client) -> Result<String, Status> {
    ask_with(client, GET, Request::new("said".to_owned())).await
}

#[tokio::test]
async fn an_idempotent_call_outlives_two_failures_and_says_the_same_thrice() {
    for world in World::both() {
        let (address, calls) = failing(&world, 2).await;
        assert_eq!(get(&world.client(&address)).await.unwrap(), "said");
        assert_eq!(calls.load(Ordering::SeqCst), 3);
    }
}

#[tokio::test]
async fn what_its_policy_or_its_caller_wants_once_is_done_once() {
    for world in World::both() {
        let (address, calls) = failing(&world, 9).await;
        let client = world.client(&address);
        let mut once = Request::new(String::new());
        once.extensions_mut().insert(MaxAttempts(1));
        for (path, request) in [(PAY, Request::new(String::new())), (GET, once)] {
            let status = ask_with(&client, path, request).await.unwrap_err();
            assert_eq!(status.code(), Code::Unavailable);
            assert_eq!(calls.swap(0, Ordering::SeqCst), 1, "{path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_server_of_three_that_always_fails_fails_no_idempotent_call() {
    let world = World::memory();
    let (mut addresses, mut counts) = (Vec::new(), Vec::new());
    for failures in [0, usize::MAX, 0] {
        let (address, calls) = failing(&world, failures).await;
        addresses.push(address);
        counts.push(calls);
    }
    let client = world.client(&format!("static:///{}", addresses.join(",")));
    for call in 0..300 {
        let answer = get(&client).await;
        assert!(answer.is_ok(), "call {call}: {answer:?}");
    }
    let asked: Vec<_> = counts
        .iter()
        .map(|calls| calls.load(Ordering::SeqCst))
        .collect();
    // It was asked, and never twice for one call.
    assert!((1..30).contains(&asked[1]), "{asked:?}");
    assert_eq!(asked[0] + asked[2], 300, "{asked:?}");
}

#[tokio::test]
async fn a_call_for_which_there_is_no_place_is_refused_until_another_ends() {
    let world = World::memory();
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, wait) = (begun.clone(), go.clone());
    let probe = Probe::new(move |text| {
        let (told, wait) = (told.clone(), wait.clone());
        async move {
            told.notify_one();
            wait.notified().await;
            Ok(text)
        }
    });
    let (address, ..) = world.serve(probe).await;
    let settings = ClientSettings {
        bulkhead: BulkheadLimits {
            at_once: 1,
            waiting: 0,
        },
        ..ClientSettings::new("test", address)
    };
    let client = Client::new(settings, world.net.clone(), world.policies.clone()).unwrap();
    let first = tokio::spawn({
        let client = client.clone();
        async move { ask(&client, "first").await }
    });
    begun.notified().await;
    let refused = ask(&client.clone(), "second").await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(reason_of(&refused).as_deref(), Some("BULKHEAD_FULL"));
    go.notify_one();
    assert_eq!(first.await.unwrap().unwrap(), "first");
    go.notify_one();
    let third = tokio::time::timeout(Duration::from_secs(5), ask(&client, "third")).await;
    assert_eq!(third.unwrap().unwrap(), "third");
}
