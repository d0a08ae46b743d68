//! Calls that had to wait on our own side, above the connections: their time goes on, and who is
//! called is told what is left of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mesh::{BulkheadLimits, Client, ClientSettings, Context, Pick, ServerSettings};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::time::sleep;
use tonic::{Code, Status};

use super::lying::{freeze, lying};
use super::{Kind, call, good, serve, shown};
use crate::fleet::{SECOND, Watched, client, millis, settings};
use crate::probe::{Probe, World, ask_within};

/// A client that calls each method of these once at a time, in this order of preference.
fn one_at_a_time(world: &World, addresses: &[&str]) -> Client {
    let bulkhead = BulkheadLimits {
        at_once: 1,
        ..BulkheadLimits::default()
    };
    let settings = ClientSettings {
        pick: Pick::First,
        bulkhead,
        ..settings(&format!("static:///{}", addresses.join(",")))
    };
    client(world, settings)
}

fn left() -> String {
    Context::current()
        .remaining()
        .unwrap()
        .as_millis()
        .to_string()
}

fn parsed(told: &str) -> Duration {
    millis(told.parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn who_waited_for_a_place_tells_the_next_hop_what_is_left() {
    for kind in [Kind::Get, Kind::Once] {
        let world = World::memory();
        let probe = Probe::new(async |text| {
            let told = left();
            if text == "hold" {
                sleep(millis(600)).await;
            }
            Ok(told)
        });
        let (address, _) = serve(&world, ServerSettings::new("probe"), probe).await;
        let client = one_at_a_time(&world, &[&address]);
        let holds = call(&client, kind, ("hold", 2 * SECOND));
        let waits = async {
            sleep(millis(1)).await;
            call(&client, kind, ("waits", SECOND)).await
        };
        let (held, waited) = futures::join!(holds, waits);
        assert!(parsed(&held.unwrap()) > SECOND, "{kind:?}");
        let told = parsed(&waited.unwrap());
        assert!(
            (millis(350)..=millis(401)).contains(&told),
            "{kind:?}: {told:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn each_attempt_tells_the_next_hop_what_is_left() {
    let world = World::memory();
    let attempts = AtomicUsize::new(0);
    let probe = Probe::new(move |_| {
        let first = attempts.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            let told = left();
            if first {
                sleep(millis(300)).await;
                return Err(Status::unavailable("not yet"));
            }
            Ok(told)
        }
    });
    let (address, _) = serve(&world, ServerSettings::new("probe"), probe).await;
    let client = one_at_a_time(&world, &[&address]);
    let told = call(&client, Kind::Get, ("x", SECOND)).await.unwrap();
    let told = parsed(&told);
    assert!((millis(600)..millis(700)).contains(&told), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_frozen_counts_as_failing_behind_a_full_bulkhead_too() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _seen = metrics::set_default_local_recorder(&recorder);
    let world = World::memory();
    let frozen = lying(&world, freeze).await;
    let (address, seen) = good(&world).await;
    let client = one_at_a_time(&world, &[&frozen, &address]);
    sleep(millis(10)).await;
    for _ in 0..5 {
        let holder = client.clone();
        let holds = tokio::spawn(async move { call(&holder, Kind::Once, ("x", 9 * SECOND)).await });
        // Its caller leaves: that says nothing against the server.
        let leaves = async {
            sleep(millis(900)).await;
            holds.abort();
        };
        let waits = async {
            sleep(millis(1)).await;
            call(&client, Kind::Once, ("x", SECOND)).await
        };
        let ((), waited) = futures::join!(leaves, waits);
        assert_eq!(waited.unwrap_err().code(), Code::DeadlineExceeded);
    }
    let late = ["grpc_code=\"DeadlineExceeded\""];
    let attempts = "grpc_client_attempts_handled_total";
    assert_eq!(shown(&recorder, attempts, &late), 5);
    assert_eq!(shown(&recorder, "mesh_client_ejections_total", &[]), 1);
    let answer = call(&client, Kind::Once, ("said", SECOND)).await;
    assert_eq!((answer.unwrap().as_str(), seen.calls()), ("said", 1));
}

#[tokio::test(start_paused = true)]
async fn who_finds_the_queue_full_has_not_waited_and_does_not_come_again() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _seen = metrics::set_default_local_recorder(&recorder);
    let net = Watched::new();
    net.silent.store(true, Ordering::Relaxed);
    let settings = ClientSettings {
        bulkhead: BulkheadLimits {
            at_once: 2000,
            waiting: 0,
        },
        ..settings("127.0.0.1:1")
    };
    let client = Arc::new(client(&net.world(), settings));
    for _ in 0..1200 {
        let client = client.clone();
        tokio::spawn(async move { ask_within(&client, "x", millis(900)).await });
    }
    sleep(millis(500)).await;
    assert_eq!(shown(&recorder, "mesh_client_queued_total", &[]), 1024);
    let full = ["reason=\"queue_full\""];
    assert_eq!(
        shown(&recorder, "mesh_client_unsent_total", &full),
        1200 - 1024
    );
}
