//! Swiftpass's signature over the fields, sorted and joined: MD5 with a shared key, or RSA.

mod md5;
mod rsa;

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::channel::{Fields, MessageError};

pub use md5::Md5Key;
pub use rsa::{RsaPrivateKey, RsaPublicKey};

/// What decides about money. `a=1&b=2` is the signing text of one field as well as of two,
/// so no value may hold the look of one of these.
const BELIEVED: [&str; 20] = [
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
    "&out_refund_no=",
    "&refund_id=",
    "&refund_fee=",
    // And each of these, numbered.
    "&refund_count=",
    "&out_refund_no_",
    "&refund_id_",
    "&refund_fee_",
    "&refund_status_",
    "&refund_time_",
];

/// Signs and verifies an account's messages in the way our configuration says,
/// whatever way a message names.
#[derive(Clone)]
pub struct Signer(Arc<Scheme>);

enum Scheme {
    // The first signs.
    Md5(Vec<Md5Key>),
    Rsa {
        own: RsaPrivateKey,
        platform: Vec<RsaPublicKey>,
    },
}

/// Why a key is not taken. It is not told.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadKey {
    /// An MD5 key that anybody may find by trying.
    #[error("signing key has fewer than {} bytes", md5::MIN_KEY)]
    Short,
    /// An RSA key too small to keep anybody from signing, or too big to use.
    #[error("rsa key has {0} bits, not 2048 to 8192")]
    Bits(usize),
    /// Another form, or another kind of key.
    #[error("not a PKCS#8 private key in PEM (-----BEGIN PRIVATE KEY-----)")]
    NotPrivate,
    /// Another form, or another kind of key.
    #[error("not an RSA public key in PEM (-----BEGIN PUBLIC KEY-----)")]
    NotPublic,
    /// A private key that does not hold together, or has too few bits or too many.
    #[error("rsa private key refused: {0}; one of 2048 to 4096 bits is taken")]
    Refused(String),
}

/// The signature could not be made; nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the message could not be signed")]
pub struct SigningFailed;

impl Signer {
    /// MD5 with a shared key; `replaced` are still believed and sign no more.
    pub fn md5(key: Md5Key, replaced: Vec<Md5Key>) -> Self {
        let keys = std::iter::once(key).chain(replaced);
        Self(Arc::new(Scheme::Md5(keys.collect())))
    }

    /// `RSA_1_256`: our key signs, and the platform's verify, those it has replaced too.
    pub fn rsa(own: RsaPrivateKey, platform: Vec<RsaPublicKey>) -> Self {
        Self(Arc::new(Scheme::Rsa { own, platform }))
    }

    /// The channel's name for the way it signs.
    pub fn sign_type(&self) -> &'static str {
        match *self.0 {
            Scheme::Md5(_) => "MD5",
            Scheme::Rsa { .. } => "RSA_1_256",
        }
    }

    /// Adds `sign_type` and `sign`.
    pub fn sign(&self, fields: &mut Fields) -> Result<(), SigningFailed> {
        fields.set("sign_type", self.sign_type());
        let text = signing_text(fields);
        let sign = match &*self.0 {
            Scheme::Md5(keys) => keys.first().map(|key| key.sign(&text)),
            Scheme::Rsa { own, .. } => own.sign(&text),
        };
        fields.set("sign", sign.ok_or(SigningFailed)?);
        Ok(())
    }

    /// Checks that the fields are signed with a key, and can be read in one way only.
    pub fn verify(&self, fields: &Fields) -> Result<(), MessageError> {
        // Left out, it means MD5.
        if fields.get("sign_type").unwrap_or("MD5") != self.sign_type() {
            return Err(MessageError::SignType);
        }
        let sign = fields
            .get("sign")
            .ok_or(MessageError::MissingField("sign"))?;
        if !self.is_genuine(&signing_text(fields), sign) {
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

    fn is_genuine(&self, text: &str, sign: &str) -> bool {
        match &*self.0 {
            Scheme::Md5(keys) => md5::is_genuine(keys, text, sign),
            Scheme::Rsa { platform, .. } => rsa::is_genuine(platform, text, sign),
        }
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

#[cfg(test)]
mod tests;
