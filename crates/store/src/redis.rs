//! How Redis is reached: a few connections shared by all, a budget for each answer, and a
//! pause in which it is not asked at all after it has failed. Nothing here is needed for a
//! right answer.

mod breaker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bb8_redis::RedisConnectionManager;
use bb8_redis::bb8::{ManageConnection, Pool, RunError};
use bb8_redis::redis::aio::MultiplexedConnection;
use bb8_redis::redis::{Client, FromRedisValue, Pipeline, RedisError};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use breaker::Breaker;

/// Where Redis is and how long it may take.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// `redis://USER:PASSWORD@HOST:PORT/DATABASE`.
    pub url: SecretString,
    /// The first part of every key and of every channel.
    pub prefix: String,
    /// How long an answer may take.
    pub budget: Duration,
    /// How many connections there are at most; each carries any number of calls.
    pub connections: u32,
}

impl RedisSettings {
    /// The defaults, for a server at `url`.
    pub fn new(url: impl Into<SecretString>) -> Self {
        Self {
            url: url.into(),
            prefix: "paymesh".to_owned(),
            budget: Duration::from_millis(50),
            connections: 2,
        }
    }
}

/// Redis cannot be reached this way; the message names the setting, never the URL.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Not a URL of a Redis.
    #[error("url: {0} (redis://USER:PASSWORD@HOST:PORT/DATABASE is expected)")]
    Url(#[source] RedisError),
    /// Not a prefix.
    #[error("prefix: letters, digits, '-', '_' and ':' are allowed, 64 at most, and at least one")]
    Prefix,
    /// Not a budget.
    #[error("budget: above 0 and at most 500ms is allowed")]
    Budget,
    /// Not a number of connections.
    #[error("connections: 1 to 64 are allowed")]
    Connections,
}

/// Redis did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RedisFailure {
    #[error("redis gave no answer within {0:?}")]
    Late(Duration),
    #[error("redis failed just now and is not asked for a moment")]
    Paused,
    #[error("redis: {0}")]
    Answer(#[from] RedisError),
}

/// The way to one Redis; clones share it.
#[derive(Clone)]
pub struct Link(Arc<Inner>);

struct Inner {
    pool: Pool<Lines>,
    client: Client,
    prefix: String,
    budget: Duration,
    breaker: Breaker,
}

// bb8-redis takes a connection for sound whatever happened on it; we know better.
struct Lines(RedisConnectionManager);

// A connection that many use at once, and whether it has failed anyone.
#[derive(Clone)]
struct Line {
    connection: MultiplexedConnection,
    broken: Arc<AtomicBool>,
}

impl ManageConnection for Lines {
    type Connection = Line;
    type Error = RedisError;

    async fn connect(&self) -> Result<Line, RedisError> {
        let connection = self.0.connect().await?;
        Ok(Line {
            connection,
            broken: Arc::default(),
        })
    }

    async fn is_valid(&self, line: &mut Line) -> Result<(), RedisError> {
        self.0.is_valid(&mut line.connection).await
    }

    fn has_broken(&self, line: &mut Line) -> bool {
        line.broken.load(Ordering::Relaxed)
    }
}

// The connection itself ends a call after this time.
const LONGEST: Duration = Duration::from_millis(500);

impl Link {
    /// Checks the settings; connects when it is first asked. Needs a tokio runtime.
    pub fn new(settings: RedisSettings) -> Result<Self, LinkError> {
        check(&settings)?;
        let url = settings.url.expose_secret();
        let client = Client::open(url).map_err(LinkError::Url)?;
        let lines = Lines(RedisConnectionManager::new(url).map_err(LinkError::Url)?);
        let pool = Pool::builder()
            .max_size(settings.connections)
            // A PING before each call would double its cost; a line that fails is dropped.
            .test_on_check_out(false)
            .retry_connection(false)
            .connection_timeout(settings.budget)
            .build_unchecked(lines);
        Ok(Self(Arc::new(Inner {
            pool,
            client,
            prefix: settings.prefix,
            budget: settings.budget,
            breaker: Breaker::default(),
        })))
    }

    /// The first part of every key.
    pub(crate) fn prefix(&self) -> &str {
        &self.0.prefix
    }

    /// For connections of one's own.
    pub(crate) fn client(&self) -> &Client {
        &self.0.client
    }

    /// `host:port`, for logs.
    pub(crate) fn address(&self) -> String {
        self.0.client.get_connection_info().addr().to_string()
    }

    /// Asks, and waits no longer than the budget.
    pub(crate) async fn ask<T: FromRedisValue>(
        &self,
        commands: &Pipeline,
    ) -> Result<T, RedisFailure> {
        if !self.0.breaker.admits(Instant::now()) {
            return Err(RedisFailure::Paused);
        }
        let answer = self.answer(commands, Instant::now() + self.0.budget).await;
        self.note(answer.as_ref().err());
        answer
    }

    async fn answer<T: FromRedisValue>(
        &self,
        commands: &Pipeline,
        until: Instant,
    ) -> Result<T, RedisFailure> {
        let late = |_| RedisFailure::Late(self.0.budget);
        let mut line = timeout_at(until, self.line()).await.map_err(late)??;
        let answer = timeout_at(until, commands.query_async(&mut line.connection)).await;
        let answer = answer.map_err(late).and_then(|answer| Ok(answer?));
        if answer.is_err() {
            line.broken.store(true, Ordering::Relaxed);
        }
        answer
    }

    // Given back at once, so that others may use it too; a broken one is dropped thereby.
    async fn line(&self) -> Result<Line, RedisFailure> {
        loop {
            let line = self.0.pool.get().await.map(|line| line.clone());
            let line = line.map_err(|error| match error {
                RunError::User(error) => RedisFailure::Answer(error),
                RunError::TimedOut => RedisFailure::Late(self.0.budget),
            })?;
            if !line.broken.load(Ordering::Relaxed) {
                return Ok(line);
            }
        }
    }

    fn note(&self, failure: Option<&RedisFailure>) {
        let Some(failure) = failure else {
            if self.0.breaker.worked() {
                info!(redis = self.address(), "redis answers again");
            }
            return;
        };
        metrics::counter!("redis_failures_total").increment(1);
        if self.0.breaker.failed(Instant::now()) {
            warn!(redis = self.address(), error = %failure, "going on without redis");
        }
    }
}

fn check(settings: &RedisSettings) -> Result<(), LinkError> {
    let RedisSettings {
        prefix,
        budget,
        connections,
        ..
    } = settings;
    // Nothing that means something in a pattern.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_:".contains(c);
    if prefix.is_empty() || prefix.len() > 64 || !prefix.chars().all(plain) {
        return Err(LinkError::Prefix);
    }
    if budget.is_zero() || *budget > LONGEST {
        return Err(LinkError::Budget);
    }
    if !(1..=64).contains(connections) {
        return Err(LinkError::Connections);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut RedisSettings)) -> String {
        let mut settings = RedisSettings::new("redis://someone:secret@127.0.0.1:1/");
        change(&mut settings);
        Link::new(settings).err().unwrap().to_string()
    }

    #[tokio::test]
    async fn a_setting_that_cannot_work_is_named_and_the_password_is_not() {
        for url in [
            "",
            "127.0.0.1:6379",
            "mysql://someone:secret@127.0.0.1/",
            "redis://someone:secret@127.0.0.1/name",
            "rediss://someone:secret@127.0.0.1/",
        ] {
            let why = refused(|settings| settings.url = url.into());
            assert!(why.starts_with("url: "), "{why}");
            assert!(!why.contains("secret"), "{why}");
        }
        assert!(refused(|s| s.prefix = "pay*".to_owned()).starts_with("prefix: "));
        assert!(refused(|s| s.prefix = String::new()).starts_with("prefix: "));
        assert!(refused(|s| s.budget = Duration::ZERO).starts_with("budget: "));
        assert!(refused(|s| s.budget = Duration::from_secs(1)).starts_with("budget: "));
        assert!(refused(|s| s.connections = 0).starts_with("connections: "));
    }

    #[test]
    fn settings_do_not_show_the_password() {
        let settings = RedisSettings::new("redis://someone:secret@127.0.0.1:1/");
        assert!(!format!("{settings:?}").contains("secret"));
    }
}
