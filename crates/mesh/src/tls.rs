//! Mutual TLS: both ends of a connection prove who they are by certificates, which are read again
//! while the process runs. A new set that peers would refuse is not taken: the last good one stays.

mod accept;
mod cause;
mod connect;
mod material;
mod spiffe;
mod verify;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use seam::{Clock, SystemClock};
use thiserror::Error;
use tokio::time::{Instant, sleep};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

pub(crate) use self::accept::{HANDSHAKES, Handshakes};
pub(crate) use self::cause::HandshakeError;
use self::cause::at;
pub(crate) use self::connect::Security;
use self::material::{Files, Material, Seen, seconds};
pub use self::spiffe::{IdentityError, SpiffeId};

/// Counts looks at new files, and looks that found them wrong, by `result`.
pub(crate) const RELOADS: &str = "mesh_tls_reload_total";
/// When the own certificate ends, in seconds since 1970.
pub(crate) const EXPIRY: &str = "mesh_tls_expiry_timestamp_seconds";

// Whoever cannot connect tries again and again: one line a second says it.
const LOG_EVERY: Duration = Duration::from_secs(1);

// A certificate ends soon when this part of its time with us is left: a fifth.
const SOON: u64 = 5;

/// Where the certificates are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// The own certificate and those between it and an authority, in this order: PEM.
    pub cert: PathBuf,
    /// The own certificate's key: PEM.
    pub key: PathBuf,
    /// The authorities that are trusted, one or more: PEM.
    pub ca: PathBuf,
    /// Of which every id must be, as in `spiffe://TRUST_DOMAIN/NAME`.
    pub trust_domain: String,
    /// How often the files are looked at; 10 s.
    pub reload_every: Duration,
}

impl TlsSettings {
    /// The defaults for everything but the files and the trust domain.
    pub fn new(
        cert: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
        ca: impl Into<PathBuf>,
        trust_domain: impl Into<String>,
    ) -> Self {
        Self {
            cert: cert.into(),
            key: key.into(),
            ca: ca.into(),
            trust_domain: trust_domain.into(),
            reload_every: Duration::from_secs(10),
        }
    }
}

/// Why certificates cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file is not there, or not for us.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is no PEM, or holds a key of a kind that is not known.
    #[error("{} is malformed: PEM is expected", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
    },
    /// A file holds something else.
    #[error("{} holds no {what}", path.display())]
    Missing {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// Peers would refuse the certificate.
    #[error("{} holds a certificate that {cause}", path.display())]
    Certificate {
        /// Where it is.
        path: PathBuf,
        /// Why they would.
        cause: String,
    },
    /// The two files belong to different certificates.
    #[error("the key in {} is not that of the certificate in {}", key.display(), cert.display())]
    Key {
        /// Where the key is.
        key: PathBuf,
        /// Where the certificate is.
        cert: PathBuf,
    },
    /// Peers know us by another name.
    #[error(
        "{} holds a certificate for {shown}, and this process is {own}: it is another only after a \
         restart",
        path.display()
    )]
    Identity {
        /// Where the certificate is.
        path: PathBuf,
        /// Whom it names.
        shown: SpiffeId,
        /// Who we are.
        own: SpiffeId,
    },
    /// It cannot be part of an id.
    #[error("{0:?} is no trust domain: a-z, 0-9, \"-\", \".\" and \"_\" are allowed")]
    TrustDomain(String),
    /// The library refuses.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

/// What is shown of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsView {
    /// Who we are.
    pub identity: SpiffeId,
    /// When our certificate ends, in seconds since 1970.
    pub expires: u64,
    /// When the certificates in use were read, in seconds since 1970.
    pub loaded: u64,
    /// Why newer files are not in use, if there are any, or that ours has expired.
    pub error: Option<String>,
    /// The last peer that a server of ours refused, when (in seconds since 1970), and why.
    pub refused: Option<(u64, String)>,
}

/// An identity and whom it trusts, for clients and servers; clones share it.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    settings: TlsSettings,
    clock: Arc<dyn Clock>,
    material: ArcSwap<Material>,
    state: Mutex<State>,
}

struct State {
    seen: Seen,
    loaded: u64,
    // Whether it has been said that our certificate ends soon.
    warned: bool,
    error: Option<String>,
    refused: Option<(u64, String)>,
    logged: Option<Instant>,
}

impl Tls {
    /// Reads the files; refuses what peers would refuse. For the start of a process: files that are
    /// being replaced are waited for, half a second at most, and the thread with them.
    pub fn load(settings: &TlsSettings) -> Result<Self, TlsError> {
        Self::load_by(settings, Arc::new(SystemClock))
    }

    /// The same by another clock: it decides what has expired.
    pub fn load_by(settings: &TlsSettings, clock: Arc<dyn Clock>) -> Result<Self, TlsError> {
        let (seen, material) = Material::first(settings, &clock)?;
        let state = State {
            seen,
            loaded: seconds(&*clock),
            warned: false,
            error: None,
            refused: None,
            logged: None,
        };
        Ok(Self(Arc::new(Inner {
            settings: settings.clone(),
            clock,
            material: ArcSwap::from_pointee(material),
            state: Mutex::new(state),
        })))
    }

    /// Who we are.
    pub fn identity(&self) -> SpiffeId {
        self.material().id.clone()
    }

    /// What is in use, and what is wrong.
    pub fn view(&self) -> TlsView {
        let (material, state) = (self.material(), self.state());
        TlsView {
            identity: material.id.clone(),
            expires: material.expires,
            loaded: state.loaded,
            error: state.error.clone(),
            refused: state.refused.clone(),
        }
    }

    /// Looks at the files again and again, until it is told to stop. New connections use what is
    /// new; those there are go on.
    pub fn reload(
        &self,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + Send + 'static + use<> {
        let tls = self.clone();
        async move {
            stop.run_until_cancelled(tls.follow()).await;
        }
    }

    async fn follow(self) {
        loop {
            self.show_expiry();
            sleep(self.0.settings.reload_every).await;
            let tls = self.clone();
            // Files and signatures take time: not that of a thread which calls need. It cannot
            // fail but by being cancelled, with everything else.
            let _ = tokio::task::spawn_blocking(move || tls.look()).await;
        }
    }

    fn look(&self) {
        match self.renew() {
            Ok(()) => self.age(),
            Err(error) => {
                metrics::counter!(RELOADS, "result" => "failed").increment(1);
                self.wrong(&format!("the last good certificates stay in use: {error}"));
            }
        }
    }

    // What was refused is tried again: it may have been too early for it.
    fn renew(&self) -> Result<(), TlsError> {
        let settings = &self.0.settings;
        let files = Files::settled(settings)?;
        let seen = files.seen();
        if self.state().seen == seen {
            return Ok(());
        }
        let material = Material::new(&files, settings, &self.0.clock)?;
        let own = self.identity();
        if material.id != own {
            return Err(TlsError::Identity {
                path: settings.cert.clone(),
                shown: material.id,
                own,
            });
        }
        self.take(seen, material);
        Ok(())
    }

    fn take(&self, seen: Seen, material: Material) {
        info!(identity = %material.id, expires = material.expires, "new certificates are in use");
        metrics::counter!(RELOADS, "result" => "ok").increment(1);
        self.0.material.store(Arc::new(material));
        let loaded = seconds(&*self.0.clock);
        let mut state = self.state();
        state.seen = seen;
        state.loaded = loaded;
        state.warned = false;
    }

    // Whether what is in use still is of use.
    fn age(&self) {
        let (expires, now) = (self.material().expires, seconds(&*self.0.clock));
        if expires <= now {
            let ended = at(expires);
            return self.wrong(&format!(
                "our certificate expired at {ended}: peers refuse it"
            ));
        }
        let mut state = self.state();
        state.error = None;
        // Short certificates are renewed often and long ones seldom, all of them before this.
        let soon = expires.saturating_sub(state.loaded) / SOON;
        if expires - now <= soon && !state.warned {
            warn!(expires = %at(expires), "our certificate ends soon and was not replaced");
            state.warned = true;
        }
    }

    fn wrong(&self, why: &str) {
        let mut state = self.state();
        if state.error.as_deref() != Some(why) {
            error!(error = why, "our certificates cannot be used");
            state.error = Some(why.to_owned());
        }
    }

    // Told again and again: the first time may come before anybody records.
    fn show_expiry(&self) {
        let expires = Duration::from_secs(self.material().expires);
        metrics::gauge!(EXPIRY).set(expires.as_secs_f64());
    }

    /// Notes a peer that a server has refused.
    pub(crate) fn refused(&self, address: Option<SocketAddr>, why: &HandshakeError) {
        metrics::counter!(HANDSHAKES, "result" => why.label()).increment(1);
        let peer = address.map_or_else(|| "a peer".to_owned(), |address| address.to_string());
        let (now, when) = (Instant::now(), seconds(&*self.0.clock));
        let mut state = self.state();
        let quiet = |logged: Instant| now.saturating_duration_since(logged) >= LOG_EVERY;
        if state.logged.is_none_or(quiet) {
            warn!(%peer, %why, "a connection was refused");
            state.logged = Some(now);
        }
        state.refused = Some((when, format!("{peer} {why}")));
    }

    /// Who a peer has proved to be, once the handshake has verified its certificates.
    fn shown(&self, chain: Option<&[CertificateDer<'static>]>) -> Result<SpiffeId, HandshakeError> {
        let certificate = chain.and_then(<[_]>::first).ok_or(HandshakeError::Nobody)?;
        let id = SpiffeId::of(certificate, &self.0.settings.trust_domain);
        id.map_err(|error| HandshakeError::Certificate(error.to_string()))
    }

    fn material(&self) -> Arc<Material> {
        self.0.material.load_full()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.material().id)
    }
}

#[cfg(test)]
mod tests;
