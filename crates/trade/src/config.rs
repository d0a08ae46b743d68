//! What an operator sets for trade.

use std::time::Duration;

use domain::Backoff;
use serde::Deserialize;
use store::config::DatabaseConfig;

/// The `trade` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TradeConfig {
    /// Its database.
    pub database: DatabaseConfig,
    /// How long an order may stay without a payer.
    #[serde(with = "humantime_serde")]
    pub bind_limit: Duration,
    /// How long an order may stay unpaid.
    #[serde(with = "humantime_serde")]
    pub pay_limit: Duration,
    /// How long a shop is believed without asking shop-center again.
    #[serde(with = "humantime_serde")]
    pub shop_cache: Duration,
    /// How many unknown shops are asked for at once; more are refused. One that does not exist
    /// takes its turn for a second, more or less.
    pub shop_lookups: usize,
    /// trade's own pauses before it tries again are divided by this; above 1 in demos and tests.
    pub compression: u32,
    /// After how many failed tries to revoke an order a person is told; it is tried on.
    pub revoke_tries: u32,
}

impl Default for TradeConfig {
    fn default() -> Self {
        Self {
            database: DatabaseConfig::default(),
            bind_limit: Duration::from_mins(15),
            pay_limit: Duration::from_hours(2),
            shop_cache: Duration::from_secs(30),
            shop_lookups: 64,
            compression: 1,
            revoke_tries: 10,
        }
    }
}

impl TradeConfig {
    /// Refuses what cannot work, naming the key.
    pub fn validate(&self) -> Result<(), String> {
        if self.shop_lookups == 0 {
            return Err("trade.shop_lookups must be 1 or above".to_owned());
        }
        if self.compression == 0 || self.revoke_tries == 0 {
            return Err("trade.compression and trade.revoke_tries must be 1 or above".to_owned());
        }
        if self.bind_limit.is_zero() || self.pay_limit < self.bind_limit {
            return Err(
                "trade.pay_limit must be at least trade.bind_limit, which must be above 0"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// The pause after the `tried`-th failed try at something that must succeed in the end.
    pub(crate) fn backoff(&self, tried: u32) -> Duration {
        self.compressed(Backoff::default().after(tried))
    }

    /// A pause of trade's own, as short as it is to be here.
    pub(crate) fn compressed(&self, pause: Duration) -> Duration {
        pause.checked_div(self.compression).unwrap_or(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_shrink_by_the_compression() {
        let slow = TradeConfig::default();
        assert_eq!(slow.backoff(1), Duration::from_secs(5));
        assert_eq!(slow.backoff(21), Duration::from_hours(24));
        let quick = TradeConfig {
            compression: 1_000,
            ..TradeConfig::default()
        };
        assert_eq!(quick.backoff(1), Duration::from_millis(5));
    }

    #[test]
    fn what_cannot_work_is_refused_by_its_key() {
        assert_eq!(TradeConfig::default().validate(), Ok(()));
        let no_tries = TradeConfig {
            revoke_tries: 0,
            ..TradeConfig::default()
        };
        let standing_still = TradeConfig {
            compression: 0,
            ..TradeConfig::default()
        };
        for config in [no_tries, standing_still] {
            let wrong = config.validate().unwrap_err();
            assert!(
                wrong.contains("trade.compression and trade.revoke_tries"),
                "{wrong}"
            );
        }
    }
}
