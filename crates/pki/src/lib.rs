//! An authority that issues SPIFFE certificates, for tests, benchmarks and development: its key
//! lives in this process and nowhere else.

mod volume;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use seam::{Clock, SystemClock};

pub use volume::Volume;

/// The file with the certificate, as Kubernetes names it.
pub const CERT: &str = "tls.crt";
/// The file with its key.
pub const KEY: &str = "tls.key";
/// The file with the authorities to trust.
pub const CA: &str = "ca.crt";

const AUTHORITY_LASTS: Duration = Duration::from_hours(24);
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// An authority of a trust domain. Two of one trust domain do not trust each other's certificates.
pub struct Pki {
    trust_domain: String,
    authority: CertifiedIssuer<'static, KeyPair>,
    // Whom its members trust, and what stands between that and them; PEM.
    root: String,
    between: String,
}

/// What keeps peers from believing a certificate of an authority that they trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// It is not for clients.
    ServerOnly,
    /// It is not for servers.
    ClientOnly,
    /// It is that of another authority.
    Authority,
}

/// When a certificate is valid, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    from: u64,
    until: u64,
}

/// A certificate, its key and whom its owner trusts; PEM each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    pub cert: String,
    pub key: String,
    pub ca: String,
}

/// Where a certificate, its key and the authorities were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    pub cert: PathBuf,
    pub key: PathBuf,
    pub ca: PathBuf,
}

impl Pki {
    /// A new authority with a key of its own; it lasts for a day.
    pub fn new(trust_domain: &str) -> io::Result<Self> {
        let params = authority_params(&format!("authority of {trust_domain}"), 1);
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let authority = CertifiedIssuer::self_signed(params, key).map_err(io::Error::other)?;
        Ok(Self {
            trust_domain: trust_domain.to_owned(),
            root: authority.pem(),
            between: String::new(),
            authority,
        })
    }

    /// An authority that this one vouches for: what it issues comes with its own certificate, and
    /// is believed by those who trust this one.
    pub fn below(&self) -> io::Result<Self> {
        let mut params = authority_params(&format!("issuer of {}", self.trust_domain), 0);
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let authority = CertifiedIssuer::signed_by(params, key, &self.authority);
        let authority = authority.map_err(io::Error::other)?;
        Ok(Self {
            trust_domain: self.trust_domain.clone(),
            root: self.root.clone(),
            between: authority.pem(),
            authority,
        })
    }

    /// The certificate of whoever is to be trusted, PEM.
    pub fn ca(&self) -> String {
        self.root.clone()
    }

    /// A certificate for `spiffe://TRUST_DOMAIN/NAME`, for a client and for a server.
    pub fn certify(&self, name: &str, validity: impl Into<Validity>) -> io::Result<Issued> {
        let id = format!("spiffe://{}/{name}", self.trust_domain);
        self.certify_ids(&[&id], validity)
    }

    /// A certificate with these URIs, be they ids or not.
    pub fn certify_ids(&self, ids: &[&str], validity: impl Into<Validity>) -> io::Result<Issued> {
        self.sign(&member_params(ids, validity.into())?)
    }

    /// A certificate for `spiffe://TRUST_DOMAIN/NAME` that is not to be believed.
    pub fn certify_flawed(&self, name: &str, flaw: Flaw) -> io::Result<Issued> {
        let id = format!("spiffe://{}/{name}", self.trust_domain);
        let mut params = member_params(&[&id], Duration::from_secs(HOUR).into())?;
        match flaw {
            Flaw::ServerOnly => {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            }
            Flaw::ClientOnly => {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            }
            Flaw::Authority => params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)),
        }
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> io::Result<Issued> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let cert = params.signed_by(&key, &*self.authority);
        Ok(Issued {
            cert: cert.map_err(io::Error::other)?.pem() + &self.between,
            key: key.serialize_pem(),
            ca: self.ca(),
        })
    }

    /// The same as `certify`, written into a folder, which is made if it is not there.
    pub fn issue(
        &self,
        name: &str,
        validity: impl Into<Validity>,
        folder: &Path,
    ) -> io::Result<Files> {
        self.certify(name, validity)?.write(folder)
    }
}

fn authority_params(name: &str, below: u8) -> CertificateParams {
    let mut params = params(name, AUTHORITY_LASTS.into());
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn member_params(ids: &[&str], validity: Validity) -> io::Result<CertificateParams> {
    let mut params = params("a certificate of the mesh", validity);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params.use_authority_key_identifier_extension = true;
    for id in ids {
        let id = (*id).try_into().map_err(io::Error::other)?;
        params.subject_alt_names.push(SanType::URI(id));
    }
    Ok(params)
}

fn params(name: &str, validity: Validity) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(validity.from);
    params.not_after = epoch + Duration::from_secs(validity.until);
    params
}

impl Validity {
    /// For so long from now on; it began an hour ago, for clocks that differ.
    pub fn lasting(time: Duration) -> Self {
        Self {
            from: now() - HOUR,
            until: now() + time.as_secs(),
        }
    }

    /// Ended a minute ago.
    pub fn over() -> Self {
        Self {
            from: now() - HOUR,
            until: now() - MINUTE,
        }
    }

    /// Begins in an hour.
    pub fn to_come() -> Self {
        Self {
            from: now() + HOUR,
            until: now() + 2 * HOUR,
        }
    }
}

impl From<Duration> for Validity {
    fn from(time: Duration) -> Self {
        Self::lasting(time)
    }
}

fn now() -> u64 {
    u64::try_from(SystemClock.now().as_second()).unwrap_or_default()
}

impl Issued {
    /// The same, and its owner trusts another authority too.
    pub fn trusting(mut self, other: &Pki) -> Self {
        self.ca.push_str(&other.ca());
        self
    }

    /// Writes the three into a folder, which is made if it is not there; each file is replaced as
    /// a whole.
    pub fn write(&self, folder: &Path) -> io::Result<Files> {
        fs::create_dir_all(folder)?;
        replace(&folder.join(CERT), &self.cert)?;
        replace(&folder.join(KEY), &self.key)?;
        replace(&folder.join(CA), &self.ca)?;
        Ok(Files::within(folder))
    }
}

fn replace(file: &Path, text: &str) -> io::Result<()> {
    let draft = file.with_extension("new");
    fs::write(&draft, text)?;
    fs::rename(&draft, file)
}

impl Files {
    /// Where they are in a folder.
    pub fn within(folder: &Path) -> Self {
        Self {
            cert: folder.join(CERT),
            key: folder.join(KEY),
            ca: folder.join(CA),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LASTING: Duration = Duration::from_hours(1);

    #[test]
    fn a_certificate_is_written_with_its_key_and_its_authority() {
        let folder = tempfile::tempdir().unwrap();
        let pki = Pki::new("paymesh").unwrap();
        let files = pki
            .issue("trade", LASTING, &folder.path().join("trade"))
            .unwrap();
        let text = |file| fs::read_to_string(file).unwrap();
        assert!(text(&files.cert).starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(text(&files.key).starts_with("-----BEGIN PRIVATE KEY-----"));
        assert_eq!(text(&files.ca), pki.ca());
        assert_eq!(
            fs::read_dir(folder.path().join("trade")).unwrap().count(),
            3
        );
    }

    #[test]
    fn what_trusts_two_authorities_holds_both() {
        let [one, other] = ["paymesh", "paymesh"].map(|domain| Pki::new(domain).unwrap());
        assert_ne!(one.ca(), other.ca());
        let issued = one.certify("rate", LASTING).unwrap().trusting(&other);
        assert_eq!(issued.ca, one.ca() + &other.ca());
    }

    #[test]
    fn what_an_authority_below_issues_leads_to_the_one_above() {
        let above = Pki::new("paymesh").unwrap();
        let below = above.below().unwrap();
        let issued = below.certify("rate", LASTING).unwrap();
        assert_eq!(issued.cert.matches("BEGIN CERTIFICATE").count(), 2);
        assert_eq!((&issued.ca, below.ca()), (&above.ca(), above.ca()));
    }

    #[test]
    fn a_name_that_no_certificate_can_hold_is_refused() {
        let pki = Pki::new("paymesh").unwrap();
        assert!(pki.certify("trädë", LASTING).is_err());
    }
}
