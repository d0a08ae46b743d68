//! What a development build does wrong on purpose, and how callers bear it.

use std::time::Duration;

use mesh::{Injection, Lifecycle, ServerSettings, reason_of};
use tokio::time::Instant;
use tonic::{Code, Request};

use crate::probe::{CALL, Probe, World, ask, ask_with, ask_within};
use crate::retry::Named;

async fn faulty(world: &World, faults: Vec<Injection>) -> String {
    let settings = ServerSettings {
        faults,
        ..ServerSettings::new("probe")
    };
    let lifecycle = Lifecycle::new();
    lifecycle.ready();
    let server = world.server(settings, &lifecycle);
    let server = server.add(Probe::echo()).add(Named(Probe::echo()));
    world.listen(server).await.0
}

fn all(delay: Duration, abort: Option<Code>) -> Vec<Injection> {
    vec![Injection {
        method: "*".to_owned(),
        share: 1000,
        delay,
        abort,
    }]
}

#[tokio::test]
async fn an_injected_failure_reaches_the_caller_with_its_reason() {
    for world in World::both() {
        let address = faulty(&world, all(Duration::ZERO, Some(Code::Internal))).await;
        let status = ask(&world.client(&address), "x").await.unwrap_err();
        assert_eq!(status.code(), Code::Internal);
        assert_eq!(reason_of(&status).as_deref(), Some("FAULT_INJECTED"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_injected_delay_is_the_handlers_and_ends_at_the_deadline() {
    let world = World::memory();
    let address = faulty(&world, all(Duration::from_secs(2), None)).await;
    let client = world.client(&address);
    let begun = Instant::now();
    ask_with(&client, CALL, patient()).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(2));
    let within = Duration::from_millis(100);
    let status = ask_within(&client, "x", within).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
}

fn patient() -> Request<String> {
    let mut request = Request::new(String::new());
    request.set_timeout(Duration::from_secs(5));
    request
}

#[tokio::test(start_paused = true)]
async fn a_share_of_failures_is_what_retries_are_for() {
    let world = World::memory();
    let faults = vec![Injection {
        method: "paymesh.trade.v1.TradeService/GetOrder".to_owned(),
        share: 50,
        delay: Duration::ZERO,
        abort: Some(Code::Unavailable),
    }];
    let client = world.client(&faulty(&world, faults).await);
    let path = "/paymesh.trade.v1.TradeService/GetOrder";
    let mut failed = 0;
    for _ in 0..200 {
        failed += u32::from(ask_with(&client, path, patient()).await.is_err());
    }
    assert!(failed <= 2, "{failed} of 200");
}
