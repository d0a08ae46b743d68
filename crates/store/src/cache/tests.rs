//! What a cache may and may not answer.

mod layered;
mod redis;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use jiff::Timestamp;
use seam::{Clock, ManualClock};
use tokio::sync::Notify;

use super::{Cache, CacheError, InProcess, ReadThrough, ReadThroughSettings};

const TTL: Duration = Duration::from_mins(1);
const NEGATIVE: Duration = Duration::from_secs(5);
const STALE: Duration = Duration::from_mins(10);
const REMEMBERED: Duration = Duration::from_hours(1);
const TICK: Duration = Duration::from_micros(1);

/// A source that counts how often it is read and may be down.
#[derive(Default)]
struct Source {
    rows: Mutex<HashMap<String, Vec<u8>>>,
    reads: AtomicUsize,
    down: AtomicBool,
    // Set: readers wait until they are let go.
    held: AtomicBool,
    go: Notify,
}

impl Source {
    fn set(&self, key: &str, value: &str) {
        self.rows
            .lock()
            .unwrap()
            .insert(key.to_owned(), value.as_bytes().to_vec());
    }

    fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }

    async fn read(self: Arc<Self>, key: String) -> Result<Option<Vec<u8>>, &'static str> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let found = self.rows.lock().unwrap().get(&key).cloned();
        if self.held.load(Ordering::SeqCst) {
            self.go.notified().await;
        }
        if self.down.load(Ordering::SeqCst) {
            Err("the source is down")
        } else {
            Ok(found)
        }
    }
}

struct Bench {
    clock: Arc<ManualClock>,
    cache: Arc<dyn Cache>,
    source: Arc<Source>,
    through: ReadThrough<&'static str>,
}

impl Bench {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(
            Timestamp::from_second(1_700_000_000).unwrap(),
        ));
        let cache = Arc::new(InProcess::new(1 << 20, clock.clone()));
        Self::over(cache, clock)
    }

    /// Over a cache that keeps its promises, and over one that keeps everything for ever.
    fn both() -> [Self; 2] {
        let bench = Self::new();
        let clock = Arc::clone(&bench.clock);
        [bench, Self::over(Arc::new(Odd::default()), clock)]
    }

    fn over(cache: Arc<dyn Cache>, clock: Arc<ManualClock>) -> Self {
        let settings = ReadThroughSettings {
            name: "shop",
            ttl: TTL,
            negative_ttl: NEGATIVE,
            stale: STALE,
            remembered: REMEMBERED,
        };
        let through = ReadThrough::new(settings, Arc::clone(&cache), clock.clone());
        Self {
            clock,
            cache,
            source: Arc::default(),
            through,
        }
    }

    async fn value(&self, key: &str) -> String {
        self.get(key).await.unwrap().unwrap()
    }

    async fn get(&self, key: &str) -> Result<Option<String>, &'static str> {
        let source = Arc::clone(&self.source);
        let found = self.through.get(key, |_| source.read(key.to_owned())).await;
        found
            .map(|value| value.map(|v| String::from_utf8(v).unwrap()))
            .map_err(|error| *error)
    }
}

#[tokio::test]
async fn a_value_is_read_once_until_its_time_is_over() {
    for bench in Bench::both() {
        bench.source.set("1", "a");
        assert_eq!(bench.value("1").await, "a");
        bench.source.set("1", "b");
        bench.clock.advance(TTL.saturating_sub(TICK));
        assert_eq!(bench.value("1").await, "a");
        assert_eq!(bench.source.reads(), 1);
        bench.clock.advance(TICK);
        assert_eq!(bench.value("1").await, "b");
        assert_eq!(bench.source.reads(), 2);
    }
}

#[tokio::test]
async fn a_flood_for_one_unknown_key_costs_one_read() {
    for bench in Bench::both() {
        for _ in 0..10 {
            let answers = join_all((0..100).map(|_| bench.get("404"))).await;
            assert!(answers.iter().all(|answer| *answer == Ok(None)));
        }
        assert_eq!(bench.source.reads(), 1);
        bench.clock.advance(NEGATIVE);
        bench.source.set("404", "created");
        assert_eq!(bench.value("404").await, "created");
        assert_eq!(bench.source.reads(), 2);
    }
}

#[tokio::test]
async fn concurrent_misses_cost_one_load() {
    let bench = Arc::new(Bench::new());
    bench.source.set("1", "a");
    bench.source.held.store(true, Ordering::SeqCst);
    let waiting = Arc::new(AtomicUsize::new(0));
    let ask = |_| {
        let (bench, waiting) = (Arc::clone(&bench), Arc::clone(&waiting));
        tokio::spawn(async move {
            waiting.fetch_add(1, Ordering::SeqCst);
            bench.get("1").await
        })
    };
    let asked: Vec<_> = (0..500).map(ask).collect();
    while waiting.load(Ordering::SeqCst) < 500 || bench.source.reads() == 0 {
        tokio::task::yield_now().await;
    }
    bench.source.go.notify_waiters();
    for answer in join_all(asked).await {
        assert_eq!(answer.unwrap(), Ok(Some("a".to_owned())));
    }
    assert_eq!(bench.source.reads(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_share_one_load() {
    let bench = Arc::new(Bench::new());
    bench.source.set("1", "a");
    let ask = |_| {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move { bench.get("1").await })
    };
    for answer in join_all((0..500).map(ask)).await {
        assert_eq!(answer.unwrap(), Ok(Some("a".to_owned())));
    }
    assert_eq!(bench.source.reads(), 1);
}

#[tokio::test]
async fn who_waits_is_answered_although_who_began_went_away() {
    let bench = Arc::new(Bench::new());
    bench.source.set("1", "a");
    bench.source.held.store(true, Ordering::SeqCst);
    let ask = || {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move { bench.get("1").await })
    };
    let first = ask();
    while bench.source.reads() == 0 {
        tokio::task::yield_now().await;
    }
    let second = ask();
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    bench.source.go.notify_one();
    assert_eq!(second.await.unwrap(), Ok(Some("a".to_owned())));
    assert_eq!(bench.source.reads(), 1);
}

#[tokio::test]
async fn a_reading_that_nobody_waits_for_does_not_block_the_next() {
    let bench = Bench::new();
    bench.source.set("1", "a");
    bench.source.held.store(true, Ordering::SeqCst);
    let given_up = tokio::time::timeout(Duration::ZERO, bench.get("1")).await;
    assert!(given_up.is_err());
    bench.source.held.store(false, Ordering::SeqCst);
    assert_eq!(bench.value("1").await, "a");
}

#[tokio::test]
async fn while_the_source_is_down_a_known_value_is_served_up_to_the_bound() {
    for bench in Bench::both() {
        bench.source.set("1", "a");
        assert_eq!(bench.value("1").await, "a");
        bench.source.down.store(true, Ordering::SeqCst);
        bench.clock.advance(TTL);
        assert_eq!(bench.value("1").await, "a");
        bench.clock.advance(STALE.saturating_sub(TICK));
        assert_eq!(bench.value("1").await, "a");
        bench.clock.advance(TICK);
        assert_eq!(bench.get("1").await, Err("the source is down"));
        assert_eq!(bench.source.reads(), 4);
        bench.source.down.store(false, Ordering::SeqCst);
        assert_eq!(bench.value("1").await, "a");
    }
}

#[tokio::test]
async fn that_there_was_a_value_is_remembered_long_after_it_may_be_served() {
    let bench = Bench::new();
    let told = async |key: &'static str, known: bool| {
        let heard = Arc::new(Mutex::new(None));
        let noted = Arc::clone(&heard);
        let load = |remembered| async move {
            *noted.lock().unwrap() = Some(remembered);
            Ok(Some(vec![1]).filter(|_| key == "1"))
        };
        bench.through.get(key, load).await.unwrap();
        assert_eq!(*heard.lock().unwrap(), Some(known), "{key}");
    };
    told("1", false).await;
    for _ in 0..2 {
        bench.clock.advance(REMEMBERED.saturating_sub(TICK));
        told("1", true).await;
    }
    bench.clock.advance(REMEMBERED);
    told("1", false).await;
    // What is not there is no acquaintance.
    told("404", false).await;
    bench.clock.advance(NEGATIVE);
    told("404", false).await;
}

#[tokio::test]
async fn while_the_source_is_down_the_unknown_stays_unknown() {
    for bench in Bench::both() {
        assert_eq!(bench.get("404").await, Ok(None));
        bench.source.down.store(true, Ordering::SeqCst);
        bench.clock.advance(NEGATIVE);
        assert_eq!(bench.get("404").await, Err("the source is down"));
        assert_eq!(bench.get("405").await, Err("the source is down"));
    }
}

#[tokio::test]
async fn the_value_of_another_key_is_never_believed() {
    let bench = Bench::new();
    bench.source.set("1", "a");
    bench.source.set("2", "b");
    assert_eq!(bench.value("2").await, "b");
    let of_two = bench.cache.get("shop:2").await.unwrap().unwrap();
    bench.cache.put("shop:1", of_two, TTL).await.unwrap();
    assert_eq!(bench.value("1").await, "a");
    // Nor when there is nothing else to serve.
    let of_two = bench.cache.get("shop:2").await.unwrap().unwrap();
    bench.cache.put("shop:1", of_two, TTL).await.unwrap();
    bench.source.down.store(true, Ordering::SeqCst);
    assert_eq!(bench.get("1").await, Err("the source is down"));
}

#[tokio::test]
async fn what_was_forgotten_is_read_again_and_not_kept_by_an_earlier_reading() {
    let bench = Arc::new(Bench::new());
    bench.source.set("1", "old");
    bench.source.held.store(true, Ordering::SeqCst);
    let reading = tokio::spawn({
        let bench = Arc::clone(&bench);
        async move { bench.get("1").await }
    });
    while bench.source.reads() == 0 {
        tokio::task::yield_now().await;
    }
    bench.source.set("1", "new");
    bench.through.forget("1").await;
    bench.source.held.store(false, Ordering::SeqCst);
    bench.source.go.notify_one();
    assert_eq!(reading.await.unwrap(), Ok(Some("old".to_owned())));
    assert_eq!(bench.value("1").await, "new");
}

#[tokio::test]
async fn a_clock_set_back_makes_nothing_younger() {
    for bench in Bench::both() {
        bench.source.set("1", "a");
        assert_eq!(bench.value("1").await, "a");
        bench.source.set("1", "b");
        bench.clock.set(bench.clock.now() - Duration::from_hours(1));
        assert_eq!(bench.value("1").await, "b");
    }
}

/// A cache that forgets nothing and notes for how long it should have kept it; or is away.
#[derive(Default)]
struct Odd {
    kept: Mutex<HashMap<String, Vec<u8>>>,
    ttls: Mutex<Vec<Duration>>,
    away: bool,
}

impl Odd {
    fn answer<T>(&self, answer: T) -> Result<T, CacheError> {
        if self.away {
            Err(CacheError("it is away".to_owned()))
        } else {
            Ok(answer)
        }
    }
}

#[async_trait]
impl Cache for Odd {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, CacheError> {
        self.answer(self.kept.lock().unwrap().get(key).cloned())
    }

    async fn put(&self, key: &str, value: Vec<u8>, ttl: Duration) -> Result<(), CacheError> {
        self.ttls.lock().unwrap().push(ttl);
        self.kept.lock().unwrap().insert(key.to_owned(), value);
        self.answer(())
    }

    async fn forget(&self, _: &str) -> Result<(), CacheError> {
        self.answer(())
    }
}

#[tokio::test]
async fn without_its_cache_everything_is_read_from_the_source() {
    let bench = Bench::over(
        Arc::new(Odd {
            away: true,
            ..Odd::default()
        }),
        Bench::new().clock,
    );
    bench.source.set("1", "a");
    assert_eq!(bench.value("1").await, "a");
    assert_eq!(bench.get("404").await, Ok(None));
    assert_eq!(bench.source.reads(), 2);
}

#[tokio::test]
async fn every_entry_has_a_time_an_absence_the_shorter_one() {
    let odd = Arc::new(Odd::default());
    let bench = Bench::over(odd.clone(), Bench::new().clock);
    bench.source.set("1", "a");
    assert_eq!(bench.value("1").await, "a");
    assert_eq!(bench.get("404").await, Ok(None));
    assert_eq!(*odd.ttls.lock().unwrap(), [REMEMBERED, NEGATIVE]);
}

#[tokio::test]
async fn the_cache_of_a_process_keeps_its_bounds() {
    let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
    let cache = InProcess::new(64 * 1024, clock.clone());
    for number in 0..1000 {
        cache
            .put(&format!("k{number}"), vec![0; 1024], TTL)
            .await
            .unwrap();
    }
    let mut kept = 0;
    for number in 0..1000 {
        kept += usize::from(cache.get(&format!("k{number}")).await.unwrap().is_some());
    }
    assert!(kept < 200, "{kept} of 1000 entries of 1 KiB in 64 KiB");
    cache.put("gone", vec![1], Duration::ZERO).await.unwrap();
    assert_eq!(cache.get("gone").await, Ok(None));
    cache.put("k", vec![1], TTL).await.unwrap();
    cache.forget("k").await.unwrap();
    assert_eq!(cache.get("k").await, Ok(None));
}

#[tokio::test]
async fn the_cache_of_a_process_keeps_nothing_beyond_its_time() {
    let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
    let cache = InProcess::new(64 * 1024, clock.clone());
    let found = async || cache.get("k").await.unwrap().is_some();
    cache.put("k", vec![1], TTL).await.unwrap();
    clock.advance(TTL.saturating_sub(TICK));
    assert!(found().await);
    clock.advance(TICK);
    assert!(!found().await);
    cache.put("k", vec![1], TTL).await.unwrap();
    clock.set(clock.now() - TICK);
    assert!(!found().await);
}
