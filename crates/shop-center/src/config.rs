//! The `shop-center` section of the configuration.

use std::time::Duration;

use serde::Deserialize;
use store::config::DatabaseConfig;

use crate::ShopCenterError;

/// How the service is set up.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShopCenterConfig {
    /// How long a shop, a merchant or accounts are believed without asking the database, and
    /// so how late a change by another process is seen.
    #[serde(with = "humantime_serde")]
    pub cache_ttl: Duration,
    /// How long one is believed not to exist; an id nobody knows costs one read in this time.
    #[serde(with = "humantime_serde")]
    pub negative_ttl: Duration,
    /// How many lookups may read the database at once.
    pub lookups: u16,
    /// How long a lookup waits for its turn before the caller is told to come back.
    #[serde(with = "humantime_serde")]
    pub lookup_wait: Duration,
    /// Where its database is.
    pub database: DatabaseConfig,
}

impl Default for ShopCenterConfig {
    fn default() -> Self {
        Self {
            cache_ttl: Duration::from_secs(5),
            negative_ttl: Duration::from_secs(1),
            // Half of the read connections: a flood of lookups leaves the others alone.
            lookups: 4,
            lookup_wait: Duration::from_millis(100),
            database: DatabaseConfig::default(),
        }
    }
}

// A shop that is suspended must stop selling soon.
const LONGEST: Duration = Duration::from_mins(5);

impl ShopCenterConfig {
    /// Refuses what cannot work.
    pub fn validate(&self) -> Result<(), ShopCenterError> {
        let refused = |name, problem| Err(ShopCenterError::Setting { name, problem });
        if self.cache_ttl.is_zero() || self.cache_ttl > LONGEST {
            return refused("cache_ttl", "must be above 0 and at most 5m");
        }
        if self.negative_ttl.is_zero() || self.negative_ttl > self.cache_ttl {
            return refused("negative_ttl", "must be above 0 and at most cache_ttl");
        }
        if self.lookups == 0 {
            return refused("lookups", "must be 1 or above");
        }
        if self.database.url.is_some() && self.database.url_file.is_some() {
            return refused("database.url", "set url or url_file, not both");
        }
        if self.database.read_connections == 0 {
            return refused("database.read_connections", "must be 1 or above");
        }
        if self.database.queue == 0 {
            return refused("database.queue", "must be 1 or above");
        }
        if self.database.patience.is_zero() {
            return refused("database.patience", "must be longer than nothing, e.g. 5s");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_work_and_unknown_keys_do_not() {
        ShopCenterConfig::default().validate().unwrap();
        let set: ShopCenterConfig =
            toml::from_str("cache_ttl = '2s'\n[database]\npatience = '250ms'").unwrap();
        assert_eq!(set.cache_ttl.as_secs(), 2);
        assert_eq!(set.database.patience.as_millis(), 250);
        set.validate().unwrap();
        assert!(toml::from_str::<ShopCenterConfig>("databse = {}").is_err());
        assert!(toml::from_str::<ShopCenterConfig>("[database]\nurll = 'x'").is_err());
    }

    #[test]
    fn what_cannot_work_is_named() {
        for (text, name) in [
            ("cache_ttl = '0s'", "cache_ttl"),
            ("cache_ttl = '301s'", "cache_ttl"),
            ("negative_ttl = '0s'", "negative_ttl"),
            ("negative_ttl = '6s'", "negative_ttl"),
            ("lookups = 0", "lookups"),
            ("database.read_connections = 0", "database.read_connections"),
            ("database.queue = 0", "database.queue"),
            ("database.patience = '0s'", "database.patience"),
            (
                "database.url = 'a'\ndatabase.url_file = 'b'",
                "database.url",
            ),
        ] {
            let config: ShopCenterConfig = toml::from_str(text).unwrap();
            let error = config.validate().unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
