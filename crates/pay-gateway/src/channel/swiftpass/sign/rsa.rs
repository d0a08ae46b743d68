//! `RSA_1_256`: `SHA256withRSA` (PKCS#1 v1.5) over the signing text alone, in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use secrecy::{ExposeSecret, SecretString};
use tokio_rustls::rustls::pki_types::alg_id::RSA_ENCRYPTION;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};

use super::BadKey;

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;
const INTEGER: u8 = 0x02;

/// Our key, which signs.
pub struct RsaPrivateKey(Box<RsaKeyPair>);

impl RsaPrivateKey {
    /// Takes a PKCS#8 key of 2048 to 4096 bits, in PEM.
    pub fn from_pem(pem: &SecretString) -> Result<Self, BadKey> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.expose_secret().as_bytes())
            .map_err(|_| BadKey::NotPrivate)?;
        let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der())
            .map_err(|refused| BadKey::Refused(refused.to_string()))?;
        Ok(Self(Box::new(pair)))
    }

    pub(super) fn sign(&self, text: &str) -> Option<String> {
        let mut sign = vec![0; self.0.public().modulus_len()];
        // This padding has no randomness: the same text is signed the same way.
        let unused = SystemRandom::new();
        let signed = self
            .0
            .sign(&RSA_PKCS1_SHA256, &unused, text.as_bytes(), &mut sign);
        signed.ok().map(|()| STANDARD.encode(sign))
    }
}

/// A key of the platform, which verifies.
pub struct RsaPublicKey(UnparsedPublicKey<Vec<u8>>);

impl RsaPublicKey {
    /// Takes a key of 2048 to 8192 bits, in PEM.
    pub fn from_pem(pem: &str) -> Result<Self, BadKey> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| BadKey::NotPublic)?;
        let key = rsa_key(&der).ok_or(BadKey::NotPublic)?;
        match modulus_bits(key).ok_or(BadKey::NotPublic)? {
            2048..=8192 => Ok(Self(UnparsedPublicKey::new(
                &RSA_PKCS1_2048_8192_SHA256,
                key.to_vec(),
            ))),
            bits => Err(BadKey::Bits(bits)),
        }
    }
}

/// Whether `sign` is made of `text` with one of the keys.
pub(super) fn is_genuine(keys: &[RsaPublicKey], text: &str, sign: &str) -> bool {
    // Canonical base64 alone: no other text stands for the same signature.
    let Ok(sign) = STANDARD.decode(sign) else {
        return false;
    };
    keys.iter()
        .any(|key| key.0.verify(text.as_bytes(), &sign).is_ok())
}

/// The `RSAPublicKey` inside of a `SubjectPublicKeyInfo` (RFC 5280, 4.1.2.7), which is all that
/// ring takes.
fn rsa_key(spki: &[u8]) -> Option<&[u8]> {
    let algorithm_and_key = only(SEQUENCE, spki)?;
    let (algorithm, key) = element(SEQUENCE, algorithm_and_key)?;
    let bits = only(BIT_STRING, key)?;
    if algorithm != RSA_ENCRYPTION.as_ref() {
        return None;
    }
    // No bits of the last byte are left unused.
    bits.strip_prefix(&[0])
}

/// How long the modulus of an `RSAPublicKey` (RFC 8017, A.1.1) is.
fn modulus_bits(key: &[u8]) -> Option<usize> {
    let (modulus, _exponent) = element(INTEGER, only(SEQUENCE, key)?)?;
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let first = modulus.get(zeros)?;
    let bits = 8 * (modulus.len() - zeros);
    Some(bits - usize::try_from(first.leading_zeros()).ok()?)
}

/// What the only DER element holds.
fn only(tag: u8, der: &[u8]) -> Option<&[u8]> {
    let (held, rest) = element(tag, der)?;
    rest.is_empty().then_some(held)
}

/// What the first DER element holds, and what comes after it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (length, rest) = match rest {
        [length @ 0..=0x7f, rest @ ..] | [0x81, length, rest @ ..] => (usize::from(*length), rest),
        [0x82, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        _ => return None,
    };
    (*found == tag).then_some(())?;
    rest.split_at_checked(length)
}
