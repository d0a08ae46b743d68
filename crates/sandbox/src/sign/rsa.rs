//! `RSA_1_256`: SHA-256 with RSA, PKCS#1 v1.5.

use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey,
};

use super::pem;

/// The other side's public key and the own private one.
pub(crate) struct Rsa {
    other: UnparsedPublicKey<Vec<u8>>,
    own: KeyPair,
}

impl Rsa {
    /// From PEM; which of the settings is no key, when one is none.
    pub(crate) fn new(public: &str, private: &str) -> Result<Self, &'static str> {
        let other = pem::public(public).ok_or("public_key")?;
        let own = pem::private(private).ok_or("private_key")?;
        let other = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, other);
        Ok(Self { other, own })
    }

    /// Empty, which no one accepts, when it cannot be made.
    pub(super) fn sign(&self, text: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.own.public().modulus_len()];
        // The randomness blinds the computation; the signature is always the same.
        let random = SystemRandom::new();
        let made = self
            .own
            .sign(&RSA_PKCS1_SHA256, &random, text, &mut signature);
        made.map(|()| signature).unwrap_or_default()
    }

    pub(super) fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        self.other.verify(text, signature).is_ok()
    }

    /// Whether both sign alike.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.own.public_key().as_ref() == other.own.public_key().as_ref()
    }
}
