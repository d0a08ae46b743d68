//! A certificate, its key and the authorities, from their files to what handshakes use. Nothing is
//! taken that peers would refuse.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ring::digest::{SHA256, digest};
use seam::Clock;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring as provider};
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::time_provider::TimeProvider;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{
    ClientConfig, Error, InconsistentKeys, RootCertStore, ServerConfig, SupportedProtocolVersion,
};

use super::cause::cause;
use super::spiffe::{SpiffeId, is_trust_domain};
use super::verify::{Authorities, check_authority};
use super::{TlsError, TlsSettings};

// As the certificates of both sides come encrypted in it only.
const VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13];
const HTTP2: &[u8] = b"h2";
// A set of files that is being replaced is read again, so often at most.
const SETTLING: usize = 4;
// At the start, as long as that may help.
const TRIES: usize = 10;
const BETWEEN: Duration = Duration::from_millis(50);

/// What the three files hold; not kept, as one of them is the key.
#[derive(PartialEq, Eq)]
pub(super) struct Files {
    cert: Vec<u8>,
    key: Vec<u8>,
    ca: Vec<u8>,
}

/// By which files are known again: a digest of each.
#[derive(PartialEq, Eq)]
pub(super) struct Seen([Vec<u8>; 3]);

/// What the handshakes of both roles use.
pub(super) struct Material {
    pub(super) id: SpiffeId,
    /// In seconds since 1970.
    pub(super) expires: u64,
    pub(super) client: Arc<ClientConfig>,
    pub(super) server: Arc<ServerConfig>,
}

impl Files {
    /// As they are, once two readings in a row give the same: they are three files, and somebody
    /// may be replacing them.
    pub(super) fn settled(settings: &TlsSettings) -> Result<Self, TlsError> {
        let mut last = Self::read(settings);
        for _ in 1..SETTLING {
            let again = Self::read(settings);
            if let (Ok(one), Ok(other)) = (&last, &again)
                && one == other
            {
                break;
            }
            last = again;
        }
        last
    }

    pub(super) fn seen(&self) -> Seen {
        let digest = |file: &Vec<u8>| digest(&SHA256, file).as_ref().to_vec();
        Seen([&self.cert, &self.key, &self.ca].map(digest))
    }

    fn read(settings: &TlsSettings) -> Result<Self, TlsError> {
        Ok(Self {
            cert: read(&settings.cert)?,
            key: read(&settings.key)?,
            ca: read(&settings.ca)?,
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })
}

impl Material {
    /// The first, at the start of a process. Waits half a second at most for files that are being
    /// replaced, one after the other.
    pub(super) fn first(
        settings: &TlsSettings,
        clock: &Arc<dyn Clock>,
    ) -> Result<(Seen, Self), TlsError> {
        let read = || {
            let files = Files::settled(settings)?;
            Ok((files.seen(), Self::new(&files, settings, clock)?))
        };
        for _ in 1..TRIES {
            match read() {
                Err(error) if may_be_half_done(&error) => thread::sleep(BETWEEN),
                settled => return settled,
            }
        }
        read()
    }

    /// Checks everything as a peer would, at the clock's time.
    pub(super) fn new(
        files: &Files,
        settings: &TlsSettings,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, TlsError> {
        let TlsSettings { cert, key, ca, .. } = settings;
        if !is_trust_domain(&settings.trust_domain) {
            return Err(TlsError::TrustDomain(settings.trust_domain.clone()));
        }
        let provider = Arc::new(provider::default_provider());
        let time = Arc::new(Told(Arc::clone(clock)));
        let chain = certificates(&files.cert, cert)?;
        let roots = roots(certificates(&files.ca, ca)?, ca, (&provider, time.now()))?;
        let authorities = Authorities::new(roots, Arc::clone(&provider), &settings.trust_domain);
        let authorities =
            Arc::new(authorities.map_err(|error| TlsError::Setup(error.to_string()))?);
        let refused = |error: Error| TlsError::Certificate {
            path: cert.clone(),
            cause: cause(&error),
        };
        let id = authorities.own(&chain, time.now()).map_err(refused)?;
        let expires = authorities.expiry(&chain).unwrap_or_default();
        let own = CertifiedKey::from_der(chain, private_key(&files.key, key)?, &provider);
        let own = own.map_err(|error| mismatch(&error, settings))?;
        let own = Arc::new(SingleCertAndKey::from(own));
        let roles = Roles {
            authorities,
            own,
            provider,
            time,
        };
        Ok(Self {
            id,
            expires,
            client: roles.client().map_err(|error| setup(&error))?,
            server: roles.server().map_err(|error| setup(&error))?,
        })
    }
}

fn may_be_half_done(error: &TlsError) -> bool {
    use TlsError::{Key, Malformed, Missing};
    matches!(error, Key { .. } | Malformed { .. } | Missing { .. })
}

fn setup(error: &Error) -> TlsError {
    TlsError::Setup(error.to_string())
}

/// One certificate in both roles.
struct Roles {
    authorities: Arc<Authorities>,
    own: Arc<SingleCertAndKey>,
    provider: Arc<CryptoProvider>,
    time: Arc<Told>,
}

impl Roles {
    fn client(&self) -> Result<Arc<ClientConfig>, Error> {
        let time: Arc<dyn TimeProvider> = self.time.clone();
        let builder = ClientConfig::builder_with_details(Arc::clone(&self.provider), time);
        // rustls calls "dangerous" whatever is not its own; ours asks for the chain and for the id.
        let mut config = builder
            .with_protocol_versions(VERSIONS)?
            .dangerous()
            .with_custom_certificate_verifier(self.authorities.clone())
            .with_client_cert_resolver(self.own.clone());
        config.alpn_protocols = vec![HTTP2.to_vec()];
        config.enable_sni = false;
        // Each connection proves anew who is there, with the certificates of that time.
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }

    fn server(&self) -> Result<Arc<ServerConfig>, Error> {
        let time: Arc<dyn TimeProvider> = self.time.clone();
        let builder = ServerConfig::builder_with_details(Arc::clone(&self.provider), time);
        let mut config = builder
            .with_protocol_versions(VERSIONS)?
            .with_client_cert_verifier(self.authorities.clone())
            .with_cert_resolver(self.own.clone());
        config.alpn_protocols = vec![HTTP2.to_vec()];
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }
}

fn certificates(pem: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| malformed(path, &error))?;
    if found.is_empty() {
        return Err(missing(path, "certificate"));
    }
    Ok(found)
}

fn private_key(pem: &[u8], path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        PemError::NoItemsFound => missing(path, "private key"),
        error => malformed(path, &error),
    })
}

fn missing(path: &Path, what: &'static str) -> TlsError {
    TlsError::Missing {
        path: path.to_owned(),
        what,
    }
}

// What rustls says of a malformed file may quote it, and it may be the key.
fn malformed(path: &Path, _: &PemError) -> TlsError {
    TlsError::Malformed {
        path: path.to_owned(),
    }
}

fn roots(
    certificates: Vec<CertificateDer<'static>>,
    path: &Path,
    (provider, now): (&CryptoProvider, UnixTime),
) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let checked = check_authority(&certificate, provider, now);
        let added = checked.and_then(|()| roots.add(certificate));
        added.map_err(|error| TlsError::Certificate {
            path: path.to_owned(),
            cause: cause(&error),
        })?;
    }
    Ok(roots)
}

fn mismatch(error: &Error, settings: &TlsSettings) -> TlsError {
    match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsError::Key {
            key: settings.key.clone(),
            cert: settings.cert.clone(),
        },
        // Said in general: the text may be about the key.
        _ => TlsError::Malformed {
            path: settings.key.clone(),
        },
    }
}

/// The seam's clock, as rustls asks for it.
struct Told(Arc<dyn Clock>);

impl Told {
    fn now(&self) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds(&*self.0)))
    }
}

/// The clock's time, in seconds since 1970.
pub(super) fn seconds(clock: &dyn Clock) -> u64 {
    u64::try_from(clock.now().as_second()).unwrap_or_default()
}

impl TimeProvider for Told {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.now())
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}
