//! Who hears a bell, with Redis sound, absent, frozen and back again.

use std::time::{Duration, Instant};

use testkit::redis::{TestRedis, nowhere};
use tokio::time::timeout;

use super::redis::PING;
use super::{Bell, InProcess, Redis, Rings};
use crate::redis::{Link, RedisSettings};

const BOUND: Duration = Duration::from_secs(10);
const MOMENT: Duration = Duration::from_millis(100);

fn process(url: &str, prefix: &str, origin: &str) -> Redis {
    let settings = RedisSettings {
        prefix: prefix.to_owned(),
        ..RedisSettings::new(url)
    };
    Redis::start(&Link::new(settings).unwrap(), origin.to_owned())
}

async fn next(rings: &mut Rings) -> String {
    let ring = timeout(BOUND, rings.recv()).await;
    ring.unwrap().unwrap().to_string()
}

#[tokio::test]
async fn who_listens_to_the_topic_hears_it_and_nobody_else() {
    let bell = InProcess::default();
    bell.publish("orders", "nobody listens yet");
    let [mut one, mut two] = [(); 2].map(|()| bell.subscribe("orders"));
    let mut other = bell.subscribe("switches");
    bell.publish("orders", "1");
    assert_eq!(next(&mut one).await, "1");
    assert_eq!(next(&mut two).await, "1");
    assert!(other.try_recv().is_err());
}

#[tokio::test]
async fn every_process_hears_it_once() {
    let redis = TestRedis::create().await;
    let start = |origin| process(&redis.url(), redis.prefix(), origin);
    let [one, two] = ["one", "two"].map(start);
    let [mut at_one, mut at_two] = [&one, &two].map(|bell| bell.subscribe("orders"));
    redis.listened_to(2).await;
    one.publish("switches", "another topic");
    for key in ["1", "with a space", "3"] {
        one.publish("orders", key);
    }
    // When this has come back, so has everything before it.
    two.publish("orders", "last");
    for key in ["1", "with a space", "3", "last"] {
        assert_eq!(next(&mut at_one).await, key);
    }
    let mut heard = vec![];
    while heard.len() < 4 {
        heard.push(next(&mut at_two).await);
    }
    heard.retain(|key| key != "last");
    assert_eq!(heard, ["1", "with a space", "3"]);
    assert!(timeout(MOMENT, at_one.recv()).await.is_err());
}

#[tokio::test]
async fn without_redis_it_rings_here_and_nobody_waits() {
    let redis = TestRedis::create().await;
    let frozen = redis.proxy().await;
    frozen.silent(true);
    for address in [nowhere().await, frozen.address().to_string()] {
        let bell = process(&redis.at(address), redis.prefix(), "one");
        let mut rings = bell.subscribe("orders");
        let began = Instant::now();
        for _ in 0..100_000 {
            bell.publish("orders", "1");
            assert_eq!(&*rings.try_recv().unwrap(), "1");
        }
        assert!(began.elapsed() < BOUND);
    }
}

#[tokio::test]
async fn a_redis_that_comes_late_or_again_is_heard() {
    let redis = TestRedis::create().await;
    let proxy = redis.proxy().await;
    let one = process(&redis.url(), redis.prefix(), "one");
    proxy.silent(true);
    let two = process(&redis.at(proxy.address()), redis.prefix(), "two");
    let mut rings = two.subscribe("orders");
    one.publish("orders", "is not heard");
    assert!(timeout(MOMENT, rings.recv()).await.is_err());
    proxy.silent(false);
    rings_again(&one, &mut rings).await;
    proxy.down(true);
    one.publish("orders", "cuts the connection");
    tokio::time::sleep(MOMENT).await;
    proxy.down(false);
    rings_again(&one, &mut rings).await;
}

#[tokio::test]
async fn a_subscription_that_has_died_unnoticed_is_found_out_and_made_anew() {
    let redis = TestRedis::create().await;
    let proxy = redis.proxy().await;
    let one = process(&redis.url(), redis.prefix(), "one");
    let two = process(&redis.at(proxy.address()), redis.prefix(), "two");
    let mut rings = two.subscribe("orders");
    redis.listened_to(2).await;
    proxy.silent(true);
    // The proxy carries nothing more on this connection, ever, and does not end it.
    one.publish("orders", "is swallowed");
    assert!(timeout(MOMENT, rings.recv()).await.is_err());
    proxy.silent(false);
    one.publish("orders", "is not heard either");
    assert!(timeout(MOMENT, rings.recv()).await.is_err());
    tokio::time::pause();
    tokio::time::advance(PING).await;
    tokio::time::resume();
    rings_again(&one, &mut rings).await;
}

#[tokio::test]
async fn a_flushed_redis_rings_on() {
    let redis = TestRedis::to_flush().await;
    let [one, two] = ["one", "two"].map(|origin| process(&redis.url(), redis.prefix(), origin));
    let mut rings = two.subscribe("orders");
    redis.listened_to(2).await;
    for key in ["1", "2"] {
        one.publish("orders", key);
        assert_eq!(next(&mut rings).await, key);
        redis.flush().await;
    }
    one.publish("orders", "3");
    assert_eq!(next(&mut rings).await, "3");
}

#[tokio::test]
async fn what_is_garbled_rings_for_nobody_or_once_and_the_next_is_heard() {
    let redis = TestRedis::create().await;
    let bell = process(&redis.url(), redis.prefix(), "one");
    let mut rings = bell.subscribe("orders");
    let mut other = bell.subscribe("switches");
    redis.listened_to(1).await;
    let huge = [b"two ", vec![b'9'; 1 << 20].as_slice()].concat();
    let garbled: [&[u8]; 7] = [
        b"",
        b"two",
        b"one says this itself",
        b"two \xff\xfe",
        b"\xff 1",
        b"\0",
        b"*1\r\n$4\r\nPING\r\n",
    ];
    for message in garbled {
        assert_eq!(redis.say("orders", message).await, 1, "{message:?}");
    }
    // What can be read is passed on as it is, once: what it means is the listener's to judge.
    for message in [&b"two "[..], b" 2", b"two W not a number", &huge] {
        redis.say("orders", message).await;
    }
    redis.say("nobody's", b"two 3").await;
    redis.say("", b"two 4").await;
    redis.say("orders", b"two last").await;
    let mut heard = Vec::new();
    while heard.last().is_none_or(|last| last != "last") {
        heard.push(next(&mut rings).await);
    }
    let huge = String::from_utf8(huge[4..].to_vec()).unwrap();
    assert_eq!(heard, ["", "2", "W not a number", &huge, "last"]);
    assert!(other.try_recv().is_err());
}

async fn rings_again(bell: &Redis, rings: &mut Rings) {
    let again = async {
        loop {
            bell.publish("orders", "again");
            if let Ok(Ok(key)) = timeout(MOMENT, rings.recv()).await
                && &*key == "again"
            {
                return;
            }
        }
    };
    timeout(BOUND, again).await.unwrap();
}

#[tokio::test]
async fn a_dropped_bell_listens_no_longer() {
    let redis = TestRedis::create().await;
    let bell = process(&redis.url(), redis.prefix(), "one");
    redis.listened_to(1).await;
    drop(bell);
    let gone = async {
        while redis.listeners().await > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(BOUND, gone).await.unwrap();
}
