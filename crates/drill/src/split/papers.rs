//! Certificates of a mesh that has TLS: one for each service, and for the people who call them.
//! Their authority is gone with the process that made it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mesh::{Tls, TlsError, TlsSettings};
use pki::{Files, Pki};

const TRUST_DOMAIN: &str = "paymesh";
const VALID: Duration = Duration::from_hours(24);
/// Who runs the mesh.
pub(crate) const OPERATOR: &str = "operator";
/// Who has shops and customers.
pub(crate) const CLIENT: &str = "client";
const NAMES: [&str; 7] = [
    "shop-center",
    "rate",
    "pay-gateway",
    "trade",
    "sandbox",
    CLIENT,
    OPERATOR,
];

/// Where the certificates are: a folder for each name.
#[derive(Debug, Clone)]
pub(crate) struct Papers(PathBuf);

impl Papers {
    /// Issues one for each name, for a day.
    pub(crate) fn issue(folder: &Path) -> io::Result<Self> {
        let pki = Pki::new(TRUST_DOMAIN)?;
        for name in NAMES {
            pki.issue(name, VALID, &folder.join(name))?;
        }
        Ok(Self(folder.to_owned()))
    }

    /// Those of a name.
    pub(crate) fn of(&self, name: &str) -> Files {
        Files::within(&self.0.join(name))
    }

    /// The same, for a client of the mesh.
    pub(crate) fn tls(&self, name: &str) -> Result<Tls, TlsError> {
        let Files { cert, key, ca } = self.of(name);
        Tls::load(&TlsSettings::new(cert, key, ca, TRUST_DOMAIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_papers_of_their_own_and_believes_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let papers = Papers::issue(folder.path()).unwrap();
        for name in NAMES {
            let tls = papers.tls(name).unwrap();
            let id = format!("spiffe://paymesh/{name}");
            assert_eq!(tls.identity().as_str(), id);
        }
    }
}
