//! Servers that answer, but not as they should: slow, failing, flapping, full.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mesh::{Client, Limits, ServerSettings, reason_of};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep};
use tonic::Code;

use super::{Handler, KINDS, Kind, Seen, call, good, preferring, said, serve, shown};
use crate::fleet::{
    SECOND, SETTINGS, broken, client, millis, quick, settings, slow, with_few_streams,
};
use crate::probe::{Probe, World};

/// Calls from a few sides for some seconds: how many, and how many failed.
async fn load(client: &Client, kind: Kind, (seconds, pause): (u32, u64)) -> (usize, usize) {
    let until = Instant::now() + seconds * SECOND;
    let (made, failed) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let callers = (0..6).map(|_| {
        let (client, made, failed) = (client.clone(), made.clone(), failed.clone());
        tokio::spawn(async move {
            while Instant::now() < until {
                made.fetch_add(1, Ordering::Relaxed);
                let ill = said(&client, kind).await.is_err();
                failed.fetch_add(usize::from(ill), Ordering::Relaxed);
                sleep(millis(pause)).await;
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    (made.load(Ordering::Relaxed), failed.load(Ordering::Relaxed))
}

/// Five servers, the first of them another kind; what that one has seen.
async fn one_of_five(world: &World, one: Probe) -> (Seen, String) {
    let (odd, seen) = serve(world, ServerSettings::new("odd"), one).await;
    let mut target = format!("static:///{odd}");
    for _ in 0..4 {
        let (address, _) = serve(world, ServerSettings::new("quick"), quick()).await;
        target = format!("{target},{address}");
    }
    (seen, target)
}

#[tokio::test(start_paused = true)]
async fn a_slow_server_fails_no_call_of_any_kind_and_gets_few() {
    for kind in KINDS {
        let recorder = PrometheusBuilder::new().build_recorder();
        let _seen = metrics::set_default_local_recorder(&recorder);
        let world = World::memory();
        let (odd, target) = one_of_five(&world, slow()).await;
        let client = client(&world, settings(&target));
        let (made, failed) = load(&client, kind, (2, 1)).await;
        assert_eq!(failed, 0, "{kind:?}");
        let asked = odd.calls();
        assert!(
            (1..=made / 25).contains(&asked),
            "{kind:?}: {asked} of {made}"
        );
        let picked = shown(&recorder, "mesh_client_picks_total", &["kind=\"fit\""]);
        assert_eq!(picked, made as u64);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_at_once_fails_no_call_that_may_be_repeated_and_few_others() {
    for kind in KINDS {
        let recorder = PrometheusBuilder::new().build_recorder();
        let _seen = metrics::set_default_local_recorder(&recorder);
        let world = World::memory();
        let (odd, target) = one_of_five(&world, broken()).await;
        let client = client(&world, settings(&target));
        let (made, failed) = load(&client, kind, (2, 1)).await;
        let most = if kind == Kind::Get { 0 } else { made / 200 };
        assert!(failed <= most, "{kind:?}: {failed} of {made}");
        let asked = odd.calls();
        assert!(
            (1..=made / 100).contains(&asked),
            "{kind:?}: {asked} of {made}"
        );
        assert!(shown(&recorder, "mesh_client_ejections_total", &[]) <= 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_flapping_server_fails_no_call_that_may_be_repeated() {
    for kind in KINDS {
        let recorder = PrometheusBuilder::new().build_recorder();
        let _seen = metrics::set_default_local_recorder(&recorder);
        let world = World::memory();
        let (_, target) = one_of_five(&world, quick()).await;
        let mut listener = world.net.listen("127.0.0.1:0").await.unwrap();
        let target = format!("{target},{}", listener.address());
        tokio::spawn(async move {
            loop {
                let mut stream = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let _ = stream.write_all(&SETTINGS).await;
                    sleep(millis(20)).await;
                });
            }
        });
        let client = client(&world, settings(&target));
        let (made, failed) = load(&client, kind, (10, 90)).await;
        let dials = shown(&recorder, "mesh_client_dials_total", &["result=\"ok\""]);
        let most = if kind == Kind::Get { 0 } else { made / 200 };
        assert!(failed <= most, "{kind:?}: {failed} of {made}");
        // Five that stay, and ever fewer of one that does not.
        assert!((8..=20).contains(&dials), "{kind:?}: {dials}");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_for_which_there_is_no_stream_wait_and_are_told_so() {
    for kind in KINDS {
        let recorder = PrometheusBuilder::new().build_recorder();
        let _seen = metrics::set_default_local_recorder(&recorder);
        let world = World::memory();
        let service = Handler(Probe::new(async |text: String| {
            sleep(millis(if text == "long" { 5_000 } else { 1 })).await;
            Ok(text)
        }));
        // Of two streams one is kept free, on each of four connections.
        let (address, _) = with_few_streams(&*world.net, 2, service).await;
        let client = preferring(&world, &[&address]);
        said(&client, kind).await.unwrap();
        let long = (0..4).map(|_| {
            let client = client.clone();
            tokio::spawn(async move { call(&client, kind, ("long", 9 * SECOND)).await })
        });
        let long: Vec<_> = long.collect();
        sleep(SECOND).await;
        let status = said(&client, kind).await.unwrap_err();
        assert_eq!(reason_of(&status).as_deref(), Some("PEER_UNAVAILABLE"));
        let cause = "no stream became free in time";
        assert!(status.message().contains(cause), "{}", status.message());
        assert!(shown(&recorder, "mesh_client_queued_total", &[]) >= 1);
        // With more time it would have had its turn.
        let late = call(&client, kind, ("late", 6 * SECOND)).await;
        assert_eq!(late.unwrap(), "late", "{kind:?}");
        for call in long {
            assert_eq!(call.await.unwrap().unwrap(), "long");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_overloaded_server_sheds_is_repeated_elsewhere_if_it_may_be() {
    for kind in KINDS {
        let recorder = PrometheusBuilder::new().build_recorder();
        let _seen = metrics::set_default_local_recorder(&recorder);
        let world = World::memory();
        let full = Limits {
            in_flight: 0,
            queue: 0,
            waiting: 0,
            ..Limits::default()
        };
        let overloaded = ServerSettings {
            limits: full,
            ..ServerSettings::new("overloaded")
        };
        let (overloaded, shed) = serve(&world, overloaded, Probe::echo()).await;
        let (address, seen) = good(&world).await;
        let client = preferring(&world, &[&overloaded, &address]);
        sleep(millis(10)).await;
        let answer = said(&client, kind).await;
        assert_eq!(shed.calls(), 0, "what is shed reaches no handler");
        assert_eq!(
            shown(
                &recorder,
                "mesh_server_shed_total",
                &["reason=\"OVERLOADED\""]
            ),
            1
        );
        if kind == Kind::Get {
            assert_eq!((answer.unwrap().as_str(), seen.calls()), ("said", 1));
            continue;
        }
        let status = answer.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{kind:?}");
        assert_eq!(reason_of(&status).as_deref(), Some("OVERLOADED"));
        assert!(mesh::retry_after_of(&status).is_some());
        assert_eq!(seen.calls(), 0);
    }
}
