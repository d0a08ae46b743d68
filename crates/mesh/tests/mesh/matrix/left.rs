//! Callers who go away or run out of time, answers that come too late, messages that are too long.

use mesh::{Lifecycle, ServerSettings, reason_of};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{Instant, sleep, timeout};
use tonic::{Code, Status};

use super::{Handler, KINDS, Kind, Orders, Probes, call, good, preferring, said, serve, shown};
use crate::fleet::{SECOND, millis};
use crate::probe::{Probe, World};

/// Tells when it is dropped.
struct Told(tokio::sync::mpsc::UnboundedSender<Instant>);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.send(Instant::now());
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_takes_the_handler_along_and_the_places() {
    for kind in KINDS {
        let recorder = PrometheusBuilder::new().build_recorder();
        let _seen = metrics::set_default_local_recorder(&recorder);
        let world = World::memory();
        let (sender, mut dropped) = unbounded_channel();
        let endless = Probe::new(move |_| {
            let told = Told(sender.clone());
            async move {
                let _told = told;
                std::future::pending().await
            }
        });
        let (address, seen) = serve(&world, ServerSettings::new("endless"), endless).await;
        let client = preferring(&world, &[&address]);
        for _ in 0..3 {
            let begun = Instant::now();
            let asked = call(&client, kind, ("x", 60 * SECOND));
            assert!(timeout(millis(100), asked).await.is_err());
            let ended = dropped.recv().await.unwrap() - begun;
            assert!(ended < millis(150), "{kind:?}: {ended:?}");
            assert_eq!(seen.calls(), 1, "and nobody tries again");
            sleep(millis(10)).await;
            assert_eq!(shown(&recorder, "mesh_server_in_flight", &[]), 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_call_ends_at_its_deadline_and_is_not_repeated_after_it() {
    for kind in KINDS {
        let recorder = PrometheusBuilder::new().build_recorder();
        let _seen = metrics::set_default_local_recorder(&recorder);
        let world = World::memory();
        let silent = Probe::new(async |_| std::future::pending().await);
        let (silent, asked) = serve(&world, ServerSettings::new("silent"), silent).await;
        let (address, seen) = good(&world).await;
        let client = preferring(&world, &[&silent, &address]);
        sleep(millis(10)).await;
        let begun = Instant::now();
        let status = said(&client, kind).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{kind:?}");
        assert_eq!(reason_of(&status).as_deref(), Some("DEADLINE_EXCEEDED"));
        let took = begun.elapsed();
        // The server was told a millisecond less.
        let due = millis(1999)..2 * SECOND + millis(10);
        assert!(due.contains(&took), "{took:?}");
        assert_eq!((asked.calls(), seen.calls()), (1, 0));
        let late = ["grpc_code=\"DeadlineExceeded\""];
        assert_eq!(shown(&recorder, "grpc_client_handled_total", &late), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_too_late_is_nobodys() {
    for kind in KINDS {
        let world = World::memory();
        // One that pays no heed to deadlines: not ours.
        let late = Handler(Probe::new(async |text: String| {
            sleep(millis(if text == "late" { 500 } else { 1 })).await;
            Ok(text)
        }));
        let (address, open) = crate::fleet::with_few_streams(&*world.net, 9, late).await;
        let client = preferring(&world, &[&address]);
        for _ in 0..3 {
            let status = call(&client, kind, ("late", millis(400)))
                .await
                .unwrap_err();
            assert_eq!(status.code(), Code::DeadlineExceeded, "{kind:?}");
            // Both while it is under way and after it has come.
            for _ in 0..4 {
                assert_eq!(said(&client, kind).await.unwrap(), "said");
                sleep(millis(50)).await;
            }
        }
        // The connection is none the worse for it.
        assert_eq!(open.load(std::sync::atomic::Ordering::Relaxed), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_too_long_is_refused_and_not_repeated() {
    let longer = "x".repeat(1024 * 1024 + 1);
    let longest = "x".repeat(5 * 1024 * 1024);
    for kind in KINDS {
        let recorder = PrometheusBuilder::new().build_recorder();
        let _seen = metrics::set_default_local_recorder(&recorder);
        let world = World::memory();
        let answer = longest.clone();
        let talking = Probe::new(move |text: String| {
            let answer = if text == "long" { answer.clone() } else { text };
            std::future::ready(Ok::<_, Status>(answer))
        });
        let (address, seen) = serve(&world, ServerSettings::new("talking"), talking).await;
        let client = preferring(&world, &[&address]);
        let status = call(&client, kind, (&longer, 9 * SECOND))
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{kind:?}");
        assert_eq!(reason_of(&status).as_deref(), Some("MESSAGE_TOO_LONG"));
        assert_eq!(seen.calls(), 0);
        let refused = ["grpc_code=\"InvalidArgument\""];
        assert_eq!(shown(&recorder, "grpc_server_handled_total", &refused), 1);
        // An answer may have 4 MiB.
        let status = call(&client, kind, ("long", 9 * SECOND)).await.unwrap_err();
        assert_eq!(
            (status.code(), seen.calls()),
            (Code::OutOfRange, 1),
            "{kind:?}"
        );
        assert_eq!(said(&client, kind).await.unwrap(), "said");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_of_every_kind_outlive_a_drain_and_new_ones_go_elsewhere() {
    for kind in KINDS {
        let recorder = PrometheusBuilder::new().build_recorder();
        let _seen = metrics::set_default_local_recorder(&recorder);
        let world = World::memory();
        let slow = Handler(Probe::new(async |text: String| {
            sleep(SECOND).await;
            Ok(text)
        }));
        let lifecycle = Lifecycle::new();
        lifecycle.ready();
        let server = world.server(ServerSettings::new("leaving"), &lifecycle);
        let server = server.add(Orders(slow.clone())).add(Probes(slow));
        let (leaving, ended) = world.listen(server).await;
        let (address, seen) = good(&world).await;
        let client = preferring(&world, &[&leaving, &address]);
        sleep(millis(10)).await;
        let begun = client.clone();
        let begun = tokio::spawn(async move { said(&begun, kind).await });
        sleep(millis(100)).await;
        assert_eq!(seen.calls(), 0);
        lifecycle.stop();
        for _ in 0..5 {
            assert_eq!(said(&client, kind).await.unwrap(), "said", "{kind:?}");
            sleep(millis(10)).await;
        }
        assert_eq!(begun.await.unwrap().unwrap(), "said", "{kind:?}");
        assert_eq!(ended.await.unwrap().aborted, 0);
        assert!(seen.calls() >= 4);
        assert_eq!(shown(&recorder, "mesh_drain_aborted_total", &[]), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_outlasts_a_drain_is_ended_and_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _seen = metrics::set_default_local_recorder(&recorder);
    let world = World::memory();
    let lifecycle = Lifecycle::new();
    lifecycle.ready();
    let settings = ServerSettings {
        drain: SECOND,
        ..ServerSettings::new("leaving")
    };
    let endless = Handler(Probe::new(async |_| std::future::pending().await));
    let server = world.server(settings, &lifecycle).add(Orders(endless));
    let (leaving, ended) = world.listen(server).await;
    let client = preferring(&world, &[&leaving]);
    let watching =
        tokio::spawn(async move { call(&client, Kind::Watch, ("x", 60 * SECOND)).await });
    sleep(millis(100)).await;
    lifecycle.stop();
    let status = watching.await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(reason_of(&status).as_deref(), Some("DRAINING"));
    assert_eq!(ended.await.unwrap().aborted, 1);
    assert_eq!(shown(&recorder, "mesh_drain_aborted_total", &[]), 1);
}
