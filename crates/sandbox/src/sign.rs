//! The MD5 signature of messages.

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

use crate::config::Key;
use crate::wire::Fields;

/// The name of the field that holds the signature.
const SIGN: &str = "sign";

/// The signature of `fields`: upper-case MD5 over the sorted non-empty fields and the key.
pub(crate) fn sign(fields: &Fields, key: &Key) -> String {
    digest(&plain(fields), key)
}

/// The signature of a text that is already joined.
pub(crate) fn digest(plain: &str, key: &Key) -> String {
    let hash = Md5::new()
        .chain_update(plain)
        .chain_update("&key=")
        .chain_update(key.expose());
    hex::encode_upper(hash.finalize())
}

/// Adds the signature.
pub(crate) fn signed(mut fields: Fields, key: &Key) -> Fields {
    let signature = sign(&fields, key);
    fields.insert(SIGN.to_owned(), signature);
    fields
}

/// Whether `fields` carry their signature, compared in constant time and case-exact.
pub(crate) fn verify(fields: &Fields, key: &Key) -> bool {
    // A message that names no kind of signature means MD5.
    let md5 = fields
        .get("sign_type")
        .is_none_or(|kind| kind.is_empty() || kind == "MD5");
    let given = fields.get(SIGN).map_or("", String::as_str);
    md5 && bool::from(sign(fields, key).as_bytes().ct_eq(given.as_bytes()))
}

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

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::wire;

    #[derive(Deserialize)]
    struct Vector {
        name: String,
        key: Key,
        fields: Fields,
        signing_string: String,
        sign: String,
        xml: String,
    }

    fn vectors() -> Vec<Vector> {
        serde_json::from_str(include_str!("../fixtures/md5.json")).unwrap()
    }

    #[test]
    fn every_vector_is_read_and_written_to_the_byte() {
        for vector in vectors() {
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
            let string = format!("{}&key={}", plain(&vector.fields), vector.key.expose());
            assert_eq!(string, vector.signing_string, "{}", vector.name);
            assert_eq!(
                sign(&vector.fields, &vector.key),
                vector.sign,
                "{}",
                vector.name
            );
            assert!(verify(&vector.fields, &vector.key), "{}", vector.name);
        }
    }

    #[test]
    fn the_channels_real_notice_verifies() {
        let xml = include_bytes!("../fixtures/notify.xml");
        let key = Key::new("9d101c97133837e13dde2d32a5054abb");
        assert!(verify(&wire::read(xml).unwrap(), &key));
    }

    #[test]
    fn a_change_of_any_field_breaks_the_signature() {
        for vector in vectors() {
            for name in vector.fields.keys() {
                let mut changed = vector.fields.clone();
                changed
                    .entry(name.clone())
                    .and_modify(|value| value.push('0'));
                assert!(!verify(&changed, &vector.key), "{} {name}", vector.name);
            }
        }
    }

    #[test]
    fn case_and_kind_are_exact() {
        let vector = vectors().remove(0);
        let mut lower = vector.fields.clone();
        lower.insert(SIGN.to_owned(), vector.sign.to_lowercase());
        assert!(!verify(&lower, &vector.key));
        let mut other = vector.fields;
        other.insert("sign_type".to_owned(), "RSA_1_256".to_owned());
        assert!(!verify(&signed(other, &vector.key), &vector.key));
    }
}
