//! The names of those who take part in the mesh: SPIFFE ids, as certificates carry them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;
use tokio_rustls::rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

const SCHEME: &str = "spiffe://";
const LONGEST: usize = 2048;
const LONGEST_DOMAIN: usize = 255;

/// Who somebody is: `spiffe://TRUST_DOMAIN/.../NAME`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SpiffeId(Arc<str>);

/// Why a certificate, or a text, names nobody.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// The certificate cannot be read.
    #[error("cannot be read")]
    Unreadable,
    /// It has no URI among its names.
    #[error("names no SPIFFE id (a URI such as spiffe://paymesh/trade)")]
    Nobody,
    /// It has several, and says not which.
    #[error("names {0} URIs where one is allowed")]
    Several(usize),
    /// The URI is something else.
    #[error("names {0:?}, which is no SPIFFE id (spiffe://TRUST_DOMAIN/NAME)")]
    Malformed(String),
    /// Somebody else answers for this name.
    #[error("names {shown}, which is not of the trust domain {expected}")]
    Domain {
        /// Whom it names.
        shown: SpiffeId,
        /// The trust domain it should be of.
        expected: String,
    },
}

impl SpiffeId {
    /// Whom a certificate names, if it is one of the trust domain. Proves nothing by itself. A URI
    /// that is no UTF-8 is not counted, nor what stands behind a name that cannot be read: an
    /// authority that is trusted issues neither.
    pub(super) fn of(
        certificate: &CertificateDer<'_>,
        trust_domain: &str,
    ) -> Result<Self, IdentityError> {
        let certificate = EndEntityCert::try_from(certificate);
        let certificate = certificate.map_err(|_| IdentityError::Unreadable)?;
        let uris: Vec<_> = certificate.valid_uri_names().collect();
        let shown: Self = match uris[..] {
            [] => return Err(IdentityError::Nobody),
            [uri] => uri.parse()?,
            _ => return Err(IdentityError::Several(uris.len())),
        };
        if shown.trust_domain() == trust_domain {
            return Ok(shown);
        }
        let expected = trust_domain.to_owned();
        Err(IdentityError::Domain { shown, expected })
    }

    /// Whoever answers for the name.
    pub fn trust_domain(&self) -> &str {
        self.parts().0
    }

    /// The last part of its path: what configuration calls it.
    pub fn name(&self) -> &str {
        let path = self.parts().1;
        path.rsplit_once('/').map_or(path, |(_, name)| name)
    }

    /// The whole of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parts(&self) -> (&str, &str) {
        let rest = self.0.strip_prefix(SCHEME).unwrap_or_default();
        rest.split_once('/').unwrap_or_default()
    }
}

impl FromStr for SpiffeId {
    type Err = IdentityError;

    fn from_str(uri: &str) -> Result<Self, IdentityError> {
        let rest = uri.strip_prefix(SCHEME).filter(|_| uri.len() <= LONGEST);
        let sound = rest
            .and_then(|rest| rest.split_once('/'))
            .is_some_and(|(domain, path)| {
                is_trust_domain(domain) && path.split('/').all(is_segment)
            });
        if sound {
            return Ok(Self(uri.into()));
        }
        let shown = uri.chars().take(LONGEST_DOMAIN).collect();
        Err(IdentityError::Malformed(shown))
    }
}

/// Whether this may stand after `spiffe://`.
pub(super) fn is_trust_domain(text: &str) -> bool {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_');
    (1..=LONGEST_DOMAIN).contains(&text.len()) && text.bytes().all(plain)
}

fn is_segment(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !matches!(text, "" | "." | "..") && text.bytes().all(plain)
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_name_is_the_last_part_of_the_path() {
        let id: SpiffeId = "spiffe://paymesh/trade".parse().unwrap();
        assert_eq!((id.trust_domain(), id.name()), ("paymesh", "trade"));
        let id: SpiffeId = "spiffe://t.example/ns/pay/sa/pay-gateway".parse().unwrap();
        assert_eq!((id.trust_domain(), id.name()), ("t.example", "pay-gateway"));
        assert_eq!(id.to_string(), "spiffe://t.example/ns/pay/sa/pay-gateway");
    }

    #[test]
    fn what_is_no_id_is_refused() {
        let long = format!("spiffe://paymesh/{}", "x".repeat(LONGEST));
        for wrong in [
            "",
            "paymesh/trade",
            "https://paymesh/trade",
            "SPIFFE://paymesh/trade",
            "spiffe://paymesh",
            "spiffe://paymesh/",
            "spiffe:///trade",
            "spiffe://Paymesh/trade",
            "spiffe://user@paymesh/trade",
            "spiffe://paymesh:443/trade",
            "spiffe://paymesh//trade",
            "spiffe://paymesh/../trade",
            "spiffe://paymesh/./trade",
            "spiffe://paymesh/trade/",
            "spiffe://paymesh/trade?x=1",
            "spiffe://paymesh/trade#x",
            "spiffe://paymesh/tr%61de",
            "spiffe://paymesh/trädë",
            "spiffe://paymesh/trade\0",
            &long,
        ] {
            let refused = wrong.parse::<SpiffeId>();
            assert!(
                matches!(refused, Err(IdentityError::Malformed(_))),
                "{wrong}"
            );
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_read_panics(text in ".*") {
            if let Ok(id) = text.parse::<SpiffeId>() {
                prop_assert!(text.starts_with("spiffe://"));
                prop_assert!(is_trust_domain(id.trust_domain()) && is_segment(id.name()));
            }
        }
    }
}
