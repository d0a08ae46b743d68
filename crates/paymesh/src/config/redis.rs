//! The `redis` section.

use std::path::PathBuf;
use std::time::Duration;

use domain::Environment;
use secrecy::SecretString;
use serde::Deserialize;
use store::redis::{Link, RedisSettings};

use crate::failure::Failure;

/// Where Redis is, if there is one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RedisConfig {
    /// `redis://USER:PASSWORD@HOST:PORT/DATABASE`.
    pub url: Option<SecretString>,
    /// A file that holds the URL, for a mounted secret.
    pub url_file: Option<PathBuf>,
    /// The first part of every key.
    pub prefix: String,
    /// How long an answer may take.
    #[serde(with = "humantime_serde")]
    pub budget: Duration,
    /// How many connections a process holds at most.
    pub connections: u32,
}

impl Default for RedisConfig {
    fn default() -> Self {
        let RedisSettings {
            prefix,
            budget,
            connections,
            ..
        } = RedisSettings::new("");
        Self {
            url: None,
            url_file: None,
            prefix,
            budget,
            connections,
        }
    }
}

impl RedisConfig {
    /// The way to Redis, if one is configured; environments never share a key.
    pub fn link(&self, environment: Environment) -> Result<Option<Link>, Failure> {
        let Some(url) = self.url()? else {
            return Ok(None);
        };
        let letter = environment.to_string();
        let prefix = match letter.as_str() {
            "" => self.prefix.clone(),
            letter => format!("{}:{letter}", self.prefix),
        };
        let settings = RedisSettings {
            url,
            prefix,
            budget: self.budget,
            connections: self.connections,
        };
        let link = Link::new(settings);
        Ok(Some(link.map_err(|error| {
            Failure::config(format!("redis.{error}"))
        })?))
    }

    fn url(&self) -> Result<Option<SecretString>, Failure> {
        match (&self.url, &self.url_file) {
            (Some(_), Some(_)) => Err(Failure::config("redis: set url or url_file, not both")),
            (Some(url), None) => Ok(Some(url.clone())),
            (None, Some(file)) => std::fs::read_to_string(file)
                .map(|url| Some(url.trim().into()))
                .map_err(|e| Failure::config(format!("redis.url_file {}: {e}", file.display()))),
            (None, None) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(config: &RedisConfig) -> String {
        let link = config.link(Environment::PRODUCTION);
        link.err().unwrap().to_string()
    }

    #[tokio::test]
    async fn what_is_wrong_is_named_and_the_password_is_not() {
        let mut config = RedisConfig::default();
        assert!(config.link(Environment::PRODUCTION).unwrap().is_none());
        config.url = Some("redish://someone:secret@127.0.0.1/".into());
        let why = refused(&config);
        assert!(why.starts_with("CONFIG_INVALID: redis.url: "), "{why}");
        assert!(!format!("{why}{config:?}").contains("secret"), "{why}");
        config.url_file = Some("/nowhere/redis-url".into());
        assert!(refused(&config).contains("redis: set url or url_file"));
        config.url = None;
        assert!(refused(&config).contains("redis.url_file /nowhere/redis-url"));
    }

    #[tokio::test]
    async fn the_url_may_stand_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("redis-url");
        std::fs::write(&file, "redis://127.0.0.1:1/\n").unwrap();
        let mut config = RedisConfig {
            url_file: Some(file),
            ..RedisConfig::default()
        };
        assert!(config.link(Environment::PRODUCTION).unwrap().is_some());
        config.budget = Duration::from_secs(2);
        let why = refused(&config);
        assert!(why.starts_with("CONFIG_INVALID: redis.budget: "), "{why}");
    }
}
