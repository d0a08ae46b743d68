use proptest::prelude::*;

use super::*;
use crate::channel::swiftpass::tests::{KEY, forged, signer, vectors};
use crate::channel::swiftpass::wire;

fn real(xml: &str) -> Fields {
    wire::read(xml.as_bytes()).unwrap()
}

#[test]
fn every_vector_is_signed_as_it_is_signed() {
    for vector in vectors() {
        let signer = Signer::md5(vector.key.clone().into()).unwrap();
        let unsigned = vector
            .fields
            .iter()
            .filter(|(name, _)| !name.starts_with("sign"));
        let mut fields: Fields = unsigned.collect();
        // The one of these names that is no product of signing.
        fields.set(
            "sign_agentno",
            vector
                .fields
                .get("sign_agentno")
                .cloned()
                .unwrap_or_default(),
        );
        signer.sign(&mut fields);
        let text = format!("{}&key={}", signing_text(&fields), vector.key);
        assert_eq!(text, vector.signing_string, "{}", vector.name);
        assert_eq!(fields.text("sign"), vector.sign, "{}", vector.name);
        assert_eq!(signer.verify(&fields), Ok(()), "{}", vector.name);
        assert_eq!(signer.verify(&real(&vector.xml)), Ok(()), "{}", vector.name);
    }
}

#[test]
fn the_platforms_own_messages_verify() {
    for xml in [
        include_str!("../../../../fixtures/swiftpass/jspay_reply.xml"),
        include_str!("../../../../fixtures/swiftpass/notify.xml"),
    ] {
        assert_eq!(signer().verify(&real(xml)), Ok(()));
    }
}

#[test]
fn a_blank_is_signed_and_an_empty_value_is_not() {
    let mut fields = Fields::from_iter([("b", " "), ("a", "")]);
    fields.set("c", "3");
    assert_eq!(signing_text(&fields), "b= &c=3");
}

#[test]
fn another_merchants_key_does_not_verify() {
    let fields = real(include_str!("../../../../fixtures/swiftpass/notify.xml"));
    let other = Signer::md5("0d101c97133837e13dde2d32a5054abb".into()).unwrap();
    assert_eq!(other.verify(&fields), Err(MessageError::BadSignature));
}

#[test]
fn configuration_chooses_how_to_sign() {
    for sign_type in ["none", "RSA_1_256", "RSA_1_1", "md5", "HMAC-SHA256", " MD5"] {
        let fields = forged(&[("sign_type", sign_type), ("total_fee", "1")]);
        assert_eq!(
            signer().verify(&fields),
            Err(MessageError::SignType),
            "{sign_type}"
        );
    }
    assert_eq!(signer().verify(&forged(&[("total_fee", "1")])), Ok(()));
}

#[test]
fn a_sign_of_another_shape_is_no_sign() {
    let genuine = forged(&[("total_fee", "1")]);
    let sign = genuine.text("sign");
    let others = [
        sign.to_lowercase(),
        format!("{sign}00"),
        sign[..30].to_owned(),
        sign[..31].to_owned(),
        " ".to_owned(),
        "0".repeat(32),
        format!("{sign} "),
        "字".repeat(32),
        KEY.to_uppercase(),
    ];
    for other in others {
        let mut fields = genuine.clone();
        fields.set("sign", other.clone());
        assert_eq!(
            signer().verify(&fields),
            Err(MessageError::BadSignature),
            "{other:?}"
        );
    }
    let unsigned = Fields::from_iter([("total_fee", "1")]);
    assert_eq!(
        signer().verify(&unsigned),
        Err(MessageError::MissingField("sign"))
    );
}

#[test]
fn two_fields_cannot_be_told_as_one() {
    let genuine = forged(&[
        ("time_end", "20170925152855"),
        ("total_fee", "1"),
        ("trade_type", "x"),
    ]);
    let mut merged = Fields::from_iter([
        ("time_end", "20170925152855&total_fee=1"),
        ("trade_type", "x"),
    ]);
    merged.set("sign", genuine.text("sign"));
    assert_eq!(signing_text(&merged), signing_text(&genuine));
    assert_eq!(signer().verify(&merged), Err(MessageError::Ambiguous));
}

#[test]
fn a_short_key_is_no_key() {
    for key in ["", "secret", "9d101c97133837e13dde2d32a5054ab"] {
        assert_eq!(Signer::md5(key.into()).err(), Some(WeakKey), "{key}");
    }
}

#[test]
fn the_key_does_not_reach_a_log() {
    assert_eq!(format!("{:?}", signer()), "Signer(MD5)");
}

proptest! {
    #[test]
    fn what_is_signed_survives_the_wire(
        fields in proptest::collection::btree_map("[a-z][a-z_]{0,12}", "[ -~\\PC]{0,12}", 0..12)
    ) {
        let mut fields: Fields = fields.iter().collect();
        signer().sign(&mut fields);
        let read = wire::read(wire::write(&fields).as_bytes()).unwrap();
        prop_assert_eq!(signing_text(&read), signing_text(&fields));
        prop_assert_eq!(signer().verify(&read), signer().verify(&fields));
    }
}
