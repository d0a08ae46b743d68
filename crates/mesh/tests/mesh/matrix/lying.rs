//! Peers that break off, refuse, freeze or say things twice: HTTP/2 by hand.

use mesh::reason_of;
use metrics_exporter_prometheus::PrometheusBuilder;
use seam::net::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep};
use tonic::Code;

use super::{KINDS, Kind, call, good, preferring, said, shown};
use crate::fleet::{SECOND, SETTINGS, millis};
use crate::probe::World;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
const RESET: u8 = 3;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

const INTERNAL_ERROR: [u8; 4] = [0, 0, 0, 2];
const REFUSED_STREAM: [u8; 4] = [0, 0, 0, 7];
/// No stream was processed, and nothing is wrong.
const NONE_PROCESSED: [u8; 8] = [0; 8];

// Literals that no table keeps.
pub(super) const BEGIN: &[u8] = b"\x88\x00\x0ccontent-type\x10application/grpc";
const OK: &[u8] = b"\x00\x0bgrpc-status\x010";

/// A connection to a client, one frame at a time.
pub(super) struct Peer(Stream);

impl Peer {
    async fn greet(stream: Stream) -> Self {
        let mut peer = Self(stream);
        let _ = peer.0.read_exact(&mut [0; 24]).await;
        let _ = peer.0.write_all(&SETTINGS).await;
        peer
    }

    /// The next request's stream; none when the client has gone.
    pub(super) async fn request(&mut self) -> Option<u32> {
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.ok()?;
            let [a, b, c, kind, _, stream @ ..] = head;
            let mut rest = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            self.0.read_exact(&mut rest).await.ok()?;
            if kind == HEADERS {
                return Some(u32::from_be_bytes(stream));
            }
        }
    }

    pub(super) async fn send(&mut self, (kind, flags): (u8, u8), stream: u32, payload: &[u8]) {
        let [_, a, b, c] = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let stream = stream.to_be_bytes();
        let frame = [&[a, b, c, kind, flags][..], &stream, payload].concat();
        let _ = self.0.write_all(&frame).await;
    }

    async fn start(&mut self, stream: u32) {
        self.send((HEADERS, END_HEADERS), stream, BEGIN).await;
    }

    async fn message(&mut self, stream: u32, text: &str) {
        let length = u8::try_from(text.len()).unwrap();
        let head = [0, 0, 0, 0, length + 2, 0x0a, length];
        let message = [&head, text.as_bytes()].concat();
        self.send((DATA, 0), stream, &message).await;
    }

    async fn end(&mut self, stream: u32) {
        self.send((HEADERS, END_HEADERS | END_STREAM), stream, OK)
            .await;
    }
}

/// A peer that does this with each of its connections.
pub(super) async fn lying<A>(world: &World, lie: fn(Peer) -> A) -> String
where
    A: Future<Output = ()> + Send + 'static,
{
    let mut listener = world.net.listen("127.0.0.1:0").await.unwrap();
    let address = listener.address().to_string();
    tokio::spawn(async move {
        loop {
            let stream = listener.accept().await.unwrap();
            tokio::spawn(async move { lie(Peer::greet(stream).await).await });
        }
    });
    address
}

async fn leave_out(mut peer: Peer) {
    peer.request().await;
    peer.send((GOAWAY, 0), 0, &NONE_PROCESSED).await;
}

async fn refuse(mut peer: Peer) {
    while let Some(stream) = peer.request().await {
        peer.send((RESET, 0), stream, &REFUSED_STREAM).await;
    }
}

async fn hang_up(mut peer: Peer) {
    peer.request().await;
}

async fn give_up(mut peer: Peer) {
    while let Some(stream) = peer.request().await {
        peer.send((RESET, 0), stream, &INTERNAL_ERROR).await;
    }
}

async fn break_off(mut peer: Peer) {
    if let Some(stream) = peer.request().await {
        peer.start(stream).await;
        peer.message(stream, "half").await;
        sleep(millis(5)).await;
    }
}

async fn say_twice(mut peer: Peer) {
    while let Some(stream) = peer.request().await {
        for text in ["once", "again"] {
            peer.start(stream).await;
            peer.message(stream, text).await;
            peer.end(stream).await;
        }
    }
}

pub(super) async fn freeze(peer: Peer) {
    std::future::pending::<()>().await;
    drop(peer);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_a_goaway_left_out_is_made_elsewhere_whatever_it_is() {
    for kind in KINDS {
        let recorder = PrometheusBuilder::new().build_recorder();
        let _seen = metrics::set_default_local_recorder(&recorder);
        let world = World::memory();
        let leaving = lying(&world, leave_out).await;
        let (address, seen) = good(&world).await;
        let client = preferring(&world, &[&leaving, &address]);
        sleep(millis(10)).await;
        assert_eq!(said(&client, kind).await.unwrap(), "said", "{kind:?}");
        assert_eq!(seen.calls(), 1);
        let retried = ["grpc_code=\"Unavailable\"", "then=\"retried\""];
        assert_eq!(shown(&recorder, "mesh_attempts_failed_total", &retried), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_stream_is_opened_elsewhere_whatever_it_carries() {
    for kind in KINDS {
        let recorder = PrometheusBuilder::new().build_recorder();
        let _seen = metrics::set_default_local_recorder(&recorder);
        let world = World::memory();
        let refusing = lying(&world, refuse).await;
        let (address, seen) = good(&world).await;
        let client = preferring(&world, &[&refusing, &address]);
        sleep(millis(10)).await;
        assert_eq!(said(&client, kind).await.unwrap(), "said", "{kind:?}");
        assert_eq!(seen.calls(), 1);
        let retried = ["grpc_code=\"Unavailable\"", "then=\"retried\""];
        assert_eq!(shown(&recorder, "mesh_attempts_failed_total", &retried), 1);
        // Where there is no other, it is not asked for ever.
        let alone = preferring(&world, &[&refusing]);
        let status = said(&alone, kind).await.unwrap_err();
        assert_eq!(reason_of(&status).as_deref(), Some("PEER_UNAVAILABLE"));
        assert_eq!(
            shown(
                &recorder,
                "mesh_attempts_failed_total",
                &["then=\"attempts\""]
            ),
            1
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_reset_during_the_call_repeats_only_what_may_be() {
    for kind in KINDS {
        let recorder = PrometheusBuilder::new().build_recorder();
        let _seen = metrics::set_default_local_recorder(&recorder);
        let world = World::memory();
        let hanging_up = lying(&world, hang_up).await;
        let (address, seen) = good(&world).await;
        let client = preferring(&world, &[&hanging_up, &address]);
        sleep(millis(10)).await;
        let answer = said(&client, kind).await;
        let failed = ["grpc_code=\"Unavailable\""];
        if kind == Kind::Get {
            assert_eq!((answer.unwrap().as_str(), seen.calls()), ("said", 1));
            assert_eq!(shown(&recorder, "mesh_attempts_failed_total", &failed), 1);
            continue;
        }
        let status = answer.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{kind:?}");
        assert_eq!(reason_of(&status).as_deref(), Some("CONNECTION_LOST"));
        assert!(
            status.message().contains(&hanging_up),
            "{}",
            status.message()
        );
        assert_eq!(
            seen.calls(),
            0,
            "{kind:?}: nobody knows whether it was done"
        );
        assert_eq!(shown(&recorder, "grpc_client_handled_total", &failed), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_its_peer_gave_up_repeats_only_what_may_be() {
    for kind in KINDS {
        let world = World::memory();
        let giving_up = lying(&world, give_up).await;
        let (address, seen) = good(&world).await;
        let client = preferring(&world, &[&giving_up, &address]);
        sleep(millis(10)).await;
        let answer = said(&client, kind).await;
        assert_eq!(answer.is_ok(), kind == Kind::Get, "{kind:?}: {answer:?}");
        assert_eq!(seen.calls(), usize::from(kind == Kind::Get));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_broke_off_is_not_begun_again() {
    for kind in KINDS {
        let recorder = PrometheusBuilder::new().build_recorder();
        let _seen = metrics::set_default_local_recorder(&recorder);
        let world = World::memory();
        let breaking_off = lying(&world, break_off).await;
        let (address, seen) = good(&world).await;
        let client = preferring(&world, &[&breaking_off, &address]);
        sleep(millis(10)).await;
        let status = said(&client, kind).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{kind:?}");
        assert_eq!(reason_of(&status).as_deref(), Some("CONNECTION_LOST"));
        assert_eq!(seen.calls(), 0);
        let failed = ["grpc_code=\"Unavailable\""];
        assert_eq!(shown(&recorder, "grpc_client_handled_total", &failed), 1);
        // The next call does not find the dead connection.
        assert_eq!(said(&client, kind).await.unwrap(), "said");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_said_twice_is_heard_once() {
    for kind in KINDS {
        let world = World::memory();
        let twice = lying(&world, say_twice).await;
        let client = preferring(&world, &[&twice]);
        for _ in 0..3 {
            assert_eq!(said(&client, kind).await.unwrap(), "once", "{kind:?}");
            // What is said again is nobody's, be it on a connection of its own.
            sleep(SECOND).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_frozen_server_costs_a_few_calls_and_then_none() {
    for kind in KINDS {
        let recorder = PrometheusBuilder::new().build_recorder();
        let _seen = metrics::set_default_local_recorder(&recorder);
        let world = World::memory();
        let frozen = lying(&world, freeze).await;
        let (address, _) = good(&world).await;
        let target = format!("static:///{frozen},{address}");
        let client = crate::fleet::client(&world, crate::fleet::settings(&target));
        let begun = Instant::now();
        let mut failed = Vec::new();
        while begun.elapsed() < 40 * SECOND {
            let answer = call(&client, kind, ("said", millis(300))).await;
            if let Err(status) = answer {
                assert_eq!(
                    status.code(),
                    Code::DeadlineExceeded,
                    "{kind:?}: {status:?}"
                );
                failed.push(begun.elapsed());
            }
            sleep(millis(60)).await;
        }
        // Its connection is given up after 13 s, and the ones after it too: each costs a call
        // that finds out, and no more.
        assert!(failed.len() <= 6, "{kind:?}: {failed:?}");
        let late = ["grpc_code=\"DeadlineExceeded\""];
        let shown = shown(&recorder, "grpc_client_handled_total", &late);
        assert_eq!(shown, failed.len() as u64);
    }
}
