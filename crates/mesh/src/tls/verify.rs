//! What is asked of a certificate, on both sides: that an authority we trust has issued it, that it
//! is valid now, and that it names somebody of our trust domain. Where it is shown does not matter:
//! addresses change, and an id says more than a name in DNS.

use std::sync::Arc;

use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::crypto::{
    CryptoProvider, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::server::{ParsedCertificate, VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use webpki::{EndEntityCert, KeyUsage};

use super::spiffe::SpiffeId;

/// What stands among the authorities and is none.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("is no authority's: only what has issued certificates belongs there")]
struct NoAuthority;

/// Refuses what is no authority's, and what is not valid now: later, nobody asks an authority for
/// either.
pub(super) fn check_authority(
    certificate: &CertificateDer<'_>,
    provider: &CryptoProvider,
    now: UnixTime,
) -> Result<(), Error> {
    let parsed = EndEntityCert::try_from(certificate);
    let parsed = parsed.map_err(|_| CertificateError::BadEncoding)?;
    let algorithms = provider.signature_verification_algorithms.all;
    let usage = KeyUsage::server_auth();
    // As if it were a server's: the verifier asks for its time first, and then refuses it for the
    // one reason that makes it an authority's.
    let wrong = match parsed.verify_for_usage(algorithms, &[], &[], now, usage, None, None) {
        Err(webpki::Error::CaUsedAsEndEntity) => return Ok(()),
        Err(webpki::Error::CertExpired { time, not_after }) => {
            CertificateError::ExpiredContext { time, not_after }
        }
        Err(webpki::Error::CertNotValidYet { time, not_before }) => {
            CertificateError::NotValidYetContext { time, not_before }
        }
        _ => CertificateError::Other(OtherError(Arc::new(NoAuthority))),
    };
    Err(wrong.into())
}

/// Who is believed about whom.
#[derive(Debug)]
pub(super) struct Authorities {
    roots: Arc<RootCertStore>,
    clients: Arc<dyn ClientCertVerifier>,
    provider: Arc<CryptoProvider>,
    trust_domain: String,
}

impl Authorities {
    pub(super) fn new(
        roots: RootCertStore,
        provider: Arc<CryptoProvider>,
        trust_domain: &str,
    ) -> Result<Self, VerifierBuilderError> {
        let roots = Arc::new(roots);
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
        Ok(Self {
            roots,
            clients: clients.build()?,
            provider,
            trust_domain: trust_domain.to_owned(),
        })
    }

    /// Whom a certificate names.
    pub(super) fn identity(&self, certificate: &CertificateDer<'_>) -> Result<SpiffeId, Error> {
        let id = SpiffeId::of(certificate, &self.trust_domain);
        id.map_err(|error| CertificateError::Other(OtherError(Arc::new(error))).into())
    }

    /// Whom our own certificate names, if our peers will believe it in either role.
    pub(super) fn own(
        &self,
        chain: &[CertificateDer<'static>],
        now: UnixTime,
    ) -> Result<SpiffeId, Error> {
        let (certificate, others) = chain.split_first().ok_or(Error::NoCertificatesPresented)?;
        self.serves(certificate, others, now)?;
        self.clients.verify_client_cert(certificate, others, now)?;
        self.identity(certificate)
    }

    /// When a certificate that is valid now will end, in seconds since 1970.
    pub(super) fn expiry(&self, chain: &[CertificateDer<'static>]) -> Option<u64> {
        // Nothing lasts beyond the year 9999: asked about a later time, the verifier says when the
        // certificate ended, and no other code has to read it.
        const NEVER: u64 = 253_402_300_800;
        let never = UnixTime::since_unix_epoch(std::time::Duration::from_secs(NEVER));
        let (certificate, others) = chain.split_first()?;
        match self.serves(certificate, others, never) {
            Err(Error::InvalidCertificate(CertificateError::ExpiredContext {
                not_after, ..
            })) => Some(not_after.as_secs()),
            _ => None,
        }
    }

    fn serves(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, others, now, algorithms)
    }
}

impl ServerCertVerifier for Authorities {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.serves(certificate, others, now)?;
        self.identity(certificate)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Authorities {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.clients.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.clients.verify_client_cert(certificate, others, now)?;
        self.identity(certificate)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.clients
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.clients
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.clients.supported_verify_schemes()
    }
}
