//! The channel's settings.

mod key;

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use humantime_serde::Serde;
use serde::{Deserialize, Deserializer};

use crate::{SandboxError, Script};

pub(crate) use key::Kind;
pub use key::{Key, MerchantKey, Pem};

/// How the channel is set up.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SandboxSettings {
    /// The ledger's SQLite file; one process at a time. A `.lock` file stands beside it.
    pub ledger: PathBuf,
    /// Where browsers reach the HTTP side, as `http://host:port`; with it, `pay_info` names the
    /// pay page as `sandbox_url`.
    pub public_url: Option<String>,
    /// The key of each merchant that is not listed; none: unlisted merchants are refused.
    pub partner_key: Option<Key>,
    /// Keys by merchant, agent or chain number.
    pub merchants: Vec<MerchantKey>,
    /// How old a charge must be before it may be closed; until then the answer is
    /// `ORDER_TOO_YOUNG`, which is the sandbox's own word: the channel's is not known.
    #[serde(with = "humantime_serde")]
    pub close_after: Duration,
    /// The pause before each notice of a payment; the first counts from the payment.
    #[serde(deserialize_with = "durations")]
    pub notify_schedule: Vec<Duration>,
    /// How long a merchant may take to answer a notice.
    #[serde(with = "humantime_serde")]
    pub notify_timeout: Duration,
    /// How many notices one merchant is sent at a time.
    pub notify_per_merchant: u32,
    /// How many notices are under way at a time.
    pub notify_concurrency: usize,
    /// How orders misbehave from the start; `ClearScripts` does not touch these.
    pub scripts: Vec<Script>,
}

/// The channel's own pauses, in seconds.
const NOTIFY_SCHEDULE: [u64; 10] = [0, 15, 15, 30, 180, 1800, 1800, 1800, 1800, 3600];

impl Default for SandboxSettings {
    fn default() -> Self {
        Self {
            ledger: PathBuf::from("sandbox.db"),
            public_url: None,
            partner_key: None,
            merchants: Vec::new(),
            close_after: Duration::from_mins(5),
            notify_schedule: NOTIFY_SCHEDULE.map(Duration::from_secs).to_vec(),
            notify_timeout: Duration::from_secs(5),
            notify_per_merchant: 32,
            notify_concurrency: 256,
            scripts: Vec::new(),
        }
    }
}

impl SandboxSettings {
    /// Refuses settings that cannot work.
    pub fn validate(&self) -> Result<(), SandboxError> {
        let refused = |name, problem| Err(SandboxError::Setting { name, problem });
        let keys = self
            .merchants
            .iter()
            .map(|merchant| &merchant.key)
            .chain(&self.partner_key);
        if self.partner_key.is_none() && self.merchants.is_empty() {
            return refused("partner_key", "set it, or list merchants with their keys");
        }
        if keys.into_iter().any(Key::is_empty) {
            return refused("key", "a signing key must not be empty");
        }
        if self.notify_schedule.is_empty() {
            return refused("notify_schedule", "name at least one pause");
        }
        if self.notify_timeout.is_zero() {
            return refused("notify_timeout", "must be longer than nothing");
        }
        if self.notify_per_merchant == 0 || self.notify_concurrency == 0 {
            return refused(
                "notify_concurrency",
                "at least one notice must be under way",
            );
        }
        let names: HashSet<_> = self.scripts.iter().map(|script| &script.name).collect();
        if names.len() < self.scripts.len() {
            return refused("scripts", "each script needs a name of its own");
        }
        self.scripts.iter().try_for_each(Script::validate)
    }
}

fn durations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Duration>, D::Error> {
    let durations = Vec::<Serde<Duration>>::deserialize(deserializer)?;
    Ok(durations.into_iter().map(Serde::into_inner).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_with_units_and_keys_are_never_shown() {
        let text = r#"
            partner_key = "9d101c97"
            notify_schedule = ["0s", "150ms", "1h"]
            close_after = "1m 30s"
            merchants = [{ mch_id = "7551000001", key = "4abb" }]
        "#;
        let settings: SandboxSettings = toml::from_str(text).unwrap();
        settings.validate().unwrap();
        assert_eq!(settings.notify_schedule[1], Duration::from_millis(150));
        assert_eq!(settings.close_after, Duration::from_secs(90));
        let shown = format!("{settings:?}");
        assert!(
            !shown.contains("9d101c97") && !shown.contains("4abb"),
            "{shown}"
        );
    }

    #[test]
    fn unknown_settings_and_settings_that_cannot_work_are_refused() {
        assert!(toml::from_str::<SandboxSettings>("partner_kee = \"x\"").is_err());
        assert!(SandboxSettings::default().validate().is_err());
        let schedule: SandboxSettings =
            toml::from_str("partner_key = \"k\"\nnotify_schedule = []").unwrap();
        let refused = schedule.validate().unwrap_err();
        assert_eq!(
            refused.to_string(),
            "sandbox setting notify_schedule: name at least one pause"
        );
    }
}
