//! What an operator sets for pay-gateway.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use store::config::DatabaseConfig;

use crate::channel::swiftpass::Signer;

/// The `pay_gateway` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PayGatewayConfig {
    /// Its database.
    pub database: DatabaseConfig,
    /// Where channels reach the callback ingress, without the path: `https://pay.example.com`.
    pub callback_url: String,
    /// How long merchant accounts are believed without asking shop-center again.
    #[serde(with = "humantime_serde")]
    pub account_cache: Duration,
    /// The polls of live payments run this many times as fast: 1, except in demos and tests.
    pub poll_compression: u32,
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
    /// Signing keys, by the name merchant accounts know them under.
    pub keys: BTreeMap<String, KeyConfig>,
}

/// A signing key; one of the two is set.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeyConfig {
    /// The key itself, 32 bytes or more.
    pub value: Option<SecretString>,
    /// A file that holds it, for a mounted secret.
    pub file: Option<PathBuf>,
}

impl Default for PayGatewayConfig {
    fn default() -> Self {
        Self {
            database: DatabaseConfig::default(),
            callback_url: String::new(),
            account_cache: Duration::from_secs(30),
            poll_compression: 1,
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
        if self.swiftpass.concurrency == 0 || self.poll_compression == 0 {
            let keys = "pay_gateway.swiftpass.concurrency and pay_gateway.poll_compression";
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
            .map(|(name, key)| Ok((name.clone(), key.signer(name)?)))
            .collect()
    }
}

impl KeyConfig {
    fn signer(&self, name: &str) -> Result<Signer, String> {
        let at = format!("pay_gateway.swiftpass.keys.{name}");
        let key = match (&self.value, &self.file) {
            (Some(value), None) => value.clone(),
            (None, Some(file)) => {
                let read = std::fs::read_to_string(file);
                let key = read.map_err(|e| format!("{at}.file {}: {e}", file.display()))?;
                SecretString::from(key.trim().to_owned())
            }
            _ => return Err(format!("{at}: set value or file, one of the two")),
        };
        Signer::md5(key).map_err(|e| format!("{at}: {e}"))
    }
}
