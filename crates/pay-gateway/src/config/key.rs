//! Signing keys, as an operator gives them. Each error names the key's place, never the key.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::channel::swiftpass::{Md5Key, RsaPrivateKey, RsaPublicKey, Signer};

/// A signing key: `value` or `file` for MD5, `private_key_file` and `public_key_file` for
/// `RSA_1_256`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeyConfig {
    /// How messages are signed with it.
    pub sign_type: SignType,
    /// MD5: the key itself, 32 bytes or more.
    pub value: Option<SecretString>,
    /// MD5: a file that holds it, for a mounted secret.
    pub file: Option<PathBuf>,
    /// MD5: the keys it replaces; they are believed and sign no more.
    pub previous: Vec<SecretConfig>,
    /// RSA: our private key, PKCS#8 in PEM.
    pub private_key_file: Option<PathBuf>,
    /// RSA: the platform's public key, PEM.
    pub public_key_file: Option<PathBuf>,
    /// RSA: the platform's keys before that one, still believed.
    pub previous_public_key_files: Vec<PathBuf>,
}

/// How messages are signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum SignType {
    /// MD5 with a shared key.
    #[default]
    #[serde(rename = "MD5")]
    Md5,
    /// `SHA256withRSA`, with keys of either side.
    #[serde(rename = "RSA_1_256")]
    Rsa,
}

/// A shared key; one of the two is set.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecretConfig {
    /// The key itself, 32 bytes or more.
    pub value: Option<SecretString>,
    /// A file that holds it, for a mounted secret.
    pub file: Option<PathBuf>,
}

impl KeyConfig {
    /// The signer; reads the key files.
    pub(super) fn signer(&self, at: &str) -> Result<Signer, String> {
        match self.sign_type {
            SignType::Md5 => self.md5(at),
            SignType::Rsa => self.rsa(at),
        }
    }

    fn md5(&self, at: &str) -> Result<Signer, String> {
        let of_rsa = [
            ("private_key_file", self.private_key_file.is_some()),
            ("public_key_file", self.public_key_file.is_some()),
            (
                "previous_public_key_files",
                !self.previous_public_key_files.is_empty(),
            ),
        ];
        refuse(at, &of_rsa, "RSA_1_256")?;
        let key = md5_key(at, (self.value.as_ref(), self.file.as_deref()))?;
        let previous = self.previous.iter().enumerate().map(|(n, old)| {
            let at = format!("{at}.previous[{n}]");
            md5_key(&at, (old.value.as_ref(), old.file.as_deref()))
        });
        Ok(Signer::md5(key, previous.collect::<Result<_, _>>()?))
    }

    fn rsa(&self, at: &str) -> Result<Signer, String> {
        let of_md5 = [
            ("value", self.value.is_some()),
            ("file", self.file.is_some()),
            ("previous", !self.previous.is_empty()),
        ];
        refuse(at, &of_md5, "MD5")?;
        let at_private = format!("{at}.private_key_file");
        let pem = read(&at_private, self.private_key_file.as_deref())?;
        let own = RsaPrivateKey::from_pem(&pem).map_err(|e| format!("{at_private}: {e}"))?;
        let current = (
            format!("{at}.public_key_file"),
            self.public_key_file.as_deref(),
        );
        let files = self.previous_public_key_files.iter().enumerate();
        let previous = files.map(|(n, file)| {
            let at = format!("{at}.previous_public_key_files[{n}]");
            (at, Some(file.as_path()))
        });
        let platform = std::iter::once(current).chain(previous).map(|(at, file)| {
            let pem = read(&at, file)?;
            RsaPublicKey::from_pem(pem.expose_secret()).map_err(|e| format!("{at}: {e}"))
        });
        Ok(Signer::rsa(own, platform.collect::<Result<_, _>>()?))
    }
}

/// Refuses what is set and belongs to the other way of signing.
fn refuse(at: &str, keys: &[(&str, bool)], sign_type: &str) -> Result<(), String> {
    match keys.iter().find(|(_, is_set)| *is_set) {
        Some((key, _)) => Err(format!(
            "{at}.{key} belongs to sign_type {sign_type}: change sign_type, or leave {key} out"
        )),
        None => Ok(()),
    }
}

fn md5_key(
    at: &str,
    (value, file): (Option<&SecretString>, Option<&Path>),
) -> Result<Md5Key, String> {
    let key = match (value, file) {
        (Some(value), None) => value.clone(),
        (None, Some(file)) => read(&format!("{at}.file"), Some(file))?,
        _ => return Err(format!("{at}: set value or file, one of the two")),
    };
    Md5Key::new(key).map_err(|e| format!("{at}: {e}"))
}

/// What a key file holds, without the blanks around it.
fn read(at: &str, file: Option<&Path>) -> Result<SecretString, String> {
    let file = file.ok_or_else(|| format!("{at} must be set"))?;
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|e| format!("{at} {}: {e}", file.display()))?;
    Ok(SecretString::from(text.trim().to_owned()))
}

#[cfg(test)]
mod tests;
