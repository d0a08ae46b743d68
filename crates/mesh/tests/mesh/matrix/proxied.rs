//! Answers that say with their headers that they failed, and then go on: what stands between us and
//! a peer answers with a page for people.

use mesh::reason_of;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::time::sleep;
use tonic::Code;

use super::lying::{BEGIN, DATA, END_HEADERS, HEADERS, Peer, lying};
use super::{KINDS, Kind, good, preferring, said, shown};
use crate::fleet::millis;
use crate::probe::World;

// Literals that no table keeps.
const NOT_NOW: &[u8] = b"\x08\x03503\x00\x0ccontent-type\x09text/html";
const UNAVAILABLE: &[u8] = b"\x00\x0bgrpc-status\x0214";

async fn show_a_page(mut peer: Peer) {
    while let Some(stream) = peer.request().await {
        peer.send((HEADERS, END_HEADERS), stream, NOT_NOW).await;
        peer.send((DATA, 0), stream, b"<html>not now").await;
    }
}

async fn fail_and_go_on(mut peer: Peer) {
    while let Some(stream) = peer.request().await {
        let head = [BEGIN, UNAVAILABLE].concat();
        peer.send((HEADERS, END_HEADERS), stream, &head).await;
    }
}

/// Its failures are told as such, and five of them are enough.
async fn is_seen_through<A>(lie: fn(Peer) -> A, reason: Option<&str>)
where
    A: Future<Output = ()> + Send + 'static,
{
    for kind in KINDS {
        let recorder = PrometheusBuilder::new().build_recorder();
        let _seen = metrics::set_default_local_recorder(&recorder);
        let world = World::memory();
        let bad = lying(&world, lie).await;
        let (address, seen) = good(&world).await;
        let client = preferring(&world, &[&bad, &address]);
        sleep(millis(10)).await;
        for _ in 0..5 {
            match said(&client, kind).await {
                Ok(said) => assert_eq!((kind, said.as_str()), (Kind::Get, "said")),
                Err(status) => {
                    assert_ne!(kind, Kind::Get, "{status:?}");
                    assert_eq!(status.code(), Code::Unavailable, "{kind:?}: {status:?}");
                    assert_eq!(reason_of(&status).as_deref(), reason);
                }
            }
        }
        assert_eq!(
            shown(&recorder, "mesh_client_ejections_total", &[]),
            1,
            "{kind:?}"
        );
        seen.calls();
        assert_eq!(said(&client, kind).await.unwrap(), "said");
        assert_eq!(seen.calls(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_in_place_of_an_answer_is_an_unavailable_peer() {
    is_seen_through(show_a_page, Some("NOT_GRPC")).await;
}

#[tokio::test(start_paused = true)]
async fn a_status_in_the_headers_of_an_answer_that_goes_on_is_its_end() {
    is_seen_through(fail_and_go_on, None).await;
}

#[tokio::test(start_paused = true)]
async fn a_page_names_the_peer_and_what_it_said() {
    let world = World::memory();
    let bad = lying(&world, show_a_page).await;
    let status = said(&preferring(&world, &[&bad]), Kind::Once)
        .await
        .unwrap_err();
    let told = status.message();
    assert!(told.contains("503") && told.contains(&bad), "{told}");
}
