//! What all runs share: the servers, and those with TLS, which are started when they are needed.

use mesh::tls::Tls;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::certificates::Certificates;
use crate::contender::{Contender, Reach};
use crate::error::BenchError;
use crate::probe::{Method, TIMEOUT};
use crate::servers::Servers;

/// Both kinds of servers.
pub(crate) struct Ground {
    pub(crate) plain: Servers,
    secure: Option<Secure>,
}

/// Servers with TLS, and the certificates of both sides.
pub(crate) struct Secure {
    pub(crate) servers: Servers,
    pub(crate) certificates: Certificates,
}

impl Ground {
    pub(crate) async fn start() -> Result<Self, BenchError> {
        Ok(Self {
            plain: Servers::start(None).await?,
            secure: None,
        })
    }

    pub(crate) async fn secure(&mut self) -> Result<&mut Secure, BenchError> {
        if self.secure.is_none() {
            let certificates = Certificates::issue()?;
            let servers = Servers::start(Some(&certificates.of_servers())).await?;
            self.secure = Some(Secure {
                servers,
                certificates,
            });
        }
        self.secure.as_mut().ok_or_else(|| BenchError::Servers {
            order: "start".to_owned(),
            answer: "nothing".to_owned(),
        })
    }
}

impl Secure {
    /// A fresh client's certificates, for as long as the guard is kept.
    pub(crate) fn tls(&self) -> Result<(Tls, DropGuard), BenchError> {
        let stop = CancellationToken::new();
        let tls = self.certificates.of_client(stop.clone())?;
        Ok((tls, stop.drop_guard()))
    }

    /// Fails unless a client that knows nothing but the newest certificates is served: or else
    /// nothing was rotated.
    pub(crate) async fn check(&self) -> Result<(), BenchError> {
        let (tls, _stop) = self.tls()?;
        let reach = Reach {
            addresses: self.servers.nodes.clone(),
            at_once: 1,
            tls: Some(tls),
        };
        let asked = Contender::Mesh
            .client(&reach)?
            .caller(Method::Write, TIMEOUT)
            .ask()
            .await;
        asked.map_err(|status| BenchError::Servers {
            order: "the newest certificates".to_owned(),
            answer: status.to_string(),
        })
    }
}
