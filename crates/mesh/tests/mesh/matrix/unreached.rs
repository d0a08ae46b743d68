//! Peers that are not there, or are something else, and names that lead nowhere.

use std::io;
use std::sync::Arc;

use mesh::reason_of;
use metrics_exporter_prometheus::PrometheusBuilder;
use seam::net::{Listener, Memory, Net, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep};
use tonic::Code;

use super::{KINDS, good, preferring, said, shown};
use crate::fleet::{Names, SECOND, millis, named};
use crate::probe::World;

/// Sorts before all others, and swallows who dials it.
const HOLE: &str = "127.0.0.1:1";
/// Nobody listens there.
const NOBODY: &str = "127.0.0.1:2";

#[derive(Default)]
struct WithHole(Memory);

#[tonic::async_trait]
impl Net for WithHole {
    async fn dial(&self, address: &str) -> io::Result<Stream> {
        if address == HOLE {
            return std::future::pending().await;
        }
        self.0.dial(address).await
    }

    async fn listen(&self, address: &str) -> io::Result<Listener> {
        self.0.listen(address).await
    }
}

/// A peer that answers whatever comes with these words, and hangs up.
async fn saying(world: &World, address: &str, words: &'static [u8]) {
    let mut listener = world.net.listen(address).await.unwrap();
    tokio::spawn(async move {
        loop {
            let mut stream = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 64]).await;
            let _ = stream.write_all(words).await;
        }
    });
}

/// Peers that cannot be used, and what is said of each.
async fn useless(world: &World) -> [(&'static str, &'static str); 4] {
    let [web, silent] = ["127.0.0.1:3", "127.0.0.1:4"];
    saying(world, web, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    saying(world, silent, b"").await;
    [
        (HOLE, "the dial took too long"),
        (NOBODY, "connection refused"),
        (web, "does not speak HTTP/2"),
        (silent, "hung up before it spoke HTTP/2"),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_cannot_be_used_costs_no_call_while_another_can() {
    let world = World::new(WithHole::default());
    let (address, seen) = good(&world).await;
    for (bad, _) in useless(&world).await {
        for kind in KINDS {
            let client = preferring(&world, &[bad, &address]);
            for _ in 0..20 {
                let begun = Instant::now();
                assert_eq!(said(&client, kind).await.unwrap(), "said", "{bad} {kind:?}");
                assert!(
                    begun.elapsed() < millis(5),
                    "{bad}: nobody waits for a dial"
                );
                sleep(millis(100)).await;
            }
            assert_eq!(seen.calls(), 20);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_cannot_be_used_is_named_with_the_cause() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _seen = metrics::set_default_local_recorder(&recorder);
    let world = World::new(WithHole::default());
    for (bad, cause) in useless(&world).await {
        let target = format!("target=\"static:///{bad}\"");
        for kind in KINDS {
            let client = preferring(&world, &[bad]);
            let begun = Instant::now();
            let status = said(&client, kind).await.unwrap_err();
            assert_eq!(status.code(), Code::Unavailable, "{bad} {kind:?}");
            assert_eq!(reason_of(&status).as_deref(), Some("PEER_UNAVAILABLE"));
            let message = status.message();
            assert!(
                message.contains(bad) && message.contains(cause),
                "{message}"
            );
            assert!(begun.elapsed() <= 2 * SECOND, "{bad} {kind:?}");
        }
        let failed = shown(
            &recorder,
            "mesh_client_dials_total",
            &[&target, "result=\"failed\""],
        );
        assert!(failed >= 3, "{bad}: {failed}");
        let open = shown(&recorder, "mesh_client_connections", &[&target]);
        assert_eq!(open, 0, "{bad}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_leads_nowhere_is_the_cause_until_it_leads_somewhere() {
    for kind in KINDS {
        let world = World::memory();
        let (address, seen) = good(&world).await;
        for nothing in [None, Some(&[][..])] {
            let names = Arc::new(Names::default());
            names.say(nothing);
            let client = named(&world, &names);
            let status = said(&client, kind).await.unwrap_err();
            assert_eq!(status.code(), Code::Unavailable, "{kind:?}");
            assert_eq!(reason_of(&status).as_deref(), Some("PEER_UNAVAILABLE"));
            let cause = "probes.test:80 cannot be resolved";
            assert!(status.message().contains(cause), "{}", status.message());
            names.say(Some(&[address.parse().unwrap()]));
            assert_eq!(said(&client, kind).await.unwrap(), "said");
            // What was known stands, whatever the resolver says then.
            names.say(nothing);
            sleep(100 * SECOND).await;
            assert_eq!(said(&client, kind).await.unwrap(), "said");
            assert_eq!(seen.calls(), 2);
        }
    }
}
