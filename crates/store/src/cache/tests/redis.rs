//! With Redis sound, absent, frozen, flushed and lying: no wrong answer, and no long wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use seam::{Ids, SystemIds};
use testkit::redis::{TestRedis, nowhere};

use super::{Bench, NEGATIVE, REMEMBERED, STALE, TTL};
use crate::cache::{Cache, Redis};
use crate::redis::{Link, RedisSettings};

// Far above what is promised, far below what a hung server would cost.
const BOUND: Duration = Duration::from_secs(5);

/// A cache that waits as long as it may: what is sound stays so on a busy machine.
pub(super) fn cache(url: &str, prefix: &str) -> Arc<Redis> {
    let budget = Duration::from_millis(500);
    over(RedisSettings {
        prefix: prefix.to_owned(),
        budget,
        ..RedisSettings::new(url)
    })
}

fn over(settings: RedisSettings) -> Arc<Redis> {
    Arc::new(Redis::new(Link::new(settings).unwrap()))
}

fn process(url: &str, prefix: &str) -> Bench {
    Bench::over(cache(url, prefix), Bench::new().clock)
}

/// A process with the default budget.
fn hurried(url: &str) -> Bench {
    let prefix = format!("test-{}", SystemIds.nonce());
    let settings = RedisSettings {
        prefix,
        ..RedisSettings::new(url)
    };
    Bench::over(over(settings), Bench::new().clock)
}

#[tokio::test]
async fn processes_share_what_one_of_them_has_read() {
    let redis = TestRedis::create().await;
    let [one, two] = [(); 2].map(|()| process(&redis.url(), redis.prefix()));
    one.source.set("1", "a");
    assert_eq!(one.value("1").await, "a");
    assert_eq!(two.value("1").await, "a");
    assert_eq!(one.get("404").await, Ok(None));
    assert_eq!(two.get("404").await, Ok(None));
    assert_eq!((one.source.reads(), two.source.reads()), (2, 0));
    let other = process(&redis.url(), &format!("{}-other", redis.prefix()));
    assert_eq!(other.get("1").await, Ok(None), "another environment");
}

#[tokio::test]
async fn a_shared_value_is_as_old_as_its_reading() {
    let redis = TestRedis::create().await;
    let [one, two] = [(); 2].map(|()| process(&redis.url(), redis.prefix()));
    one.source.set("1", "a");
    two.source.set("1", "b");
    assert_eq!(one.value("1").await, "a");
    two.clock.advance(TTL);
    assert_eq!(two.value("1").await, "b");
}

#[tokio::test]
async fn what_one_process_forgets_all_forget() {
    let redis = TestRedis::create().await;
    let [one, two] = [(); 2].map(|()| process(&redis.url(), redis.prefix()));
    one.source.set("1", "open");
    two.source.set("1", "disabled");
    assert_eq!(one.value("1").await, "open");
    assert_eq!(two.value("1").await, "open");
    one.through.forget("1").await;
    assert_eq!(two.value("1").await, "disabled");
}

#[tokio::test]
async fn every_key_has_a_time() {
    let redis = TestRedis::create().await;
    let bench = process(&redis.url(), redis.prefix());
    bench.source.set("1", "a");
    assert_eq!(bench.value("1").await, "a");
    assert_eq!(bench.get("404").await, Ok(None));
    let put = async |key, ttl| bench.cache.put(key, vec![1], ttl).await.unwrap();
    put("for ever", Duration::MAX).await;
    put("not at all", Duration::ZERO).await;
    put("nor this", Duration::from_nanos(1)).await;
    let keys = redis.keys().await;
    let found = |key: &str| {
        let key = format!("{}:{key}", redis.prefix());
        let (_, left) = keys.iter().find(|(found, _)| *found == key).unwrap();
        Duration::from_millis(u64::try_from(*left).unwrap())
    };
    assert_eq!(keys.len(), 3, "{keys:?}");
    assert!(found("shop:1") > TTL + STALE && found("shop:1") <= REMEMBERED);
    assert!(found("shop:404") > Duration::ZERO && found("shop:404") <= NEGATIVE);
    assert!(found("for ever") > TTL);
}

#[tokio::test]
async fn a_flushed_redis_costs_a_reading_and_nothing_else() {
    let redis = TestRedis::to_flush().await;
    let bench = process(&redis.url(), redis.prefix());
    bench.source.set("1", "a");
    assert_eq!(bench.value("1").await, "a");
    bench.source.set("1", "b");
    assert_eq!(bench.value("1").await, "a");
    redis.flush().await;
    assert_eq!(bench.value("1").await, "b");
    assert_eq!(bench.source.reads(), 2);
}

#[tokio::test]
async fn what_redis_says_of_another_key_or_in_another_tongue_is_not_believed() {
    let redis = TestRedis::create().await;
    let bench = process(&redis.url(), redis.prefix());
    bench.source.set("1", "a");
    bench.source.set("2", "b");
    assert_eq!(bench.value("2").await, "b");
    redis.copy("shop:2", "shop:1").await;
    assert_eq!(bench.value("1").await, "a");
    redis.spoil("shop:1").await;
    assert_eq!(bench.value("1").await, "a");
    assert_eq!(bench.source.reads(), 3);
    // And is put right thereby.
    assert_eq!(bench.value("1").await, "a");
    assert_eq!(bench.source.reads(), 3);
}

/// Whatever is asked is answered from the source, and soon.
async fn is_bounded(bench: &Bench) {
    for key in ["1", "2", "3"] {
        bench.source.set(key, key);
    }
    let began = Instant::now();
    for _ in 0..100 {
        for key in ["1", "2", "3"] {
            assert_eq!(bench.value(key).await, key);
        }
        assert_eq!(bench.get("404").await, Ok(None));
        bench.through.forget("1").await;
    }
    let at_once = join_all((0..500).map(|_| bench.get("404"))).await;
    assert!(at_once.iter().all(|answer| *answer == Ok(None)));
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_absent_redis_is_done_without() {
    let bench = hurried(&format!("redis://{}/", nowhere().await));
    is_bounded(&bench).await;
}

#[tokio::test]
async fn a_redis_that_never_answers_is_done_without() {
    let redis = TestRedis::create().await;
    let proxy = redis.proxy().await;
    proxy.silent(true);
    let bench = hurried(&redis.at(proxy.address()));
    is_bounded(&bench).await;
}

#[tokio::test]
async fn a_redis_that_freezes_is_done_without_and_asked_again_when_it_is_back() {
    let redis = TestRedis::create().await;
    let proxy = redis.proxy().await;
    let bench = hurried(&redis.at(proxy.address()));
    answers(&bench).await;
    proxy.silent(true);
    is_bounded(&bench).await;
    proxy.silent(false);
    answers(&bench).await;
}

#[tokio::test]
async fn a_redis_that_went_away_is_asked_again_when_it_is_back() {
    let redis = TestRedis::create().await;
    let proxy = redis.proxy().await;
    let bench = hurried(&redis.at(proxy.address()));
    answers(&bench).await;
    proxy.down(true);
    is_bounded(&bench).await;
    proxy.down(false);
    answers(&bench).await;
}

async fn answers(bench: &Bench) {
    let sound = async {
        while bench.cache.put("sound", vec![1], TTL).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(BOUND, sound).await.unwrap();
}

#[tokio::test]
async fn a_caller_that_gives_up_breaks_nothing() {
    let redis = TestRedis::create().await;
    let cache = cache(&redis.url(), redis.prefix());
    cache.put("1", vec![1], TTL).await.unwrap();
    for _ in 0..100 {
        drop(tokio::time::timeout(Duration::ZERO, cache.get("1")).await);
        assert_eq!(cache.get("1").await, Ok(Some(vec![1])));
    }
}
