//! Signatures of messages: MD5 with a shared key, or `RSA_1_256` with a pair on either side.

mod base64;
mod pem;
mod rsa;

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

use crate::wire::Fields;

pub(crate) use rsa::Rsa;

/// The names of the fields that hold the signature and its kind.
const SIGN: &str = "sign";
const SIGN_TYPE: &str = "sign_type";

/// Signs what the channel says to one number, and verifies what that says.
pub(crate) enum Signer {
    /// The key that both sides know.
    Md5(String),
    /// A key of each side.
    Rsa(Box<Rsa>),
}

impl Signer {
    /// One of a shared key.
    pub(crate) fn md5(key: impl Into<String>) -> Self {
        Self::Md5(key.into())
    }

    /// As `sign_type` has it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Md5(_) => "MD5",
            Self::Rsa(_) => "RSA_1_256",
        }
    }

    /// The signature of a text that is already joined.
    pub(crate) fn sign(&self, plain: &str) -> String {
        match self {
            Self::Md5(key) => digest(plain, key),
            Self::Rsa(rsa) => base64::encode(&rsa.sign(plain.as_bytes())),
        }
    }

    /// Whether it cannot be told apart from another, by who verifies.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Md5(own), Self::Md5(other)) => own == other,
            (Self::Rsa(own), Self::Rsa(other)) => own.is(other),
            _ => false,
        }
    }

    fn verify(&self, plain: &str, given: &str) -> bool {
        match self {
            Self::Md5(key) => digest(plain, key).as_bytes().ct_eq(given.as_bytes()).into(),
            Self::Rsa(rsa) => {
                base64::decode(given).is_some_and(|given| rsa.verify(plain.as_bytes(), &given))
            }
        }
    }
}

/// Adds the signature to fields that say of what kind it is, or say nothing, which is MD5.
pub(crate) fn signed(mut fields: Fields, signer: &Signer) -> Fields {
    let signature = signer.sign(&plain(&fields));
    fields.insert(SIGN.to_owned(), signature);
    fields
}

/// Adds the kind of signature and the signature.
pub(crate) fn sealed(mut fields: Fields, signer: &Signer) -> Fields {
    fields.insert(SIGN_TYPE.to_owned(), signer.kind().to_owned());
    signed(fields, signer)
}

/// Whether `fields` carry their signature, of the kind that is agreed; MD5 is compared in
/// constant time and case-exact.
pub(crate) fn verify(fields: &Fields, signer: &Signer) -> bool {
    let told = fields.get(SIGN_TYPE).map_or("", String::as_str);
    // A message that names no kind of signature means MD5.
    let kind = if told.is_empty() { "MD5" } else { told };
    let given = fields.get(SIGN).map_or("", String::as_str);
    kind == signer.kind() && signer.verify(&plain(fields), given)
}

/// Upper-case MD5 over a text and the key.
fn digest(plain: &str, key: &str) -> String {
    let hash = Md5::new()
        .chain_update(plain)
        .chain_update("&key=")
        .chain_update(key);
    hex::encode_upper(hash.finalize())
}

/// What is signed: the sorted non-empty fields.
fn plain(fields: &Fields) -> String {
    let mut pairs = Vec::with_capacity(fields.len());
    // A `BTreeMap` walks in byte order, which is the order signed.
    for (name, value) in fields {
        if name != SIGN && !value.is_empty() {
            pairs.push(format!("{name}={value}"));
        }
    }
    pairs.join("&")
}

/// The two signers of the vectors: the merchant's, and the platform's that answers it.
#[cfg(test)]
pub(crate) fn rsa_pair() -> (Signer, Signer) {
    tests::pair()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;
    use crate::wire;

    #[derive(Deserialize)]
    struct Vector {
        name: String,
        #[serde(default)]
        key: String,
        #[serde(default)]
        signed_with: String,
        fields: Fields,
        signing_string: String,
        sign: String,
        xml: String,
    }

    #[derive(Deserialize)]
    struct Rsas {
        keys: BTreeMap<String, Fields>,
        vectors: Vec<Vector>,
    }

    fn vectors() -> Vec<Vector> {
        serde_json::from_str(include_str!("../fixtures/md5.json")).unwrap()
    }

    fn rsas() -> Rsas {
        serde_json::from_str(include_str!("../fixtures/rsa.json")).unwrap()
    }

    fn rsa(own: &Fields, other: &Fields, form: &str) -> Signer {
        let rsa = Rsa::new(&other["public_spki_pem"], &own[form]).unwrap();
        Signer::Rsa(Box::new(rsa))
    }

    /// The merchant's side, which signs as `app`, and the platform's.
    pub(super) fn pair() -> (Signer, Signer) {
        let keys = rsas().keys;
        let (app, platform) = (&keys["app"], &keys["platform"]);
        let form = "private_pkcs8_pem";
        (rsa(app, platform, form), rsa(platform, app, form))
    }

    #[test]
    fn every_vector_is_read_and_written_to_the_byte() {
        for vector in vectors().into_iter().chain(rsas().vectors) {
            assert_eq!(
                wire::read(vector.xml.as_bytes()).unwrap(),
                vector.fields,
                "{}",
                vector.name
            );
            assert_eq!(wire::write(&vector.fields), vector.xml, "{}", vector.name);
        }
    }

    #[test]
    fn every_vector_is_signed_and_verified() {
        for vector in vectors() {
            let string = format!("{}&key={}", plain(&vector.fields), vector.key);
            assert_eq!(string, vector.signing_string, "{}", vector.name);
            let key = Signer::md5(vector.key);
            let signed = signed(vector.fields.clone(), &key);
            assert_eq!(signed[SIGN], vector.sign, "{}", vector.name);
            assert!(verify(&vector.fields, &key), "{}", vector.name);
        }
    }

    #[test]
    fn every_rsa_vector_is_signed_by_one_side_and_verified_by_the_other() {
        let (merchant, platform) = pair();
        for vector in rsas().vectors {
            assert_eq!(plain(&vector.fields), vector.signing_string);
            let (own, other) = match vector.signed_with.as_str() {
                "app" => (&merchant, &platform),
                _ => (&platform, &merchant),
            };
            let signed = signed(vector.fields.clone(), own);
            assert_eq!(signed[SIGN], vector.sign, "{}", vector.name);
            assert!(verify(&vector.fields, other), "{}", vector.name);
            assert!(!verify(&vector.fields, own), "{}", vector.name);
            let mut changed = vector.fields;
            changed.insert("nonce_str".to_owned(), "0".to_owned());
            assert!(!verify(&changed, other), "{}", vector.name);
        }
    }

    #[test]
    fn a_private_key_may_be_of_either_form() {
        let Rsas { keys, vectors } = rsas();
        let old = rsa(&keys["app"], &keys["platform"], "private_pkcs1_pem");
        assert_eq!(old.sign(&vectors[0].signing_string), vectors[0].sign);
    }

    #[test]
    fn what_is_no_key_is_none() {
        let Rsas { keys, .. } = rsas();
        let (public, private) = (
            &keys["app"]["public_spki_pem"],
            &keys["app"]["private_pkcs8_pem"],
        );
        assert!(Rsa::new(public, private).is_ok());
        assert_eq!(Rsa::new("", private).err(), Some("public_key"));
        assert_eq!(Rsa::new(private, private).err(), Some("public_key"));
        assert_eq!(Rsa::new(public, public).err(), Some("private_key"));
        let cut = private.replacen("MII", "MI", 1);
        assert_eq!(Rsa::new(public, &cut).err(), Some("private_key"));
    }

    #[test]
    fn the_channels_real_notice_verifies() {
        let xml = include_bytes!("../fixtures/notify.xml");
        let signer = Signer::md5("9d101c97133837e13dde2d32a5054abb");
        assert!(verify(&wire::read(xml).unwrap(), &signer));
    }

    #[test]
    fn a_change_of_any_field_breaks_the_signature() {
        for vector in vectors() {
            let signer = Signer::md5(vector.key);
            for name in vector.fields.keys() {
                let mut changed = vector.fields.clone();
                changed
                    .entry(name.clone())
                    .and_modify(|value| value.push('0'));
                assert!(!verify(&changed, &signer), "{} {name}", vector.name);
            }
        }
    }

    #[test]
    fn case_and_kind_are_exact() {
        let vector = vectors().remove(0);
        let signer = Signer::md5(vector.key);
        let mut lower = vector.fields.clone();
        lower.insert(SIGN.to_owned(), vector.sign.to_lowercase());
        assert!(!verify(&lower, &signer));
        let mut other = vector.fields;
        other.insert(SIGN_TYPE.to_owned(), "RSA_1_256".to_owned());
        assert!(!verify(&signed(other.clone(), &signer), &signer));
        // A message does not choose how it is verified.
        let (merchant, platform) = pair();
        other.insert(SIGN_TYPE.to_owned(), "MD5".to_owned());
        assert!(!verify(&signed(other, &merchant), &platform));
    }
}
