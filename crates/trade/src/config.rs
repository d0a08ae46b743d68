//! What an operator sets for trade.

use std::time::Duration;

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
    /// takes its turn for 200 ms.
    pub shop_lookups: usize,
}

impl Default for TradeConfig {
    fn default() -> Self {
        Self {
            database: DatabaseConfig::default(),
            bind_limit: Duration::from_mins(15),
            pay_limit: Duration::from_hours(2),
            shop_cache: Duration::from_secs(30),
            shop_lookups: 64,
        }
    }
}

impl TradeConfig {
    /// Refuses what cannot work, naming the key.
    pub fn validate(&self) -> Result<(), String> {
        if self.shop_lookups == 0 {
            return Err("trade.shop_lookups must be 1 or above".to_owned());
        }
        if self.bind_limit.is_zero() || self.pay_limit < self.bind_limit {
            return Err(
                "trade.pay_limit must be at least trade.bind_limit, which must be above 0"
                    .to_owned(),
            );
        }
        Ok(())
    }
}
