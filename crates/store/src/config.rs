//! The `database` section every service's configuration has.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::{DbSettings, StoreError};

/// Where a service's database is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// `sqlite://FILE?mode=rwc` or `mysql://USER:PASSWORD@HOST/DATABASE`.
    pub url: Option<SecretString>,
    /// A file that holds the URL, for a mounted secret.
    pub url_file: Option<PathBuf>,
    /// Connections held for reads.
    pub read_connections: u32,
    /// Writes that may wait; more are refused.
    pub queue: usize,
    /// How long a write may wait for a database that went away.
    #[serde(with = "humantime_serde")]
    pub patience: Duration,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        let DbSettings {
            read_connections,
            queue,
            patience,
            ..
        } = DbSettings::new("", "");
        Self {
            url: None,
            url_file: None,
            read_connections,
            queue,
            patience,
        }
    }
}

impl DatabaseConfig {
    /// The settings for `service`; `fallback` is the URL when none is configured.
    pub fn settings(
        &self,
        service: &str,
        fallback: Option<&str>,
    ) -> Result<DbSettings, StoreError> {
        let url = match (&self.url, &self.url_file) {
            (Some(_), Some(_)) => Err("set url or url_file, not both".to_owned()),
            (Some(url), None) => Ok(url.expose_secret().to_owned()),
            (None, Some(file)) => std::fs::read_to_string(file)
                .map(|url| url.trim().to_owned())
                .map_err(|e| format!("url_file {}: {e}", file.display())),
            (None, None) => fallback
                .map(str::to_owned)
                .ok_or("set url or url_file".to_owned()),
        };
        let url = url.map_err(|why| StoreError::Url(format!("{service}: {why}")))?;
        Ok(DbSettings {
            service: service.to_owned(),
            url,
            read_connections: self.read_connections,
            queue: self.queue,
            patience: self.patience,
        })
    }
}
