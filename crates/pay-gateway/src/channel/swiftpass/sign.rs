//! Swiftpass's signature: the fields sorted and joined, the key appended, MD5 in upper case.

use std::fmt;

use md5::{Digest, Md5};
use secrecy::{ExposeSecret, SecretString};
use subtle::{Choice, ConstantTimeEq};
use thiserror::Error;

use crate::channel::{Fields, MessageError};

/// The shortest key taken; the platform's have 32 characters.
const MIN_KEY: usize = 32;

/// What decides about money. `a=1&b=2` is the signing text of one field as well as of two,
/// so no value may hold the look of one of these.
const BELIEVED: [&str; 11] = [
    "&mch_id=",
    "&out_trade_no=",
    "&transaction_id=",
    "&total_fee=",
    "&fee_type=",
    "&pay_result=",
    "&result_code=",
    "&trade_state=",
    "&time_end=",
    "&err_code=",
    "&need_query=",
];

/// Signs and verifies an account's messages in the way our configuration says,
/// whatever way a message names.
#[derive(Clone)]
pub struct Signer(Scheme);

// RSA_1_256 becomes another variant.
#[derive(Clone)]
enum Scheme {
    Md5(SecretString),
}

/// The key is too short to keep anybody from signing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("signing key has fewer than {MIN_KEY} bytes")]
pub struct WeakKey;

impl Signer {
    /// MD5 with a shared key of at least 32 bytes.
    pub fn md5(key: SecretString) -> Result<Self, WeakKey> {
        if key.expose_secret().len() < MIN_KEY {
            return Err(WeakKey);
        }
        Ok(Self(Scheme::Md5(key)))
    }

    /// The channel's name for the way it signs.
    pub fn sign_type(&self) -> &'static str {
        match self.0 {
            Scheme::Md5(_) => "MD5",
        }
    }

    /// Adds `sign_type` and `sign`.
    pub fn sign(&self, fields: &mut Fields) {
        fields.set("sign_type", self.sign_type());
        let sign = match &self.0 {
            Scheme::Md5(key) => Md5Sign::of(&signing_text(fields), key).to_string(),
        };
        fields.set("sign", sign);
    }

    /// Checks that the fields are signed with the key, and can be read in one way only.
    pub fn verify(&self, fields: &Fields) -> Result<(), MessageError> {
        // Left out, it means MD5.
        if fields.get("sign_type").unwrap_or("MD5") != self.sign_type() {
            return Err(MessageError::SignType);
        }
        let sign = fields
            .get("sign")
            .ok_or(MessageError::MissingField("sign"))?;
        let genuine = match &self.0 {
            Scheme::Md5(key) => {
                let told = Md5Sign::parse(sign).ok_or(MessageError::BadSignature)?;
                told.ct_eq(&Md5Sign::of(&signing_text(fields), key))
            }
        };
        if !bool::from(genuine) {
            return Err(MessageError::BadSignature);
        }
        if fields
            .iter()
            .any(|(_, value)| BELIEVED.iter().any(|name| value.contains(name)))
        {
            return Err(MessageError::Ambiguous);
        }
        Ok(())
    }
}

/// Tells the way of signing, never the key.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.sign_type())
    }
}

/// What is signed: `name=value`, sorted, joined by `&`, raw, without `sign`.
fn signing_text(fields: &Fields) -> String {
    let pairs = fields.iter().filter(|(name, _)| *name != "sign");
    pairs
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join("&")
}

/// An MD5 signature. Without `PartialEq`: it is compared in constant time or not at all.
struct Md5Sign([u8; 16]);

impl Md5Sign {
    fn of(text: &str, key: &SecretString) -> Self {
        let mut md5 = Md5::new_with_prefix(text);
        md5.update("&key=");
        md5.update(key.expose_secret());
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

impl fmt::Display for Md5Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode_upper(self.0))
    }
}

#[cfg(test)]
mod tests;
