//! Health follows the lifecycle; a drain lets calls end, and aborts them when its time is over.

use std::sync::Arc;
use std::time::Duration;

use mesh::{Client, Drained, Lifecycle, ServerSettings, reason_of};
use tokio::sync::Notify;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::probe::{Probe, World, ask, open};

async fn health(client: &Client, service: &str) -> Result<ServingStatus, Code> {
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let answer = HealthClient::new(client.clone()).check(request).await;
    answer
        .map(|answer| answer.get_ref().status())
        .map_err(|status| status.code())
}

/// A handler that says when it has begun, and ends when told to.
fn held() -> (Probe, Arc<Notify>, Arc<Notify>) {
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
    (probe, begun, go)
}

#[tokio::test]
async fn health_follows_the_lifecycle_and_in_flight_calls_end() {
    for world in World::both() {
        let lifecycle = Lifecycle::new();
        let (probe, begun, go) = held();
        // Time to look while it drains.
        let settings = ServerSettings {
            discovery_lag: Duration::from_millis(300),
            ..ServerSettings::new("probe")
        };
        let server = world.server(settings, &lifecycle).add(probe);
        let (address, ended) = world.listen(server).await;
        let client = world.client(&address);
        for name in ["", "mesh.test.Probe"] {
            assert_eq!(health(&client, name).await, Ok(ServingStatus::NotServing));
        }
        lifecycle.ready();
        for name in ["", "mesh.test.Probe"] {
            assert_eq!(health(&client, name).await, Ok(ServingStatus::Serving));
        }
        assert_eq!(health(&client, "no.Such").await, Err(Code::NotFound));

        let asked = client.clone();
        let call = tokio::spawn(async move { ask(&asked, "late").await });
        begun.notified().await;
        lifecycle.stop();
        assert_eq!(health(&client, "").await, Ok(ServingStatus::NotServing));
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(!ended.is_finished());
        // No longer accepted anew, while the one in flight goes on.
        let fresh = ask(&world.client(&address), "new").await.unwrap_err();
        assert_eq!(fresh.code(), Code::Unavailable);
        go.notify_one();
        assert_eq!(call.await.unwrap().unwrap(), "late");
        assert_eq!(ended.await.unwrap(), Drained { aborted: 0 });
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_aborts_what_does_not_end_in_time_and_counts_it() {
    let world = World::memory();
    let lifecycle = Lifecycle::new();
    lifecycle.ready();
    let settings = ServerSettings {
        drain: Duration::from_secs(2),
        ..ServerSettings::new("probe")
    };
    let (probe, begun, _go) = held();
    let (address, ended) = world
        .listen(world.server(settings, &lifecycle).add(probe))
        .await;
    let client = world.client(&address);
    let asked = client.clone();
    let call = tokio::spawn(async move { ask(&asked, "x").await });
    begun.notified().await;
    let mut stream = open(&client, Duration::from_mins(1)).await.unwrap();
    assert_eq!(stream.message().await.unwrap().as_deref(), Some("one"));

    let stopped = tokio::time::Instant::now();
    lifecycle.stop();
    assert_eq!(ended.await.unwrap(), Drained { aborted: 2 });
    assert!(stopped.elapsed() >= Duration::from_secs(2));
    let aborted = [
        call.await.unwrap().unwrap_err(),
        stream.message().await.unwrap_err(),
    ];
    for status in aborted {
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(reason_of(&status).as_deref(), Some("DRAINING"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_watcher_of_health_is_told_and_does_not_hold_up_the_drain() {
    let world = World::memory();
    let (address, lifecycle, ended) = world.serve(Probe::echo()).await;
    let mut request = tonic::Request::new(HealthCheckRequest::default());
    request.set_timeout(Duration::from_hours(1));
    let mut client = HealthClient::new(world.client(&address));
    let mut watch = client.watch(request).await.unwrap().into_inner();
    assert_eq!(
        watch.message().await.unwrap().unwrap().status(),
        ServingStatus::Serving
    );
    let stopped = tokio::time::Instant::now();
    lifecycle.stop();
    assert_eq!(
        watch.message().await.unwrap().unwrap().status(),
        ServingStatus::NotServing
    );
    assert_eq!(
        reason_of(&watch.message().await.unwrap_err()).as_deref(),
        Some("DRAINING")
    );
    assert_eq!(ended.await.unwrap(), Drained { aborted: 0 });
    assert!(stopped.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn an_unknown_name_is_watched_as_unknown() {
    let world = World::memory();
    let (address, ..) = world.serve(Probe::echo()).await;
    let request = HealthCheckRequest {
        service: "no.Such".to_owned(),
    };
    let mut client = HealthClient::new(world.client(&address));
    let mut watch = client.watch(request).await.unwrap().into_inner();
    assert_eq!(
        watch.message().await.unwrap().unwrap().status(),
        ServingStatus::ServiceUnknown
    );
}

#[tokio::test]
async fn a_client_finds_the_next_server_at_the_same_address() {
    let world = World::memory();
    let (address, lifecycle, ended) = world.serve(Probe::echo()).await;
    let client = world.client(&address);
    assert_eq!(ask(&client, "one").await.unwrap(), "one");
    lifecycle.stop();
    ended.await.unwrap();
    assert_eq!(
        ask(&client, "x").await.unwrap_err().code(),
        Code::Unavailable
    );

    let listener = world.net.listen(&address).await.unwrap();
    let server = world
        .server(ServerSettings::new("probe"), &Lifecycle::new())
        .add(Probe::echo());
    tokio::spawn(server.serve(listener));
    assert_eq!(ask(&client, "two").await.unwrap(), "two");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_never_spoke_does_not_hold_up_the_drain() {
    let world = World::memory();
    let (address, lifecycle, ended) = world.serve(Probe::echo()).await;
    let _silent = world.net.dial(&address).await.unwrap();
    assert_eq!(ask(&world.client(&address), "x").await.unwrap(), "x");
    let stopped = tokio::time::Instant::now();
    lifecycle.stop();
    assert_eq!(ended.await.unwrap(), Drained { aborted: 0 });
    assert!(stopped.elapsed() < Duration::from_secs(5));
}
