//! Who signs with what.

use std::fs;

use crate::config::{Key, Kind, Pem};
use crate::sign::{Rsa, Signer};
use crate::{SandboxError, SandboxSettings};

/// The signers of all numbers.
pub(crate) struct Keys {
    /// Of each number that is not listed.
    partner: Option<Signer>,
    listed: Vec<(String, Signer)>,
}

impl Keys {
    /// Reads the keys' files.
    pub(crate) fn open(settings: &SandboxSettings) -> Result<Self, SandboxError> {
        let partner = settings.partner_key.as_ref();
        let listed = settings.merchants.iter().map(|merchant| {
            let signer = signer(&merchant.key, &merchant.mch_id)?;
            Ok((merchant.mch_id.clone(), signer))
        });
        Ok(Self {
            partner: partner.map(|key| signer(key, "")).transpose()?,
            listed: listed.collect::<Result<_, SandboxError>>()?,
        })
    }

    /// The signer of a merchant, agent or chain.
    pub(crate) fn of(&self, number: &str) -> Option<&Signer> {
        let listed = self.listed.iter().find(|(listed, _)| listed == number);
        listed.map(|(_, signer)| signer).or(self.partner.as_ref())
    }

    /// The listed numbers and their signers.
    pub(crate) fn listed(&self) -> impl Iterator<Item = (&str, &Signer)> {
        self.listed
            .iter()
            .map(|(number, signer)| (number.as_str(), signer))
    }
}

fn signer(key: &Key, mch_id: &str) -> Result<Signer, SandboxError> {
    let (merchant, platform) = match &key.0 {
        Kind::Md5(key) => return Ok(Signer::md5(key)),
        Kind::Rsa { merchant, platform } => (text(merchant, mch_id)?, text(platform, mch_id)?),
    };
    let rsa = Rsa::new(&merchant, &platform).map_err(|field| SandboxError::Key {
        mch_id: mch_id.to_owned(),
        field,
    })?;
    Ok(Signer::Rsa(Box::new(rsa)))
}

fn text(pem: &Pem, mch_id: &str) -> Result<String, SandboxError> {
    match pem {
        Pem::Value(text) => Ok(text.clone()),
        Pem::File(path) => fs::read_to_string(path).map_err(|source| SandboxError::KeyFile {
            mch_id: mch_id.to_owned(),
            path: path.clone(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::MerchantKey;

    fn open(key: Key) -> Result<Keys, SandboxError> {
        let mch_id = "7551000001".to_owned();
        Keys::open(&SandboxSettings {
            partner_key: Some(Key::new("9d101c97")),
            merchants: vec![MerchantKey { mch_id, key }],
            ..SandboxSettings::default()
        })
    }

    #[test]
    fn a_listed_number_has_its_own_key_and_all_others_the_partners() {
        let keys = open(Key::new("4abb")).unwrap();
        assert!(keys.of("7551000001").unwrap().is(&Signer::md5("4abb")));
        assert!(keys.of("other").unwrap().is(&Signer::md5("9d101c97")));
    }

    #[test]
    fn a_key_that_is_none_names_the_merchant_and_the_setting() {
        let file = Pem::File(PathBuf::from("nowhere.pem"));
        let absent = open(Key::rsa_1_256(Pem::Value(String::new()), file)).err();
        let told = absent.unwrap().to_string();
        assert_eq!(
            told,
            "sandbox key of 7551000001: nowhere.pem cannot be read"
        );
        let none = Pem::Value("no PEM".to_owned());
        let wrong = open(Key::rsa_1_256(none.clone(), none)).err().unwrap();
        let told =
            "sandbox key of 7551000001: public_key is no RSA key in PEM of 2048 bits or more";
        assert_eq!(wrong.to_string(), told);
    }
}
