//! Keys in PEM.

use ring::rsa::KeyPair;

use super::base64;

/// `rsaEncryption` without parameters, as a public key names its algorithm.
const RSA_ENCRYPTION: &[u8] = &[
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];
const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;

/// A private key, PKCS#8 or PKCS#1.
pub(super) fn private(pem: &str) -> Option<KeyPair> {
    if let Some(der) = block(pem, "PRIVATE KEY") {
        return KeyPair::from_pkcs8(&der).ok();
    }
    KeyPair::from_der(&block(pem, "RSA PRIVATE KEY")?).ok()
}

/// A public key, with its algorithm before it or bare, as its modulus and exponent.
pub(super) fn public(pem: &str) -> Option<Vec<u8>> {
    if let Some(bare) = block(pem, "RSA PUBLIC KEY") {
        return Some(bare);
    }
    let der = block(pem, "PUBLIC KEY")?;
    let key = element(&der, SEQUENCE)?.strip_prefix(RSA_ENCRYPTION)?;
    // No bits of the last byte are unused.
    let bare = element(key, BIT_STRING)?.strip_prefix(&[0])?;
    Some(bare.to_vec())
}

fn block(pem: &str, label: &str) -> Option<Vec<u8>> {
    let (_, rest) = pem.split_once(&format!("-----BEGIN {label}-----"))?;
    let (text, _) = rest.split_once(&format!("-----END {label}-----"))?;
    base64::decode(text)
}

/// What one DER element holds, which all of `bytes` is.
fn element(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let (first, rest) = bytes.strip_prefix(&[tag])?.split_first()?;
    let (length, content) = match first {
        0x81 => rest.split_at_checked(1)?,
        0x82 => rest.split_at_checked(2)?,
        0x00..=0x7f => (std::slice::from_ref(first), rest),
        _ => return None,
    };
    let each = length.iter().map(|byte| usize::from(*byte));
    let length = each.fold(0, |length, byte| length << 8 | byte);
    (content.len() == length).then_some(content)
}
