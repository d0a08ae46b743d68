//! A part of the tests' Redis that is one test's own, and broken ways to it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bb8_redis::redis::aio::MultiplexedConnection;
use bb8_redis::redis::{Client, FromRedisValue, IntoConnectionInfo, cmd};
use seam::{Ids, SystemIds};
use tokio::net::TcpListener;

use crate::Proxy;

const REDIS_URL: &str = "PAYMESH_TEST_REDIS_URL";
// The next database that FLUSHDB may empty; others leave it alone. A server has 0 to 15.
static TO_FLUSH: AtomicI64 = AtomicI64::new(15);
const MOMENT: Duration = Duration::from_millis(5);

/// Keys and channels of its own, under a prefix.
pub struct TestRedis {
    client: Client,
    database: i64,
    flushed: bool,
    prefix: String,
    connection: MultiplexedConnection,
}

impl TestRedis {
    /// A prefix nobody else has.
    ///
    /// # Panics
    /// When `PAYMESH_TEST_REDIS_URL` names no server: nothing is skipped.
    pub async fn create() -> Self {
        let (client, database) = server(None);
        Self::on(client, database).await
    }

    /// The same in a database that `flush` empties: no other test of the program has it.
    ///
    /// # Panics
    /// When a program has asked for more of them than a server has.
    pub async fn to_flush() -> Self {
        let database = TO_FLUSH.fetch_sub(1, Ordering::Relaxed);
        assert!(
            database > 0,
            "there is no database left that may be flushed"
        );
        let (client, database) = server(Some(database));
        Self {
            flushed: true,
            ..Self::on(client, database).await
        }
    }

    async fn on(client: Client, database: i64) -> Self {
        let connection = client.get_multiplexed_async_connection().await;
        Self {
            connection: connection.expect("the Redis of PAYMESH_TEST_REDIS_URL answers"),
            client,
            database,
            flushed: false,
            prefix: format!("test-{}", SystemIds.nonce()),
        }
    }

    /// The first part of its keys.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// `redis://HOST:PORT/DATABASE`.
    pub fn url(&self) -> String {
        self.at(self.address())
    }

    /// The same by another way, as through a proxy.
    pub fn at(&self, address: impl std::fmt::Display) -> String {
        format!("redis://{address}/{}", self.database)
    }

    /// A proxy in front of it that cuts nothing by itself.
    pub async fn proxy(&self) -> Proxy {
        Proxy::start(&self.address(), "\0").await
    }

    fn address(&self) -> String {
        self.client.get_connection_info().addr().to_string()
    }

    /// The keys there are, and for how many milliseconds each; -1: for ever.
    pub async fn keys(&self) -> Vec<(String, i64)> {
        let pattern = format!("{}*", self.prefix);
        let keys: Vec<String> = self.ask(&["KEYS", &pattern]).await;
        let mut found = Vec::new();
        for key in keys {
            let left = self.ask(&["PTTL", &key]).await;
            found.push((key, left));
        }
        found
    }

    /// Makes one key say what another says.
    pub async fn copy(&self, from: &str, to: &str) {
        let [from, to] = [from, to].map(|key| format!("{}:{key}", self.prefix));
        let copied: i64 = self.ask(&["COPY", &from, &to, "REPLACE"]).await;
        assert_eq!(copied, 1, "{from} is there");
    }

    /// Writes what no program would under a key.
    pub async fn spoil(&self, key: &str) {
        let key = format!("{}:{key}", self.prefix);
        let _: i64 = self.ask(&["DEL", &key]).await;
        let _: i64 = self.ask(&["LPUSH", &key, "no value"]).await;
    }

    /// Waits until so many listen to its channels.
    pub async fn listened_to(&self, listeners: i64) {
        while self.listeners().await < listeners {
            tokio::time::sleep(MOMENT).await;
        }
    }

    /// How many listen to its channels.
    pub async fn listeners(&self) -> i64 {
        self.say("nothing", b"- -").await
    }

    /// Says something on a bell's channel, as no process would; answers how many heard it.
    pub async fn say(&self, topic: &str, message: &[u8]) -> i64 {
        let mut publish = cmd("PUBLISH");
        publish.arg(format!("{}:bell:{topic}", self.prefix));
        let heard = publish.arg(message);
        let heard = heard.query_async(&mut self.connection.clone()).await;
        heard.expect("the tests' Redis answers")
    }

    /// Loses everything, as FLUSHALL does.
    pub async fn flush(&self) {
        assert!(self.flushed, "other tests keep their keys");
        let _: String = self.ask(&["FLUSHDB"]).await;
    }

    async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = cmd(words[0]);
        command.arg(&words[1..]);
        let answer = command.query_async(&mut self.connection.clone()).await;
        answer.expect("the tests' Redis answers")
    }
}

/// An address where nobody listens: connections are refused.
pub async fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let address = listener.and_then(|listener| listener.local_addr());
    address.expect("a free port").to_string()
}

fn server(database: Option<i64>) -> (Client, i64) {
    let url = std::env::var(REDIS_URL).unwrap_or_else(|_| {
        panic!("{REDIS_URL} is not set: run `make test`, which starts the servers, or name one")
    });
    let info = url.into_connection_info().expect("a URL of a Redis");
    let database = database.unwrap_or(info.redis_settings().db());
    let settings = info.redis_settings().clone().set_db(database);
    let client = Client::open(info.set_redis_settings(settings));
    (client.expect("a URL of a Redis"), database)
}
