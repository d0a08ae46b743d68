//! The configuration: one TOML file, environment over it, unknown keys refused, checked
//! before anything starts.

mod faults;
mod mesh;
mod redis;
mod tls;

use std::path::Path;
use std::time::Duration;

use ::mesh::LogFormat;
use config::{Environment as Variables, File, FileFormat};
use domain::Environment;
use pay_gateway::PayGatewayConfig;
use rate::RateConfig;
use serde::Deserialize;
use shop_center::ShopCenterConfig;
use trade::TradeConfig;
use work::{RunnerSettings, SequencerSettings};

use crate::failure::Failure;

pub use faults::FaultConfig;
pub use mesh::{CallerRateConfig, CallerRatesConfig, MeshConfig};
pub use redis::RedisConfig;
pub use tls::TlsConfig;

/// Everything an operator may set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The capital letter that marks a non-production environment's numbers; empty: production.
    pub environment: String,
    /// How long work in flight may take at the end.
    #[serde(with = "humantime_serde")]
    pub drain: Duration,
    pub log: LogConfig,
    pub listen: ListenConfig,
    pub peers: PeersConfig,
    pub mesh: MeshConfig,
    pub redis: RedisConfig,
    pub jobs: RunnerSettings,
    pub sequencer: SequencerSettings,
    pub shop_center: ShopCenterConfig,
    pub rate: RateConfig,
    pub trade: TradeConfig,
    pub pay_gateway: PayGatewayConfig,
    #[cfg(feature = "dev")]
    pub sandbox: sandbox::SandboxSettings,
}

/// The `log` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `auto`, `human` or `json`.
    pub format: Format,
    /// As in `info,mesh=debug`.
    pub filter: String,
    /// The collector that spans go to, `http://host:4317`; empty: nowhere.
    pub otlp: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Human on a terminal, JSON otherwise.
    #[default]
    Auto,
    Human,
    Json,
}

/// The `listen` section: `host:port` each.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenConfig {
    pub grpc: String,
    pub callback: String,
    pub admin: String,
    pub sandbox: String,
}

/// The `peers` section: where each service is, `host:port`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PeersConfig {
    pub shop_center: String,
    pub rate: String,
    pub pay_gateway: String,
    /// Only for `paymesh task`: no service calls trade.
    pub trade: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            environment: String::new(),
            drain: Duration::from_secs(30),
            log: LogConfig::default(),
            listen: ListenConfig::default(),
            peers: PeersConfig::all_at("127.0.0.1:7400"),
            mesh: MeshConfig::default(),
            redis: RedisConfig::default(),
            jobs: RunnerSettings::default(),
            sequencer: SequencerSettings::default(),
            shop_center: ShopCenterConfig::default(),
            rate: RateConfig::default(),
            trade: TradeConfig::default(),
            pay_gateway: PayGatewayConfig::default(),
            #[cfg(feature = "dev")]
            sandbox: sandbox::SandboxSettings::default(),
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: Format::Auto,
            filter: "info".to_owned(),
            otlp: String::new(),
        }
    }
}

impl Default for ListenConfig {
    fn default() -> Self {
        let at = |port: u16| format!("127.0.0.1:{port}");
        Self {
            grpc: at(7400),
            callback: at(7401),
            admin: at(7402),
            sandbox: at(7403),
        }
    }
}

impl Default for PeersConfig {
    fn default() -> Self {
        Self::all_at("127.0.0.1:7400")
    }
}

impl PeersConfig {
    /// Every service at one address.
    pub fn all_at(address: &str) -> Self {
        let address = || address.to_owned();
        Self {
            shop_center: address(),
            rate: address(),
            pay_gateway: address(),
            trade: address(),
        }
    }
}

impl Config {
    /// Reads the file, if one is named, and the environment: `PAYMESH__TRADE__PAY_LIMIT=1h`.
    pub fn load(file: Option<&Path>) -> Result<Self, Failure> {
        let mut sources = config::Config::builder();
        if let Some(path) = file {
            let text = std::fs::read_to_string(path);
            let text = text.map_err(|e| Failure::config(format!("{}: {e}", path.display())))?;
            sources = sources.add_source(File::from_str(&text, FileFormat::Toml));
        }
        let variables = Variables::with_prefix("PAYMESH")
            .prefix_separator("__")
            .separator("__");
        let read = sources.add_source(variables.try_parsing(true)).build();
        let config = read.and_then(config::Config::try_deserialize::<Self>);
        let config = config.map_err(Failure::config)?;
        config.mesh.validate()?;
        Ok(config)
    }

    /// The letter of the environment.
    pub fn environment(&self) -> Result<Environment, Failure> {
        let letter = self.environment.parse::<Environment>();
        letter.map_err(|e| Failure::config(format!("environment: {e}")))
    }
}

impl From<Format> for LogFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Auto => Self::Auto,
            Format::Human => Self::Human,
            Format::Json => Self::Json,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_the_default_and_names_every_key() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/example.toml");
        let example = Config::load(Some(&path)).unwrap();
        assert_eq!(format!("{example:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn an_unknown_key_is_named() {
        let folder = std::env::temp_dir().join(format!("paymesh-config-{}", std::process::id()));
        std::fs::write(&folder, "[trade]\npay_limits = \"1h\"\n").unwrap();
        let error = Config::load(Some(&folder)).unwrap_err().to_string();
        std::fs::remove_file(&folder).unwrap();
        assert!(error.starts_with("CONFIG_INVALID: "), "{error}");
        assert!(
            error.contains("pay_limits") && error.contains("pay_limit"),
            "{error}"
        );
    }
}
