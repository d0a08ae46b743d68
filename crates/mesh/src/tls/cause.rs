//! Why a handshake failed, in words that name the cause: about the peer, as the rest of a sentence
//! that begins with its address.

use std::io;

use jiff::Timestamp;
use thiserror::Error;
use tokio_rustls::rustls::{AlertDescription, CertificateError, Error, OtherError};

use super::spiffe::SpiffeId;

/// Why there is no secured connection to a peer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum HandshakeError {
    /// It says something else.
    #[error("does not speak TLS")]
    NotTls,
    /// It went away.
    #[error("hung up during the TLS handshake")]
    HungUp,
    /// It says too little for too long.
    #[error("took too long over the TLS handshake")]
    Slow,
    /// Others came, and it had been at it for the longest.
    #[error("was at the TLS handshake for longer than all others when there were too many")]
    Crowded,
    /// It does not say who it is.
    #[error("shows no certificate")]
    Nobody,
    /// It does not prove who it is.
    #[error("shows a certificate that {0}")]
    Certificate(String),
    /// It proves to be somebody else.
    #[error("proves to be {shown}, and {expected:?} is expected there")]
    Other {
        /// Who it is.
        shown: SpiffeId,
        /// The name it should have.
        expected: String,
    },
    /// It does not believe us.
    #[error("refuses our certificate ({own}): {why}")]
    Refused {
        /// Who we say we are.
        own: SpiffeId,
        /// What it says.
        why: String,
    },
    /// Anything else.
    #[error("fails the TLS handshake: {0}")]
    Failed(String),
}

impl HandshakeError {
    /// What an error of a connection says, of whose ends ours is `own`.
    pub(super) fn of(error: &io::Error, own: &SpiffeId) -> Self {
        if let Some(error) = tls_error(error) {
            return Self::said(error, own);
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => Self::HungUp,
            _ => Self::Failed(error.to_string()),
        }
    }

    fn said(error: &Error, own: &SpiffeId) -> Self {
        match error {
            Error::InvalidMessage(_) => Self::NotTls,
            Error::NoCertificatesPresented => Self::Nobody,
            Error::InvalidCertificate(_) => Self::Certificate(cause(error)),
            Error::AlertReceived(alert) => match told(*alert) {
                Some(why) => Self::Refused {
                    own: own.clone(),
                    why: why.to_owned(),
                },
                None => Self::Failed(format!("it says {alert:?}")),
            },
            other => Self::Failed(other.to_string()),
        }
    }

    /// The same in one word, for metrics.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::NotTls => "not_tls",
            Self::HungUp => "hung_up",
            Self::Slow => "slow",
            Self::Crowded => "crowded",
            Self::Nobody => "no_certificate",
            Self::Certificate(_) | Self::Other { .. } => "certificate",
            Self::Refused { .. } => "refused",
            Self::Failed(_) => "failed",
        }
    }
}

/// What rustls has to say about an error, if it is its own.
pub(super) fn tls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// What is wrong with a certificate, as in "a certificate that …".
pub(super) fn cause(error: &Error) -> String {
    let Error::InvalidCertificate(wrong) = error else {
        return format!("cannot be used: {error}");
    };
    match wrong {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("expired at {}", at(not_after.as_secs()))
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("is not valid before {}", at(not_before.as_secs()))
        }
        CertificateError::UnknownIssuer => "was issued by nobody whom the ca file names".to_owned(),
        CertificateError::BadSignature => {
            "was not signed by the authority that it names".to_owned()
        }
        CertificateError::BadEncoding => "cannot be read".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "was not issued for this use: it has to be for servers and for clients".to_owned()
        }
        CertificateError::Other(other) if is_authority(other) => {
            "is that of an authority, and has to be that of a server or client".to_owned()
        }
        CertificateError::Other(other) => other.to_string(),
        other => other.to_string(),
    }
}

// rustls has no word of its own for it.
fn is_authority(error: &OtherError) -> bool {
    let wrong = error.0.downcast_ref();
    matches!(wrong, Some(webpki::Error::CaUsedAsEndEntity))
}

/// A time in seconds since 1970, as people read it: the same words however often they are said.
pub(super) fn at(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
    time.to_string()
}

// Other alerts are not about our certificate.
fn told(alert: AlertDescription) -> Option<&'static str> {
    let why = match alert {
        AlertDescription::CertificateRequired => "it wants one",
        AlertDescription::UnknownCA => "it does not trust the authority that issued it",
        AlertDescription::CertificateExpired => "it says that it has expired or is not valid yet",
        AlertDescription::CertificateRevoked => "it says that it was revoked",
        AlertDescription::CertificateUnknown => "it does not accept the id that it names",
        AlertDescription::DecryptError => "it says that its authority has not signed it",
        AlertDescription::BadCertificate => "it cannot read it",
        AlertDescription::UnsupportedCertificate => "it was not issued for this use",
        _ => return None,
    };
    Some(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_said_of_certificates_is_a_refusal_of_ours() {
        let own: SpiffeId = "spiffe://paymesh/trade".parse().unwrap();
        let said = |alert| HandshakeError::said(&Error::AlertReceived(alert), &own).to_string();
        let refused = said(AlertDescription::UnknownCA);
        assert!(refused.starts_with("refuses our certificate (spiffe://paymesh/trade): "));
        for (alert, why) in [
            (AlertDescription::ProtocolVersion, "it says ProtocolVersion"),
            (
                AlertDescription::NoApplicationProtocol,
                "it says NoApplicationProtocol",
            ),
            (AlertDescription::InternalError, "it says InternalError"),
        ] {
            assert_eq!(said(alert), format!("fails the TLS handshake: {why}"));
        }
    }
}
