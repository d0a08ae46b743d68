//! The `mesh.tls` section: who this process is, and whom it believes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::mesh::{Tls, TlsSettings};
use seam::Clock;
use serde::Deserialize;

use crate::failure::Failure;

/// Where the certificates are; without them connections are plain and nobody proves who it is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// The own certificate and those between it and the authority, in PEM.
    pub cert: PathBuf,
    /// Its key, in PEM.
    pub key: PathBuf,
    /// The authorities that are believed, in PEM.
    pub ca: PathBuf,
    /// The first part of every id: `spiffe://TRUST_DOMAIN/NAME`.
    pub trust_domain: String,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            cert: PathBuf::new(),
            key: PathBuf::new(),
            ca: PathBuf::new(),
            trust_domain: "paymesh".to_owned(),
        }
    }
}

impl TlsConfig {
    /// Whether connections are to be secured.
    pub fn is_on(&self) -> bool {
        self.files().iter().any(|(_, path)| is_set(path))
    }

    /// Refuses a part of what is needed.
    pub fn validate(&self) -> Result<(), Failure> {
        match self.files().iter().find(|(_, path)| !is_set(path)) {
            Some((key, _)) if self.is_on() => Err(Failure::config(format!(
                "mesh.tls.{key} is missing: set cert, key and ca, or none of them"
            ))),
            _ => Ok(()),
        }
    }

    /// Reads the certificates, if there are to be any.
    pub fn load(&self, clock: Arc<dyn Clock>) -> Result<Option<Tls>, Failure> {
        if !self.is_on() {
            return Ok(None);
        }
        let domain = self.trust_domain.clone();
        let settings = TlsSettings::new(&self.cert, &self.key, &self.ca, domain);
        let tls = Tls::load_by(&settings, clock);
        Ok(Some(tls.map_err(|error| {
            Failure::config(format!("mesh.tls: {error}"))
        })?))
    }

    fn files(&self) -> [(&'static str, &Path); 3] {
        [("cert", &self.cert), ("key", &self.key), ("ca", &self.ca)]
    }
}

fn is_set(path: &Path) -> bool {
    !path.as_os_str().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use seam::SystemClock;

    fn load(config: &TlsConfig) -> Result<Option<Tls>, Failure> {
        config.validate()?;
        config.load(Arc::new(SystemClock))
    }

    #[test]
    fn it_is_off_until_it_is_configured_and_then_all_of_it_is() {
        let mut config = TlsConfig::default();
        assert!(!config.is_on() && load(&config).unwrap().is_none());
        config.key = "tls.key".into();
        let why = load(&config).unwrap_err().to_string();
        assert!(
            why.starts_with("CONFIG_INVALID: mesh.tls.cert is missing"),
            "{why}"
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let pki = pki::Pki::new("paymesh").unwrap();
        let hour = std::time::Duration::from_hours(1);
        let files = pki.issue("trade", hour, folder.path()).unwrap();
        let mut config = TlsConfig {
            cert: files.cert,
            key: files.key,
            ca: files.ca,
            ..TlsConfig::default()
        };
        let tls = load(&config).unwrap().unwrap();
        assert_eq!(tls.identity().as_str(), "spiffe://paymesh/trade");
        config.trust_domain = "elsewhere".to_owned();
        let why = load(&config).unwrap_err().to_string();
        let expected = "not of the trust domain elsewhere";
        assert!(
            why.starts_with("CONFIG_INVALID: mesh.tls: ") && why.contains(expected),
            "{why}"
        );
        config.cert = folder.path().join("nowhere.crt");
        let why = load(&config).unwrap_err().to_string();
        assert!(
            why.contains("nowhere.crt cannot be read: No such file"),
            "{why}"
        );
    }
}
