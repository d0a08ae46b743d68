use super::*;
use crate::channel::swiftpass::tests::{
    app, forged, md5, platform, rsa, rsa_signer, signer, vectors,
};

const REAL: &str = include_str!("../../../../fixtures/swiftpass/notify.xml");

fn told(raw: &[u8]) -> Result<Callback, MessageError> {
    Sealed::open(raw)?.verify(&signer())
}

/// A paid callback, with these fields set otherwise (or, when empty, left out).
fn callback(changes: &[(&str, &str)]) -> Callback {
    told(wire::write(&paid_fields(changes)).as_bytes()).unwrap()
}

fn paid_fields(changes: &[(&str, &str)]) -> Fields {
    let mut fields = vec![
        ("status", "0"),
        ("result_code", "0"),
        ("pay_result", "0"),
        ("mch_id", "7551000001"),
        ("out_trade_no", "W1709251528510010000"),
        ("transaction_id", "7551000001201709251528511234"),
        ("total_fee", "8880"),
        ("fee_type", "CNY"),
        ("time_end", "20170925152855"),
    ];
    fields.extend(changes);
    forged(&fields)
}

#[test]
fn the_platforms_own_callback_says_paid() {
    let callback = told(REAL.as_bytes()).unwrap();
    assert_eq!(callback.mch_id, "7551000001");
    assert_eq!(callback.out_trade_no, "58f977e88facf57b7d76edcf");
    assert_eq!(callback.channel_trade_no, "7551000001201704215167208590");
    assert_eq!(callback.amount, Some(1));
    assert_eq!(callback.currency, "CNY");
    assert_eq!(callback.outcome, Outcome::Paid);
    assert_eq!(
        callback.paid_at,
        Some("2017-04-21T03:29:47Z".parse().unwrap())
    );
    assert_eq!(callback.fields.get("bank_type"), Some("CMB_CREDIT"));
}

#[test]
fn what_a_message_claims_names_the_payment_and_neither_payer_nor_signature() {
    let fields = paid_fields(&[
        ("openid", "oywgtuKWbuy3"),
        ("sub_openid", "oXyz"),
        ("a\nb", ""),
    ]);
    let claims_of = |fields: &Fields| claims(wire::write(fields).as_bytes());
    assert_eq!(
        claims_of(&fields),
        "mch_id=7551000001 out_trade_no=W1709251528510010000 \
         transaction_id=7551000001201709251528511234 total_fee=8880 pay_result=0"
    );
    // Whatever it is, it is one short line.
    let long = claims_of(&paid_fields(&[("out_trade_no", &"W\n".repeat(999))]));
    assert!(
        long.contains(" out_trade_no=W\\nW\\n") && long.len() < 300,
        "{long}"
    );
    for raw in [&b"<xml>\n"[..], &[0xff; 6_000], &[0; 6_000]] {
        let claims = claims(raw);
        assert!(claims.chars().count() <= BRIEF, "{claims}");
        assert!(!claims.contains(char::is_control), "{claims:?}");
    }
}

#[test]
fn only_three_zeros_say_paid() {
    let unclear = |field| Outcome::Unclear { field };
    let cases: [(&[(&str, &str)], Outcome); 13] = [
        (&[], Outcome::Paid),
        (&[("fee_type", "")], Outcome::Paid),
        (&[("time_end", "")], Outcome::Paid),
        (&[("pay_result", "1")], Outcome::NotPaid),
        (&[("pay_result", "00")], Outcome::NotPaid),
        (&[("pay_result", "")], unclear("pay_result")),
        (
            &[("result_code", "1"), ("err_code", "NOAUTH")],
            Outcome::NotPaid,
        ),
        (
            &[("result_code", "1"), ("need_query", "Y")],
            unclear("err_code"),
        ),
        (
            &[("result_code", "1"), ("err_code", "USERPAYING")],
            unclear("err_code"),
        ),
        (&[("result_code", "")], unclear("result_code")),
        (&[("status", "400")], unclear("status")),
        (&[("status", "")], unclear("status")),
        (&[("out_trade_no", "")], unclear("out_trade_no")),
    ];
    for (changes, outcome) in cases {
        assert_eq!(callback(changes).outcome, outcome, "{changes:?}");
    }
}

#[test]
fn an_amount_that_is_not_plain_is_kept_but_not_paid() {
    for amount in [
        "",
        "-1",
        "+1",
        "01",
        "1.0",
        "1e20",
        "100000000000000000000",
        "１",
        " 1",
        "1 ",
    ] {
        let callback = callback(&[("total_fee", amount)]);
        assert_eq!(
            callback.outcome,
            Outcome::Unclear { field: "total_fee" },
            "{amount:?}"
        );
        assert_eq!(callback.amount, None, "{amount:?}");
        assert_eq!(callback.fields.text("total_fee"), amount);
    }
    assert_eq!(callback(&[("total_fee", "0")]).amount, Some(0));
}

#[test]
fn a_missing_currency_is_the_yuan_and_another_is_told() {
    assert_eq!(callback(&[("fee_type", "")]).currency, "CNY");
    assert_eq!(callback(&[("fee_type", "USD")]).currency, "USD");
}

#[test]
fn a_bad_time_does_not_lose_the_money() {
    let callback = callback(&[("time_end", "20170230000000")]);
    assert_eq!((callback.outcome, callback.paid_at), (Outcome::Paid, None));
}

#[test]
fn without_merchant_or_sign_nothing_is_asked() {
    let reason = |raw: &str| Sealed::open(raw.as_bytes()).err();
    let missing = |field| Some(MessageError::MissingField(field));
    assert_eq!(reason("<xml></xml>"), missing("mch_id"));
    assert_eq!(
        reason("<xml><sign>1</sign><mch_id/></xml>"),
        missing("mch_id")
    );
    assert_eq!(reason("<xml><mch_id>1</mch_id></xml>"), missing("sign"));
    assert_eq!(
        reason("<xml><mch_id>1</mch_id><sign></sign></xml>"),
        missing("sign")
    );
    for strange in [
        "' OR 1=1 --",
        "1 ",
        "../7551000001",
        "商户",
        &"7".repeat(33),
    ] {
        let raw = format!("<xml><mch_id><![CDATA[{strange}]]></mch_id><sign>1</sign></xml>");
        assert_eq!(
            reason(&raw),
            Some(MessageError::UnknownMerchant),
            "{strange}"
        );
    }
}

#[test]
fn an_unsealed_callback_is_believed_by_no_other_key() {
    let sealed = Sealed::open(REAL.as_bytes()).unwrap();
    let other = md5("00000000000000000000000000000000");
    assert_eq!(
        sealed.verify(&other).err(),
        Some(MessageError::BadSignature)
    );
    assert_eq!(sealed.mch_id(), "7551000001");
    assert!(sealed.verify(&signer()).is_ok());
}

/// Callbacks as they were recorded, and in every form the wire allows.
fn recorded() -> Vec<String> {
    let vectors = vectors()
        .into_iter()
        .filter(|vector| vector.name.starts_with("notify"))
        .map(|v| v.xml);
    let mut all: Vec<String> = vectors.chain([REAL.trim_end().to_owned()]).collect();
    let changes: [&[(&str, &str)]; 5] = [
        &[("attach", "A&B <c> 测试"), ("bank_type", "CFT")],
        &[("fee_type", ""), ("total_fee", "1")],
        &[("pay_result", "1"), ("err_msg", "余额不足")],
        &[("coupon_fee", "0"), ("openid", " ")],
        &[("attach", "]]>"), ("cash_fee", "8880")],
    ];
    for fields in changes.map(paid_fields) {
        all.push(wire::write(&fields));
        all.push(as_text(&fields));
    }
    all
}

/// The same fields as plain text, with a declaration, line ends, references and empty elements.
fn as_text(fields: &Fields) -> String {
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<xml>\r\n".to_owned();
    for (name, value) in fields.iter() {
        let value = value
            .replace('&', "&amp;")
            .replace('<', "&#x3c;")
            .replace('>', "&gt;");
        xml.extend(["  <", name, ">", &value, "</", name, ">\n"]);
    }
    xml + "  <device_info/>\n  <message></message>\n</xml>\n"
}

/// An altered message must be refused, or say the very same.
fn check(signer: &Signer, genuine: &Callback, altered: &[u8]) {
    if let Ok(told) = Sealed::open(altered).and_then(|sealed| sealed.verify(signer)) {
        assert_eq!(&told, genuine, "{}", String::from_utf8_lossy(altered));
    }
}

fn flip_every_bit(signer: &Signer, raw: &str) {
    let sealed = Sealed::open(raw.as_bytes()).unwrap();
    let genuine = sealed.verify(signer).unwrap();
    let mut altered = raw.as_bytes().to_vec();
    for at in 0..altered.len() {
        for bits in [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff] {
            altered[at] ^= bits;
            check(signer, &genuine, &altered);
            altered[at] ^= bits;
        }
    }
}

fn lose_and_add_every_byte(signer: &Signer, raw: &str) {
    let sealed = Sealed::open(raw.as_bytes()).unwrap();
    let genuine = sealed.verify(signer).unwrap();
    let raw = raw.as_bytes();
    for at in 0..raw.len() {
        check(signer, &genuine, &raw[..at]);
        let lost = [&raw[..at], &raw[at + 1..]].concat();
        check(signer, &genuine, &lost);
        for byte in *b" 0&<>/A=\n" {
            let added = [&raw[..at], &[byte], &raw[at..]].concat();
            check(signer, &genuine, &added);
        }
    }
}

#[test]
fn a_flipped_byte_is_refused_or_changes_nothing() {
    for raw in recorded() {
        flip_every_bit(&signer(), &raw);
    }
}

/// A callback under RSA, as the vector has it, and with these fields in every form of the wire.
fn recorded_under_rsa() -> Vec<String> {
    let vectors = rsa().vectors.into_iter();
    let notify = vectors.filter(|v| v.name == "notify").map(|v| v.xml);
    let mut fields = paid_fields(&[("attach", "A&B <c> 测试]]>"), ("openid", " ")]);
    platform().sign(&mut fields).unwrap();
    notify
        .chain([wire::write(&fields), as_text(&fields)])
        .collect()
}

#[test]
fn under_rsa_a_flipped_byte_is_refused_or_changes_nothing() {
    for raw in recorded_under_rsa() {
        flip_every_bit(&app(), &raw);
    }
}

#[test]
fn under_rsa_a_lost_or_added_byte_is_refused_or_changes_nothing() {
    for raw in recorded_under_rsa() {
        lose_and_add_every_byte(&app(), &raw);
    }
}

#[test]
fn a_callback_under_rsa_says_paid_and_only_to_its_account() {
    for raw in recorded_under_rsa() {
        let sealed = Sealed::open(raw.as_bytes()).unwrap();
        let callback = sealed.verify(&app()).unwrap();
        assert_eq!(callback.outcome, Outcome::Paid);
        assert_eq!(callback.out_trade_no, "W1709251528510010000");
        let changing = rsa_signer("app", &["bits_3072", "platform"]);
        assert_eq!(sealed.verify(&changing), Ok(callback));
        let changed = rsa_signer("app", &["bits_3072"]);
        assert_eq!(sealed.verify(&changed), Err(MessageError::BadSignature));
        assert_eq!(sealed.verify(&signer()), Err(MessageError::SignType));
    }
    // Nor is one under MD5 believed where the account has RSA.
    let sealed = Sealed::open(REAL.as_bytes()).unwrap();
    assert_eq!(sealed.verify(&app()), Err(MessageError::SignType));
}

#[test]
fn every_other_byte_at_every_place_of_a_real_callback_is_refused() {
    let raw = REAL.trim_end().as_bytes();
    let mut altered = raw.to_vec();
    for at in 0..raw.len() {
        for byte in (0..=u8::MAX).filter(|byte| *byte != raw[at]) {
            altered[at] = byte;
            assert!(
                told(&altered).is_err(),
                "{at}: {}",
                String::from_utf8_lossy(&altered)
            );
        }
        altered[at] = raw[at];
    }
}

#[test]
fn a_lost_or_added_byte_is_refused_or_changes_nothing() {
    for raw in recorded() {
        lose_and_add_every_byte(&signer(), &raw);
    }
}
