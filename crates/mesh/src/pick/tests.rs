use super::*;
use crate::endpoint::SLOW_START;
use crate::outcome::Outcome;
use crate::pool::connection::{Line, open};
use bytes::Bytes;
use proptest::prelude::*;
use seam::SeededIds;
use seam::net::Stream;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// An endpoint as a pick may find it.
#[derive(Debug, Clone, Copy)]
struct Found {
    room: bool,
    gate: Gate,
    avoided: bool,
    calls: u8,
}

fn found() -> impl Strategy<Value = Found> {
    let gate = prop_oneof![Just(Gate::Closed), Just(Gate::Open), Just(Gate::Probe)];
    (any::<bool>(), gate, any::<bool>(), 0u8..5).prop_map(|(room, gate, avoided, calls)| Found {
        room,
        gate,
        avoided,
        calls,
    })
}

/// Connections, one with a free stream and one without.
struct Lines {
    free: Arc<Line>,
    full: Arc<Line>,
}

impl Lines {
    async fn open() -> Self {
        let full = line(2).await;
        assert!(full.take() && !full.has_room());
        Self {
            free: line(100).await,
            full,
        }
    }
}

async fn line(streams: u32) -> Arc<Line> {
    let (near, far) = tokio::io::duplex(4096);
    tokio::spawn(async move {
        let mut builder = h2::server::Builder::new();
        let served = builder.max_concurrent_streams(streams);
        let mut peer = served.handshake::<_, Bytes>(far).await.unwrap();
        while peer.accept().await.is_some() {}
    });
    let opened = open(Stream::new(near, None)).await.unwrap();
    let (line, driven) = opened.into_line(Duration::from_hours(1));
    tokio::spawn(driven);
    Arc::new(line)
}

/// The endpoints, and the time at which they are as they should be found.
fn endpoints(all: &[Found], lines: &Lines, start: Instant) -> (Vec<Arc<Endpoint>>, Instant) {
    let made = all.iter().zip(1u16..).map(|(found, port)| {
        let endpoint = Endpoint::new(([10, 0, 0, 1], port).into(), start);
        let line = if found.room { &lines.free } else { &lines.full };
        endpoint.add(line.clone(), start);
        let ejected = match found.gate {
            Gate::Closed => None,
            Gate::Probe => Some(start),
            Gate::Open => Some(start + SECOND / 2),
        };
        for at in ejected.iter().cycle().take(5) {
            endpoint.breaker().record(*at, Outcome::Failure);
        }
        (0..found.calls).for_each(|_| endpoint.enter());
        Arc::new(endpoint)
    });
    (made.collect(), start + SECOND)
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().build().unwrap()
}

/// Whatever the endpoints are like, the pick is one that can be used, and none that is to be
/// passed over is picked while there is a better one; but the last is never passed over.
#[test]
fn the_set_is_never_empty_and_the_worse_never_stand_above_the_better() {
    let runtime = runtime();
    let lines = runtime.block_on(Lines::open());
    let _within = runtime.enter();
    let cases = (prop::collection::vec(found(), 0..7), any::<u64>());
    proptest!(|((all, seed) in cases, how in prop_oneof![Just(Pick::LeastLoaded), Just(Pick::First)])| {
        let (endpoints, now) = endpoints(&all, &lines, Instant::now());
        // One at most has failed the call just before.
        let avoided = all.iter().position(|found| found.avoided);
        let avoid = avoided.map(|place| endpoints[place].address());
        let picked = choose(how, &SeededIds::new(seed), &endpoints, Wish { avoid, now });
        let Some(Choice { endpoint: picked, last_resort }) = picked else {
            prop_assert!(all.iter().all(|found| !found.room));
            return Ok(());
        };
        let place = endpoints.iter().position(|endpoint| Arc::ptr_eq(endpoint, picked)).unwrap();
        prop_assert!(all[place].room);
        let good = |place: usize| all[place].room && all[place].gate != Gate::Open;
        let best = |place: usize| good(place) && avoided != Some(place);
        let any = |like: &dyn Fn(usize) -> bool| (0..all.len()).any(like);
        if all.len() > 1 {
            prop_assert!(best(place) || !any(&best));
            prop_assert!(good(place) || !any(&good));
            prop_assert_eq!(last_resort, !good(place));
        }
    });
}

/// Of two that are fit the cheaper one is picked, whatever the dice say.
#[test]
fn of_two_the_one_with_less_to_do_is_picked() {
    let runtime = runtime();
    let lines = runtime.block_on(Lines::open());
    let _within = runtime.enter();
    proptest!(|(seed: u64, micros in prop::array::uniform2(1u64..10_000_000), calls in prop::array::uniform2(0u8..9))| {
        let found = calls.map(|calls| Found { room: true, gate: Gate::Closed, avoided: false, calls });
        let (endpoints, _) = endpoints(&found, &lines, Instant::now());
        for (endpoint, micros) in endpoints.iter().zip(micros) {
            endpoint.observe(Duration::from_micros(micros), Outcome::Ok, Instant::now());
        }
        let now = Instant::now() + SLOW_START;
        let wish = Wish { avoid: None, now };
        let picked = choose(Pick::LeastLoaded, &SeededIds::new(seed), &endpoints, wish).unwrap().endpoint;
        let loads = endpoints.iter().map(|endpoint| endpoint.load(now));
        prop_assert_eq!(Some(picked.load(now)), loads.min());
    });
}

/// The more calls an endpoint has and the longer they take, the more it costs.
#[test]
fn a_load_never_falls_with_what_there_is_to_do() {
    proptest!(|(micros in 1u64..60_000_000, calls in 0u8..50)| {
        let start = Instant::now();
        let endpoint = Endpoint::new(([10, 0, 0, 1], 1).into(), start);
        endpoint.observe(Duration::from_micros(micros), Outcome::Ok, Instant::now());
        let now = Instant::now();
        let mut last = endpoint.load(now);
        for _ in 0..calls {
            endpoint.enter();
            let load = endpoint.load(now);
            prop_assert!(load > last);
            last = load;
        }
        // A longer one counts at once.
        if micros >= 15_000 {
            endpoint.observe(Duration::from_micros(2 * micros), Outcome::Ok, Instant::now());
            prop_assert!(endpoint.load(now) >= last);
        }
    });
}
