//! What an operator sets for pay-gateway.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use store::config::DatabaseConfig;

use crate::channel::swiftpass::Signer;

mod key;

pub use key::{KeyConfig, SecretConfig, SignType};

/// The `pay_gateway` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PayGatewayConfig {
    /// Its database.
    pub database: DatabaseConfig,
    /// Where channels reach the callback ingress, without the path: `https://pay.example.com`.
    pub callback_url: String,
    /// How long merchant accounts, and that a shop sells, are believed without asking shop-center
    /// again.
    #[serde(with = "humantime_serde")]
    pub account_cache: Duration,
    /// Polls, closes, confirmations and refund queries run this many times as fast: 1, except in
    /// demos and tests.
    pub compression: u32,
    /// Swiftpass (威富通).
    pub swiftpass: SwiftpassConfig,
}

/// The `pay_gateway.swiftpass` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SwiftpassConfig {
    /// Where its gateway answers.
    pub gateway_url: String,
    /// The time a connection may take.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// The time a whole call may take; ends before pay-gateway's own caller stops waiting.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// How many calls one account makes at once; more are refused before they are sent.
    pub concurrency: usize,
    /// How old a payment that the customer makes must be before the platform closes it.
    #[serde(with = "humantime_serde")]
    pub close_after: Duration,
    /// Signing keys, by the name merchant accounts know them under.
    pub keys: BTreeMap<String, KeyConfig>,
}

impl Default for PayGatewayConfig {
    fn default() -> Self {
        Self {
            database: DatabaseConfig::default(),
            callback_url: String::new(),
            account_cache: Duration::from_secs(30),
            compression: 1,
            swiftpass: SwiftpassConfig::default(),
        }
    }
}

impl Default for SwiftpassConfig {
    fn default() -> Self {
        Self {
            gateway_url: "https://pay.swiftpass.cn/pay/gateway".to_owned(),
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(5),
            concurrency: 64,
            close_after: Duration::from_mins(5),
            keys: BTreeMap::new(),
        }
    }
}

impl PayGatewayConfig {
    /// Refuses what cannot work, naming the key.
    pub fn validate(&self) -> Result<(), String> {
        if !["http://", "https://"]
            .iter()
            .any(|scheme| self.callback_url.starts_with(scheme))
        {
            return Err("pay_gateway.callback_url must begin with http:// or https://".to_owned());
        }
        if self.swiftpass.timeout > Duration::from_secs(7) || self.swiftpass.timeout.is_zero() {
            return Err("pay_gateway.swiftpass.timeout must be above 0 and at most 7s".to_owned());
        }
        if self.swiftpass.connect_timeout.is_zero() {
            return Err("pay_gateway.swiftpass.connect_timeout must be above 0".to_owned());
        }
        if self.swiftpass.concurrency == 0 || self.compression == 0 {
            let keys = "pay_gateway.swiftpass.concurrency and pay_gateway.compression";
            return Err(format!("{keys} must be 1 or above"));
        }
        self.swiftpass.signers().map(|_| ())
    }
}

impl SwiftpassConfig {
    /// The signers, by key name; reads the key files.
    pub(crate) fn signers(&self) -> Result<BTreeMap<String, Signer>, String> {
        self.keys
            .iter()
            .map(|(name, key)| {
                let at = format!("pay_gateway.swiftpass.keys.{name}");
                Ok((name.clone(), key.signer(&at)?))
            })
            .collect()
    }
}
