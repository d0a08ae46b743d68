//! Certificates for the servers and for their client, and how they are rotated under load: step
//! by step, so that at every moment each side trusts what the other shows.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mesh::tls::{Tls, TlsSettings};
use pki::{Files, Issued, Pki, Volume};
use tempfile::TempDir;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::error::BenchError;

/// Who the servers are.
pub(crate) const SERVERS: &str = "probe";
const CLIENT: &str = "client";
const TRUST_DOMAIN: &str = "bench";
const LASTING: Duration = Duration::from_hours(1);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// For both sides to have seen new files, whoever looks last.
const SEEN: Duration = Duration::from_millis(400);

/// Mounted as Kubernetes mounts Secrets; they are gone with their value.
pub(crate) struct Certificates {
    folder: TempDir,
    servers: Volume,
    client: Volume,
    authority: Pki,
}

impl Certificates {
    pub(crate) fn issue() -> Result<Self, BenchError> {
        Self::issued().map_err(BenchError::io("no certificates"))
    }

    fn issued() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let authority = Pki::new(TRUST_DOMAIN)?;
        let mount = |name: &str| {
            let issued = authority.certify(name, LASTING)?;
            Volume::mount(&folder.path().join(name), &issued)
        };
        let (servers, client) = (mount(SERVERS)?, mount(CLIENT)?);
        Ok(Self {
            folder,
            servers,
            client,
            authority,
        })
    }

    /// Where the servers find theirs.
    pub(crate) fn of_servers(&self) -> PathBuf {
        self.folder.path().join(SERVERS)
    }

    /// The client's, read again while it runs.
    pub(crate) fn of_client(&self, stop: CancellationToken) -> Result<Tls, BenchError> {
        followed(&self.folder.path().join(CLIENT), stop)
    }

    /// Another authority: first both are trusted, then the new one's certificates are shown, then
    /// the old one is trusted no longer.
    pub(crate) async fn rotate(&mut self) -> Result<(), BenchError> {
        let new = Pki::new(TRUST_DOMAIN).map_err(BenchError::io("no certificates"))?;
        let steps: [(&Pki, Option<&Pki>); 3] = [
            (&self.authority, Some(&new)),
            (&new, Some(&self.authority)),
            (&new, None),
        ];
        for (shown, trusted) in steps {
            for (name, volume) in [(SERVERS, &mut self.servers), (CLIENT, &mut self.client)] {
                let swapped = certify(shown, trusted, name).and_then(|issued| volume.swap(&issued));
                swapped.map_err(BenchError::io("no certificates"))?;
            }
            sleep(SEEN).await;
        }
        self.authority = new;
        Ok(())
    }
}

fn certify(by: &Pki, trusted: Option<&Pki>, name: &str) -> io::Result<Issued> {
    let issued = by.certify(name, LASTING)?;
    Ok(match trusted {
        Some(other) => issued.trusting(other),
        None => issued,
    })
}

/// What a folder holds, read again until it is stopped.
pub(crate) fn followed(folder: &Path, stop: CancellationToken) -> Result<Tls, BenchError> {
    let files = Files::within(folder);
    let settings = TlsSettings {
        reload_every: LOOK_EVERY,
        ..TlsSettings::new(files.cert, files.key, files.ca, TRUST_DOMAIN)
    };
    let tls = Tls::load(&settings)?;
    tokio::spawn(tls.reload(stop));
    Ok(tls)
}
