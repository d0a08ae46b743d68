//! The keys a number signs with, as settings name them.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

/// The key a number signs with.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Entry")]
pub struct MerchantKey {
    /// `mch_id`, `sign_agentno` or `groupno`.
    pub mch_id: String,
    /// What it signs with, and is answered with.
    pub key: Key,
}

/// A signing key; never shown.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub struct Key(pub(crate) Kind);

/// The kinds of signatures.
#[derive(Clone)]
pub(crate) enum Kind {
    /// One text that both sides know.
    Md5(String),
    /// The merchant's public key, and the platform's private one.
    Rsa { merchant: Pem, platform: Pem },
}

/// A key in PEM, or the file that holds it; never shown.
#[derive(Clone)]
pub enum Pem {
    /// The PEM itself.
    Value(String),
    /// Where it is.
    File(PathBuf),
}

impl Key {
    /// An MD5 key.
    pub fn new(key: impl Into<String>) -> Self {
        Self(Kind::Md5(key.into()))
    }

    /// `RSA_1_256`: the merchant's public key verifies, the platform's private one signs.
    pub fn rsa_1_256(merchant: Pem, platform: Pem) -> Self {
        Self(Kind::Rsa { merchant, platform })
    }

    /// Whether nothing could be signed with it.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(&self.0, Kind::Md5(key) if key.is_empty())
    }
}

impl From<String> for Key {
    fn from(key: String) -> Self {
        Self::new(key)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pem(..)")
    }
}

/// A merchant's entry as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    mch_id: String,
    sign_type: Option<SignType>,
    key: Option<String>,
    public_key: Option<String>,
    public_key_file: Option<PathBuf>,
    private_key: Option<String>,
    private_key_file: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
enum SignType {
    #[serde(rename = "MD5")]
    Md5,
    #[serde(rename = "RSA_1_256")]
    Rsa,
}

const WHICH: &str = "a merchant needs `key` (MD5), or (RSA_1_256) public_key or public_key_file, \
    the merchant's, with private_key or private_key_file, the platform's";

impl TryFrom<Entry> for MerchantKey {
    type Error = &'static str;

    fn try_from(entry: Entry) -> Result<Self, Self::Error> {
        let public = pem(entry.public_key, entry.public_key_file)?;
        let private = pem(entry.private_key, entry.private_key_file)?;
        let (kind, key) = match (entry.key, public, private) {
            (Some(key), None, None) => (SignType::Md5, Key::new(key)),
            (None, Some(public), Some(private)) => (SignType::Rsa, Key::rsa_1_256(public, private)),
            _ => return Err(WHICH),
        };
        if entry.sign_type.is_some_and(|told| told != kind) {
            return Err(WHICH);
        }
        let mch_id = entry.mch_id;
        Ok(Self { mch_id, key })
    }
}

fn pem(value: Option<String>, file: Option<PathBuf>) -> Result<Option<Pem>, &'static str> {
    match (value, file) {
        (Some(_), Some(_)) => Err("a key has a value or a file, not both"),
        (value, file) => Ok(value.map(Pem::Value).or(file.map(Pem::File))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entry: &str) -> Result<MerchantKey, String> {
        let text = format!("mch_id = \"7551000001\"\n{entry}");
        toml::from_str(&text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_merchant_signs_with_md5_or_with_rsa() {
        let md5 = read("key = \"4abb\"").unwrap();
        assert!(matches!(md5.key.0, Kind::Md5(key) if key == "4abb"));
        let rsa = "sign_type = \"RSA_1_256\"\npublic_key = \"-----\"\nprivate_key_file = \"p.pem\"";
        let rsa = read(rsa).unwrap();
        assert!(!format!("{rsa:?}").contains("p.pem"), "{rsa:?}");
        let Kind::Rsa { merchant, platform } = rsa.key.0 else {
            panic!("MD5");
        };
        assert!(matches!(merchant, Pem::Value(pem) if pem == "-----"));
        assert!(matches!(platform, Pem::File(file) if file.ends_with("p.pem")));
    }

    #[test]
    fn an_entry_that_says_too_little_or_too_much_is_refused() {
        for wrong in [
            "",
            "sign_type = \"MD5\"",
            "sign_type = \"RSA_1_256\"\nkey = \"k\"",
            "sign_type = \"RSA_1_1\"\nkey = \"k\"",
            "public_key = \"p\"",
            "key = \"k\"\npublic_key = \"p\"\nprivate_key = \"q\"",
            "sign_type = \"MD5\"\npublic_key = \"p\"\nprivate_key = \"q\"",
            "public_key = \"p\"\npublic_key_file = \"p\"\nprivate_key = \"q\"",
            "key = \"k\"\nkee = \"k\"",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
