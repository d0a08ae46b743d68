//! The `rate` section of the configuration.

use serde::Deserialize;
use store::config::DatabaseConfig;

use crate::RateError;

/// How the service is set up.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateConfig {
    /// Where its database is.
    pub database: DatabaseConfig,
}

impl RateConfig {
    /// Refuses what cannot work.
    pub fn validate(&self) -> Result<(), RateError> {
        let refused = |name, problem| Err(RateError::Setting { name, problem });
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
        RateConfig::default().validate().unwrap();
        let set: RateConfig = toml::from_str("[database]\npatience = '250ms'").unwrap();
        assert_eq!(set.database.patience.as_millis(), 250);
        set.validate().unwrap();
        assert!(toml::from_str::<RateConfig>("databse = {}").is_err());
        assert!(toml::from_str::<RateConfig>("[database]\nurll = 'x'").is_err());
    }

    #[test]
    fn what_cannot_work_is_named() {
        for (text, name) in [
            ("read_connections = 0", "database.read_connections"),
            ("queue = 0", "database.queue"),
            ("patience = '0s'", "database.patience"),
            ("url = 'a'\nurl_file = 'b'", "database.url"),
        ] {
            let config: RateConfig = toml::from_str(&format!("[database]\n{text}")).unwrap();
            let error = config.validate().unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
