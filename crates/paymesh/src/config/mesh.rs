//! The `mesh` section: how a server protects itself.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ::mesh::{CallerPolicy, CallerRates, Limits, PolicyFile, Rate};
use serde::Deserialize;

use super::FaultConfig;
use super::tls::TlsConfig;
use crate::failure::Failure;

const PLACES: RangeInclusive<usize> = 1..=1_000_000;
const LONGEST_WAIT: Duration = Duration::from_secs(1);
const COME_BACK: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_mins(1);

/// What a process's server takes on at once, and from whom.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MeshConfig {
    /// Calls being worked on.
    pub in_flight: usize,
    /// Critical calls that wait for a place.
    pub queue: usize,
    /// How long such a call waits.
    #[serde(with = "humantime_serde")]
    pub queue_wait: Duration,
    /// Streams and long polls, counted apart.
    pub waiting: usize,
    /// When those refused are to come back, more or less.
    #[serde(with = "humantime_serde")]
    pub retry_after: Duration,
    /// gRPC's service config as JSON, above the methods' own options and read again while running;
    /// empty: none.
    pub policy: PathBuf,
    /// What goes wrong on purpose; only development builds can.
    pub faults: Vec<FaultConfig>,
    pub rates: CallerRatesConfig,
    /// Who this process is, and whom it believes.
    pub tls: TlsConfig,
    /// Who may call, with TLS, by method or service, where it is not as the methods say.
    pub callers: BTreeMap<String, Vec<String>>,
}

/// How often each caller may call; nobody is limited by default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CallerRatesConfig {
    /// Everybody who is not named.
    pub others: Option<CallerRateConfig>,
    /// By the name a caller gives.
    pub callers: BTreeMap<String, CallerRateConfig>,
}

/// A caller's rate.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallerRateConfig {
    pub per_second: NonZeroU32,
    /// At once; as many as in a second when it is not set.
    pub burst: Option<NonZeroU32>,
}

impl Default for MeshConfig {
    fn default() -> Self {
        let Limits {
            in_flight,
            queue,
            queue_wait,
            waiting,
            retry_after,
        } = Limits::default();
        Self {
            in_flight,
            queue,
            queue_wait,
            waiting,
            retry_after,
            policy: PathBuf::new(),
            faults: Vec::new(),
            rates: CallerRatesConfig::default(),
            tls: TlsConfig::default(),
            callers: BTreeMap::new(),
        }
    }
}

impl MeshConfig {
    /// Refuses what cannot work, naming the key.
    pub fn validate(&self) -> Result<(), Failure> {
        let most = PLACES.end();
        for (key, places) in [("in_flight", self.in_flight), ("waiting", self.waiting)] {
            if !PLACES.contains(&places) {
                let wrong = format!("mesh.{key} must be between 1 and {most}");
                return Err(Failure::config(wrong));
            }
        }
        if self.queue > *most {
            return Err(Failure::config(format!(
                "mesh.queue must be at most {most}"
            )));
        }
        if self.queue_wait > LONGEST_WAIT {
            return Err(Failure::config("mesh.queue_wait must be at most 1s"));
        }
        if !COME_BACK.contains(&self.retry_after) {
            let wrong = "mesh.retry_after must be between 1ms and 1m";
            return Err(Failure::config(wrong));
        }
        for (nth, fault) in self.faults.iter().enumerate() {
            fault.validate(nth)?;
        }
        self.tls.validate()?;
        if !self.callers.is_empty() && !self.tls.is_on() {
            let wrong = "mesh.callers needs mesh.tls: without it nobody proves who they are";
            return Err(Failure::config(wrong));
        }
        Ok(())
    }

    /// The policy file, if one is named.
    pub fn policy(&self) -> Option<PolicyFile> {
        let named = !self.policy.as_os_str().is_empty();
        named.then(|| PolicyFile::new(&self.policy))
    }

    /// As the server takes it.
    pub fn callers(&self) -> CallerPolicy {
        self.callers.clone().into()
    }

    /// As the server takes it.
    pub fn limits(&self) -> Limits {
        Limits {
            in_flight: self.in_flight,
            queue: self.queue,
            queue_wait: self.queue_wait,
            waiting: self.waiting,
            retry_after: self.retry_after,
        }
    }

    /// As the server takes it.
    pub fn rates(&self) -> CallerRates {
        let callers = self.rates.callers.iter();
        CallerRates {
            callers: callers
                .map(|(name, rate)| (name.clone(), (*rate).into()))
                .collect(),
            others: self.rates.others.map(Rate::from),
        }
    }
}

impl From<CallerRateConfig> for Rate {
    fn from(config: CallerRateConfig) -> Self {
        Self {
            per_second: config.per_second,
            burst: config.burst.unwrap_or(config.per_second),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::{ConfigError, File, FileFormat};

    #[test]
    fn the_defaults_are_the_servers_own() {
        let config = MeshConfig::default();
        config.validate().unwrap();
        assert_eq!(config.limits(), Limits::default());
        assert_eq!(config.rates(), CallerRates::default());
    }

    fn read(text: &str) -> Result<CallerRatesConfig, ConfigError> {
        let text = File::from_str(text, FileFormat::Toml);
        config::Config::builder()
            .add_source(text)
            .build()?
            .try_deserialize()
    }

    #[test]
    fn rates_are_read_by_name() {
        let text = "others = { per_second = 5, burst = 50 }\n\
                    [callers]\npay-gateway = { per_second = 500 }";
        let rates = read(text).unwrap();
        let config = MeshConfig {
            rates,
            ..MeshConfig::default()
        };
        let rates = config.rates();
        let shown = |rate: Rate| (rate.per_second.get(), rate.burst.get());
        assert_eq!(rates.others.map(shown), Some((5, 50)));
        assert_eq!(shown(rates.callers["pay-gateway"]), (500, 500));
        assert!(read("others = { per_second = 0 }").is_err());
    }

    #[test]
    fn what_cannot_work_is_refused_by_its_key() {
        type Change = fn(&mut MeshConfig);
        let wrong: [(&str, Change); 6] = [
            ("mesh.in_flight ", |config| config.in_flight = 0),
            ("mesh.waiting ", |config| config.waiting = usize::MAX),
            ("mesh.queue ", |config| config.queue = usize::MAX),
            ("mesh.queue_wait ", |config| config.queue_wait *= 100),
            ("mesh.retry_after ", |config| config.retry_after *= 1000),
            ("mesh.retry_after ", |config| {
                config.retry_after = Duration::ZERO;
            }),
        ];
        for (key, change) in wrong {
            let mut config = MeshConfig::default();
            change(&mut config);
            let why = config.validate().unwrap_err().to_string();
            assert!(why.contains(&format!("CONFIG_INVALID: {key}")), "{why}");
        }
    }
}
