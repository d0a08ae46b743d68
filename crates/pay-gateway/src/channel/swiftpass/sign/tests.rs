use proptest::prelude::*;

use super::*;
use crate::channel::swiftpass::tests::{
    KEY, KeyPair, Vector, app, forged, md5, md5_key, platform, rsa, rsa_signer, signer, vectors,
};
use crate::channel::swiftpass::wire;

fn real(xml: &str) -> Fields {
    wire::read(xml.as_bytes()).unwrap()
}

/// What was to be signed.
fn unsigned(vector: &Vector) -> Fields {
    let products = ["sign", "sign_type"];
    let fields = vector.fields.iter();
    fields
        .filter(|(name, _)| !products.contains(&name.as_str()))
        .collect()
}

#[test]
fn every_md5_vector_is_signed_as_it_is_signed() {
    for vector in vectors() {
        let (signer, mut fields) = (md5(&vector.key), unsigned(&vector));
        signer.sign(&mut fields).unwrap();
        let text = format!("{}&key={}", signing_text(&fields), vector.key);
        assert_eq!(text, vector.signing_string, "{}", vector.name);
        assert_eq!(fields.text("sign"), vector.sign, "{}", vector.name);
        assert_eq!(signer.verify(&fields), Ok(()), "{}", vector.name);
        assert_eq!(signer.verify(&real(&vector.xml)), Ok(()), "{}", vector.name);
    }
}

#[test]
fn every_rsa_vector_is_signed_as_it_is_signed() {
    let vectors = rsa().vectors;
    assert_eq!(vectors.len(), 6);
    for vector in vectors {
        let (signs, verifies) = match vector.signed_with.as_str() {
            "app" => (app(), platform()),
            _ => (platform(), app()),
        };
        let mut fields = unsigned(&vector);
        signs.sign(&mut fields).unwrap();
        assert_eq!(
            signing_text(&fields),
            vector.signing_string,
            "{}",
            vector.name
        );
        assert_eq!(fields.text("sign"), vector.sign, "{}", vector.name);
        let received = real(&vector.xml);
        assert_eq!(received, vector.fields.iter().collect(), "{}", vector.name);
        assert_eq!(verifies.verify(&received), Ok(()), "{}", vector.name);
        // Who signed is not who verifies.
        let own = signs.verify(&received);
        assert_eq!(own, Err(MessageError::BadSignature), "{}", vector.name);
    }
}

#[test]
fn a_provider_signs_for_its_merchants_and_is_signed_to() {
    let is_provided = |vector: &Vector| vector.fields.contains_key("sign_agentno");
    let of_md5 = vectors().into_iter().find(is_provided).unwrap();
    let of_rsa = rsa().vectors.into_iter().find(is_provided).unwrap();
    for (provider, vector) in [(md5(&of_md5.key), of_md5), (app(), of_rsa)] {
        let mut fields = unsigned(&vector);
        assert_eq!(fields.text("sign_agentno"), "075020000001");
        provider.sign(&mut fields).unwrap();
        assert_eq!(fields.text("sign"), vector.sign);
        // The number itself is signed.
        let mut without = unsigned(&vector);
        without = without
            .iter()
            .filter(|(n, _)| *n != "sign_agentno")
            .collect();
        provider.sign(&mut without).unwrap();
        assert_ne!(without.text("sign"), vector.sign);
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
    let other = md5("0d101c97133837e13dde2d32a5054abb");
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
    // Under RSA no MD5 is believed, whatever key it is made with: its public key is no secret.
    let public = rsa().keys["platform"].public.clone();
    for text in ["sign_type", "none"] {
        let mut fields = Fields::from_iter([("total_fee", "1"), (text, "MD5")]);
        md5(&public).sign(&mut fields).unwrap();
        assert_eq!(app().verify(&fields), Err(MessageError::SignType));
        let unnamed: Fields = fields.iter().filter(|(n, _)| *n != "sign_type").collect();
        assert_eq!(app().verify(&unnamed), Err(MessageError::SignType));
        let mut named = fields.clone();
        named.set("sign_type", "RSA_1_256");
        assert_eq!(app().verify(&named), Err(MessageError::BadSignature));
    }
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
fn an_rsa_sign_of_another_shape_is_no_sign() {
    let mut genuine = Fields::from_iter([("total_fee", "1")]);
    platform().sign(&mut genuine).unwrap();
    let sign = genuine.text("sign");
    assert_eq!((sign.len(), app().verify(&genuine)), (344, Ok(())));
    let others = [
        sign.trim_end_matches('=').to_owned(),
        format!("{sign}="),
        format!("{sign} "),
        format!("{}\n{}", &sign[..76], &sign[76..]),
        sign.replace(['+', '/'], "-"),
        sign[..340].to_owned(),
        sign[4..].to_owned(),
        format!("AAAA{sign}"),
        sign.to_uppercase(),
        hex::encode_upper(sign),
        "A".repeat(344),
        "=".to_owned(),
        "字".repeat(114),
    ];
    for other in others {
        let mut fields = genuine.clone();
        fields.set("sign", other.clone());
        let refused = app().verify(&fields);
        assert_eq!(refused, Err(MessageError::BadSignature), "{other:?}");
    }
    let unsigned = Fields::from_iter([("total_fee", "1"), ("sign_type", "RSA_1_256")]);
    let refused = app().verify(&unsigned);
    assert_eq!(refused, Err(MessageError::MissingField("sign")));
}

#[test]
fn while_keys_change_either_is_believed_and_the_current_one_signs() {
    let (old, new) = ("0123456789abcdef0123456789abcdef", KEY);
    let changing = Signer::md5(md5_key(new), vec![md5_key(old)]);
    check_change(&changing, [&md5(new), &md5(old), &md5(&"f".repeat(32))]);
    let mut told = Fields::from_iter([("total_fee", "1")]);
    changing.sign(&mut told).unwrap();
    assert_eq!(md5(new).verify(&told), Ok(()));
    assert_eq!(md5(old).verify(&told), Err(MessageError::BadSignature));

    let changing = rsa_signer("app", &["platform", "bits_3072"]);
    let [new, old, other] = ["platform", "bits_3072", "app"].map(|own| rsa_signer(own, &[]));
    check_change(&changing, [&new, &old, &other]);
    let mut told = Fields::from_iter([("total_fee", "1")]);
    changing.sign(&mut told).unwrap();
    assert_eq!(platform().verify(&told), Ok(()));
}

#[track_caller]
fn check_change(changing: &Signer, [new, old, other]: [&Signer; 3]) {
    let refused = Err(MessageError::BadSignature);
    for (signer, believed) in [(new, Ok(())), (old, Ok(())), (other, refused)] {
        let mut fields = Fields::from_iter([("total_fee", "1")]);
        signer.sign(&mut fields).unwrap();
        assert_eq!(changing.verify(&fields), believed);
    }
}

#[test]
fn two_rsa_fields_cannot_be_told_as_one() {
    let mut genuine = Fields::from_iter([("time_end", "20170925152855"), ("total_fee", "1")]);
    genuine.set("zzz", "x");
    platform().sign(&mut genuine).unwrap();
    let mut merged = genuine.clone();
    merged.set("sign_type", "RSA_1_256&time_end=20170925152855");
    let merged: Fields = merged.iter().filter(|(n, _)| *n != "time_end").collect();
    assert_eq!(signing_text(&merged), signing_text(&genuine));
    // It is no way of signing that we know.
    assert_eq!(app().verify(&merged), Err(MessageError::SignType));
    let mut merged = genuine.clone();
    merged.set("time_end", "20170925152855&total_fee=1");
    let merged: Fields = merged.iter().filter(|(n, _)| *n != "total_fee").collect();
    assert_eq!(signing_text(&merged), signing_text(&genuine));
    assert_eq!(app().verify(&merged), Err(MessageError::Ambiguous));
}

#[test]
fn a_refunds_fields_cannot_be_hidden() {
    let names = [
        "refund_count",
        "out_refund_no_0",
        "refund_id_12",
        "refund_fee_1",
        "refund_status_0",
        "refund_time_0",
        "out_refund_no",
        "refund_id",
        "refund_fee",
    ];
    for name in names {
        let hiding = forged(&[("attach", &format!("x&{name}=1"))]);
        assert_eq!(
            signer().verify(&hiding),
            Err(MessageError::Ambiguous),
            "{name}"
        );
    }
}

#[test]
fn a_weak_key_is_no_key() {
    for key in ["", "secret", "9d101c97133837e13dde2d32a5054ab"] {
        assert_eq!(Md5Key::new(key.into()).err(), Some(BadKey::Short), "{key}");
    }
    let keys = rsa().keys;
    for (name, bits) in [("bits_1024", 1024), ("bits_2047", 2047)] {
        let KeyPair { private, public } = &keys[name];
        let refused = RsaPublicKey::from_pem(public).err();
        assert_eq!(refused, Some(BadKey::Bits(bits)));
        let refused = RsaPrivateKey::from_pem(&private.as_str().into()).err();
        assert!(matches!(refused, Some(BadKey::Refused(_))), "{refused:?}");
    }
}

#[test]
fn another_kind_of_key_is_no_key() {
    let keys = rsa().keys;
    let (app, elliptic, pkcs1) = (&keys["app"], &keys["elliptic"], &keys["pkcs1"]);
    for other in [&app.private, &elliptic.public, &pkcs1.public, "", "x"] {
        let refused = RsaPublicKey::from_pem(other).err();
        assert_eq!(refused, Some(BadKey::NotPublic));
    }
    for other in [&app.public, &pkcs1.private, "", "x"] {
        let refused = RsaPrivateKey::from_pem(&other.into()).err();
        assert_eq!(refused, Some(BadKey::NotPrivate));
    }
    let refused = RsaPrivateKey::from_pem(&elliptic.private.as_str().into()).err();
    assert!(matches!(refused, Some(BadKey::Refused(_))), "{refused:?}");
}

#[test]
fn the_key_does_not_reach_a_log() {
    assert_eq!(format!("{:?}", signer()), "Signer(MD5)");
    assert_eq!(format!("{:?}", app()), "Signer(RSA_1_256)");
}

proptest! {
    #[test]
    fn what_is_signed_survives_the_wire(
        fields in proptest::collection::btree_map("[a-z][a-z_]{0,12}", "[ -~\\PC]{0,12}", 0..12)
    ) {
        let mut fields: Fields = fields.iter().collect();
        signer().sign(&mut fields).unwrap();
        let read = wire::read(wire::write(&fields).as_bytes()).unwrap();
        prop_assert_eq!(signing_text(&read), signing_text(&fields));
        prop_assert_eq!(signer().verify(&read), signer().verify(&fields));
    }
}
