use super::connection::{Line, open};
use super::*;
use crate::pool::dial::STEADY;
use bytes::Bytes;
use seam::SeededIds;
use seam::net::{Listener, Memory, Stream};
use std::io;
use std::sync::atomic::AtomicBool;
use tokio::time::sleep;
use tonic::Status;

const SECOND: Duration = Duration::from_secs(1);

/// A network that refuses when it is told to.
#[derive(Default)]
struct Moody {
    memory: Memory,
    refuses: AtomicBool,
    dials: AtomicU64,
}

impl Moody {
    fn refuses(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::Relaxed);
    }

    fn dials(&self) -> u64 {
        self.dials.load(Ordering::Relaxed)
    }
}

#[tonic::async_trait]
impl Net for Moody {
    async fn dial(&self, address: &str) -> io::Result<Stream> {
        self.dials.fetch_add(1, Ordering::Relaxed);
        if self.refuses.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        self.memory.dial(address).await
    }

    async fn listen(&self, address: &str) -> io::Result<Listener> {
        self.memory.listen(address).await
    }
}

fn pool(target: &str, net: &Arc<Moody>) -> Pool {
    let settings = ClientSettings {
        ids: Arc::new(SeededIds::new(3)),
        connections: 4,
        ..ClientSettings::new("test", target)
    };
    Pool::new(&settings, Target::parse(target).unwrap(), net.clone())
}

/// Says that so many calls may be made at once, and answers none.
async fn peer(stream: Stream, streams: u32) {
    let mut builder = h2::server::Builder::new();
    let served = builder.max_concurrent_streams(streams);
    let mut peer = served.handshake::<_, Bytes>(stream).await.unwrap();
    while peer.accept().await.is_some() {}
}

async fn line() -> Arc<Line> {
    let (near, far) = tokio::io::duplex(4096);
    tokio::spawn(peer(Stream::new(far, None), 100));
    let opened = open(Stream::new(near, None)).await.unwrap();
    let (line, driven) = opened.into_line(Duration::from_hours(1));
    tokio::spawn(driven);
    Arc::new(line)
}

/// Two that chose the same endpoint to probe: one is the probe, the other goes where it works.
#[tokio::test(start_paused = true)]
async fn who_comes_second_to_a_probe_goes_elsewhere() {
    let pool = pool("static:///10.0.0.1:1,10.0.0.1:2", &Arc::default());
    sleep(SECOND).await;
    let shared = &pool.shared;
    let endpoints = shared.endpoints.load_full();
    let [ejected, works] = &endpoints[..] else {
        panic!("{endpoints:?}");
    };
    for endpoint in [ejected, works] {
        endpoint.add(line().await, Instant::now());
    }
    for _ in 0..5 {
        ejected.observe(SECOND, Outcome::Failure, Instant::now());
    }
    sleep(SECOND).await;
    let now = Instant::now();
    let wish = Wish { avoid: None, now };
    let choice = choose(shared.pick, &*shared.ids, &endpoints, wish).unwrap();
    assert!(Arc::ptr_eq(choice.endpoint, ejected) && !choice.last_resort);
    let probe = shared.pick(wish).unwrap();
    assert_eq!(probe.address(), ejected.address());
    assert!(shared.take(choice, wish, false).is_none());
    assert_eq!(ejected.lines()[0].used(), 1, "its stream was given back");
    let second = shared.pick(wish).unwrap();
    assert_eq!(second.address(), works.address());
    // Whoever has tried them all needs no more than a stream.
    assert!(shared.take(choice, wish, true).is_some());
}

/// While one more connection cannot be had, the keeper still minds the one that there is.
#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_is_replaced_at_once_whatever_became_of_another() {
    let net = Arc::<Moody>::default();
    let mut listener = net.listen("127.0.0.1:0").await.unwrap();
    let address = listener.address().to_string();
    let cut = CancellationToken::new();
    let mut cuts = cut.clone();
    tokio::spawn(async move {
        while let Ok(stream) = listener.accept().await {
            let served = cuts.clone();
            tokio::spawn(async move { served.run_until_cancelled(peer(stream, 2)).await });
            // The next ones last.
            cuts = CancellationToken::new();
        }
    });
    let pool = pool(&address, &net);
    let held = pool.ticket(None, None, Instant::now()).await.unwrap();
    net.refuses(true);
    sleep(Duration::from_mins(2)).await;
    let tried = net.dials();
    assert!((5..40).contains(&tried), "{tried}");
    net.refuses(false);
    cut.cancel();
    drop(held);
    sleep(SECOND).await;
    let endpoint = Arc::clone(&pool.shared.endpoints()[0]);
    assert!(endpoint.is_connected(), "{}", net.dials() - tried);
}

/// What could not be looked up once is no reason any more when it could be since.
#[tokio::test(start_paused = true)]
async fn a_lookup_that_works_makes_up_for_one_that_did_not() {
    let pool = pool("static:///10.0.0.1:1", &Arc::default());
    let audience = InTasks(Arc::clone(&pool.shared));
    let name = || crate::discover::HostPort::parse("a.test:1").unwrap();
    audience.failed(DiscoverError::Name {
        name: name(),
        source: io::ErrorKind::TimedOut.into(),
    });
    let told = || match pool.shared.in_vain() {
        Refusal::Unreachable(trouble) => trouble.to_string(),
        Refusal::QueueFull => panic!("nobody waits"),
    };
    assert!(
        told().starts_with("a.test:1 cannot be resolved"),
        "{}",
        told()
    );
    audience.found(vec![([10, 0, 0, 1], 1).into()]);
    assert!(!told().contains("a.test"), "{}", told());
}

/// What says nothing for long is no slow peer, if it is a stream that has begun.
#[tokio::test(start_paused = true)]
async fn a_quiet_stream_that_is_given_up_does_not_make_its_peer_slow() {
    let pool = pool("10.0.0.1:1", &Arc::default());
    sleep(SECOND).await;
    let endpoint = Arc::clone(&pool.shared.endpoints()[0]);
    endpoint.add(line().await, Instant::now());
    for (streams, slow) in [(true, false), (false, true)] {
        let ticket = pool.ticket(None, None, Instant::now()).await.unwrap();
        let silent = futures::stream::pending::<Result<http_body::Frame<Bytes>, Status>>();
        let body = http_body_util::StreamBody::new(silent);
        let held = ticket::Held::new((body, std::convert::identity::<Status>), ticket, streams);
        sleep(Duration::from_secs(20)).await;
        drop(held);
        let latency = endpoint.view(Instant::now()).latency;
        assert_eq!(latency > SECOND, slow, "{streams}: {latency:?}");
    }
}

/// Pauses are short again after a dial whose connection has lasted, not after any.
#[tokio::test(start_paused = true)]
async fn only_what_has_lasted_makes_the_pauses_short_again() {
    let ids = SeededIds::new(1);
    let mut pace = dial::Pace::default();
    let mut pause = Duration::ZERO;
    for _ in 0..12 {
        pause = pace.next(&ids);
        pace.worked();
        sleep(STEADY / 2).await;
    }
    assert!(pause > 10 * SECOND, "{pause:?}");
    sleep(STEADY).await;
    assert!(pace.next(&ids) < SECOND);
}
