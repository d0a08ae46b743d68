//! What stands in front of a shared cache may be a moment old, and is no wrong answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use seam::ManualClock;
use testkit::redis::TestRedis;

use super::redis::cache;
use super::{Bench, NEGATIVE, TICK, TTL};
use crate::cache::{Cache, CacheError, InProcess, Layered, NEAR};

/// A shared cache that may be away.
struct Far {
    cache: InProcess,
    away: AtomicBool,
}

impl Far {
    fn new(clock: &Arc<ManualClock>) -> Arc<Self> {
        Arc::new(Self {
            cache: InProcess::new(1 << 20, Arc::clone(clock) as _),
            away: AtomicBool::new(false),
        })
    }

    fn away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    fn here(&self) -> Result<&InProcess, CacheError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(CacheError("it is away".to_owned()));
        }
        Ok(&self.cache)
    }
}

#[async_trait]
impl Cache for Far {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, CacheError> {
        self.here()?.get(key).await
    }

    async fn put(&self, key: &str, value: Vec<u8>, ttl: Duration) -> Result<(), CacheError> {
        self.here()?.put(key, value, ttl).await
    }

    async fn forget(&self, key: &str) -> Result<(), CacheError> {
        self.here()?.forget(key).await
    }
}

fn process(far: &Arc<impl Cache>, clock: &Arc<ManualClock>) -> Bench {
    let layered = Layered::new(1 << 20, Arc::clone(far) as _, Arc::clone(clock) as _);
    Bench::over(Arc::new(layered), Arc::clone(clock))
}

#[tokio::test]
async fn what_another_process_forgets_is_served_for_a_moment_only() {
    let redis = TestRedis::create().await;
    let clock = Bench::new().clock;
    let [one, two] = [(); 2].map(|()| process(&cache(&redis.url(), redis.prefix()), &clock));
    one.source.set("1", "open");
    two.source.set("1", "disabled");
    assert_eq!(one.value("1").await, "open");
    assert_eq!(two.value("1").await, "open");
    assert_eq!(two.source.reads(), 0);
    one.through.forget("1").await;
    clock.advance(NEAR);
    assert_eq!(two.value("1").await, "disabled");
}

#[tokio::test]
async fn what_is_forgotten_here_is_forgotten_in_both() {
    let clock = Bench::new().clock;
    let far = Far::new(&clock);
    let bench = process(&far, &clock);
    for away in [false, true] {
        far.away(away);
        bench.source.set("1", "a");
        bench.through.forget("1").await;
        assert_eq!(bench.value("1").await, "a");
        bench.source.set("1", "b");
        bench.through.forget("1").await;
        assert_eq!(bench.value("1").await, "b");
    }
}

#[tokio::test]
async fn while_the_shared_cache_is_away_each_value_is_read_once() {
    let clock = Bench::new().clock;
    let far = Far::new(&clock);
    let bench = process(&far, &clock);
    bench.source.set("1", "a");
    far.away(true);
    for _ in 0..3 {
        assert_eq!(bench.value("1").await, "a");
        assert_eq!(bench.get("404").await, Ok(None));
        clock.advance(NEAR);
    }
    assert_eq!(bench.source.reads(), 2);
    clock.advance(NEGATIVE);
    assert_eq!(bench.get("404").await, Ok(None));
    assert_eq!(bench.source.reads(), 3);
    bench.source.set("1", "b");
    clock.advance(TTL);
    assert_eq!(bench.value("1").await, "b");
}

#[tokio::test]
async fn a_value_does_not_outlive_its_time_by_going_through_both() {
    let clock = Bench::new().clock;
    let far = Far::new(&clock);
    let (one, two) = (process(&far, &clock), process(&far, &clock));
    one.source.set("1", "open");
    assert_eq!(one.value("1").await, "open");
    one.source.set("1", "disabled");
    two.source.set("1", "disabled");
    clock.advance(TTL.saturating_sub(TICK));
    assert_eq!(two.value("1").await, "open");
    far.away(true);
    clock.advance(TICK);
    assert_eq!(two.value("1").await, "disabled");
    assert_eq!(one.value("1").await, "disabled");
}

#[tokio::test]
async fn what_the_shared_cache_has_forgotten_does_not_come_back_when_it_is_away() {
    let clock = Bench::new().clock;
    let far = Far::new(&clock);
    let cache = Layered::new(1 << 20, Arc::clone(&far) as _, Arc::clone(&clock) as _);
    let get = async || cache.get("k").await;
    cache.put("k", vec![1], TTL).await.unwrap();
    far.cache.forget("k").await.unwrap();
    clock.advance(NEAR);
    assert_eq!(get().await, Ok(None));
    far.away(true);
    assert!(get().await.is_err());
    far.away(false);
    cache.put("k", vec![1], TTL).await.unwrap();
    far.cache.put("k", vec![2], TTL).await.unwrap();
    clock.advance(NEAR);
    assert_eq!(get().await, Ok(Some(vec![2])));
    far.away(true);
    clock.advance(NEAR);
    assert!(get().await.is_err());
}
