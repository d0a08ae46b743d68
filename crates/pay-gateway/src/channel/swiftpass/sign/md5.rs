//! MD5 over the signing text and the key, in upper case.

use md5::{Digest, Md5};
use secrecy::{ExposeSecret, SecretString};
use subtle::{Choice, ConstantTimeEq};

use super::BadKey;

/// The shortest key taken; the platform's have 32 characters.
pub(super) const MIN_KEY: usize = 32;

/// A key shared with the platform.
pub struct Md5Key(SecretString);

impl Md5Key {
    /// Takes a key of at least 32 bytes.
    pub fn new(key: SecretString) -> Result<Self, BadKey> {
        if key.expose_secret().len() < MIN_KEY {
            return Err(BadKey::Short);
        }
        Ok(Self(key))
    }

    pub(super) fn sign(&self, text: &str) -> String {
        hex::encode_upper(Md5Sign::of(text, self).0)
    }
}

/// Whether `sign` is made of `text` with one of the keys.
pub(super) fn is_genuine(keys: &[Md5Key], text: &str, sign: &str) -> bool {
    let Some(told) = Md5Sign::parse(sign) else {
        return false;
    };
    let made = keys.iter().map(|key| told.ct_eq(&Md5Sign::of(text, key)));
    made.fold(Choice::from(0), |any, one| any | one).into()
}

/// An MD5 signature. Without `PartialEq`: it is compared in constant time or not at all.
struct Md5Sign([u8; 16]);

impl Md5Sign {
    fn of(text: &str, key: &Md5Key) -> Self {
        let mut md5 = Md5::new_with_prefix(text);
        md5.update("&key=");
        md5.update(key.0.expose_secret());
        Self(md5.finalize().into())
    }

    /// Upper-case hexadecimal, as the platform writes it; nothing else.
    fn parse(text: &str) -> Option<Self> {
        let upper = text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
        let mut sign = [0; 16];
        let read = hex::decode_to_slice(text, &mut sign);
        (upper && read.is_ok()).then_some(Self(sign))
    }
}

impl ConstantTimeEq for Md5Sign {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}
