use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::channel::Channel;
use crate::channel::scripted::{Script, ok};
use crate::channel::swiftpass::tests::{
    app, before, forged, only, platform, reply, swiftpass, vector,
};
use crate::channel::swiftpass::wire;

const NUMBER: &str = "W1709251528510020000";
const REFUND: &str = "R170925152851001";

fn refund() -> Refund {
    Refund {
        out_trade_no: NUMBER.to_owned(),
        out_refund_no: REFUND.to_owned(),
        total: 8880,
        amount: 880,
        timeout: Duration::from_secs(3),
    }
}

fn query() -> RefundQuery {
    RefundQuery {
        out_trade_no: NUMBER.to_owned(),
        out_refund_no: REFUND.to_owned(),
        timeout: Duration::from_secs(3),
    }
}

async fn accept(reply: &str) -> RefundAnswer {
    before(ok(reply)).await.0.refund(&refund()).await
}

async fn ask(reply: &str) -> RefundQueryAnswer {
    before(ok(reply)).await.0.query_refund(&query()).await
}

#[track_caller]
fn assert_no_evidence(answer: &RefundQueryAnswer, of: &str) {
    let is_none = matches!(answer, RefundQueryAnswer::NoEvidence { .. });
    assert!(is_none, "{of}: {answer:?}");
}

/// A refund's fields at a place, with this status.
fn at(place: usize, number: &str, status: &str) -> Vec<(String, String)> {
    let fields = [
        ("out_refund_no", number),
        ("refund_id", "7551000001201709261528519999"),
        ("out_refund_id", "50000604382017092600000001"),
        ("refund_channel", "ORIGINAL"),
        ("refund_fee", "880"),
        ("coupon_refund_fee", "0"),
        ("refund_time", "20170926101112"),
        ("refund_status", status),
    ];
    let named = fields.map(|(name, value)| (format!("{name}_{place}"), value.to_owned()));
    named.into()
}

/// A reply about these refunds, with these fields set otherwise.
fn list(refunds: &[Vec<(String, String)>], changes: &[(&str, &str)]) -> String {
    let count = refunds.len().to_string();
    let mut fields = vec![("out_trade_no", NUMBER), ("refund_count", &count)];
    let told = refunds.iter().flatten();
    fields.extend(told.map(|(name, value)| (name.as_str(), value.as_str())));
    fields.extend(changes);
    reply(&fields)
}

fn one(status: &str, changes: &[(&str, &str)]) -> String {
    list(&[at(0, REFUND, status)], changes)
}

fn refunded() -> RefundQueryAnswer {
    RefundQueryAnswer::Succeeded(Refunded {
        channel_refund_no: "7551000001201709261528519999".to_owned(),
        amount: 880,
        refunded_at: Some("2017-09-26T02:11:12Z".parse().unwrap()),
    })
}

#[tokio::test]
async fn a_refund_asks_as_the_vector_does_and_for_the_way_it_came() {
    let (mut swiftpass, asked) = before(ok("")).await;
    swiftpass.account.sign_agentno = None;
    swiftpass.refund(&refund()).await;
    let asked = only(&asked);
    assert_eq!(asked.text("refund_channel"), "ORIGINAL");
    let vector = vector("refund_req").fields;
    let with: Vec<(&str, &str)> = vector
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| *name != "sign")
        .chain([("refund_channel", "ORIGINAL")])
        .collect();
    assert_eq!(asked, forged(&with));
}

#[tokio::test]
async fn a_refund_query_asks_for_ours() {
    let (swiftpass, asked) = before(ok("")).await;
    swiftpass.query_refund(&query()).await;
    let expected = [
        ("service", "unified.trade.refundquery"),
        ("version", "2.0"),
        ("charset", "UTF-8"),
        ("sign_type", "MD5"),
        ("mch_id", "7551000001"),
        ("sign_agentno", "075020000001"),
        ("out_trade_no", NUMBER),
        ("out_refund_no", REFUND),
        ("nonce_str", "5f2c9d1b8e7a4c3d"),
    ];
    assert_eq!(only(&asked), forged(&expected));
}

#[tokio::test]
async fn an_accepted_refund_is_accepted_and_no_more() {
    let told = [
        ("out_trade_no", NUMBER),
        ("out_refund_no", REFUND),
        ("refund_id", "7551000001201709261528519999"),
        ("refund_fee", "880"),
        ("refund_channel", "ORIGINAL"),
        ("refund_status", "SUCCESS"),
    ];
    let number = Some("7551000001201709261528519999".to_owned());
    let accepted = |channel_refund_no| RefundAnswer::Accepted { channel_refund_no };
    assert_eq!(accept(&reply(&told)).await, accepted(number));
    assert_eq!(accept(&reply(&[])).await, accepted(None));
}

#[tokio::test]
async fn a_refusal_is_told_and_what_is_not_believed_is_unknown() {
    let refusal = [
        ("result_code", "1"),
        ("err_code", "NOTENOUGH"),
        ("err_msg", "账户余额不足"),
    ];
    let refused = RefundAnswer::Refused {
        code: "NOTENOUGH".to_owned(),
        message: "账户余额不足".to_owned(),
    };
    assert_eq!(accept(&reply(&refusal)).await, refused);
    let refused_otherwise = |changes| reply(&[&refusal[..], &[changes]].concat());
    for bad in [
        refused_otherwise(("need_query", "Y")),
        refused_otherwise(("err_code", "SYSTEMERROR")),
        refused_otherwise(("err_code", "")),
        refused_otherwise(("result_code", "")),
        refused_otherwise(("status", "400")),
        refused_otherwise(("mch_id", "7551000002")),
        reply(&[("out_trade_no", "W1709251528510020001")]),
        reply(&[("out_refund_no", "R170925152851002")]),
        reply(&[("refund_fee", "881")]),
        reply(&[]).replace("7551000001", "7551000002"),
        "<xml><status>400</status></xml>".to_owned(),
        String::new(),
    ] {
        let answer = accept(&bad).await;
        let is_unknown = matches!(answer, RefundAnswer::Unknown { .. });
        assert!(is_unknown, "{bad}: {answer:?}");
    }
}

#[tokio::test]
async fn every_status_is_told_as_it_is() {
    let why = |status: &str| format!("refund status {status}");
    let cases = [
        ("SUCCESS", refunded()),
        ("PROCESSING", RefundQueryAnswer::Processing),
        ("NOTSURE", RefundQueryAnswer::NotSure),
        ("FAIL", RefundQueryAnswer::Failed { why: why("FAIL") }),
        ("CHANGE", RefundQueryAnswer::Changed { why: why("CHANGE") }),
    ];
    for (status, expected) in cases {
        assert_eq!(ask(&one(status, &[])).await, expected, "{status}");
    }
    for unknown in ["", "success", "SUCCESS ", "REFUNDCLOSE", "FAILED", "REFUND"] {
        assert_no_evidence(&ask(&one(unknown, &[])).await, unknown);
    }
}

#[tokio::test]
async fn ours_is_found_among_the_others() {
    let others = ["R170925152851002", "r170925152851001", "R17092515285100"];
    let refunds = |ours: usize, status| -> Vec<_> {
        let number = |n| if n == ours { REFUND } else { others[n % 3] };
        let other = |n| if n == ours { status } else { "FAIL" };
        (0..50).map(|n| at(n, number(n), other(n))).collect()
    };
    for place in [0, 1, 9, 10, 49] {
        let body = list(&refunds(place, "SUCCESS"), &[]);
        assert_eq!(ask(&body).await, refunded(), "{place}");
        let body = list(&refunds(place, "PROCESSING"), &[]);
        assert_eq!(ask(&body).await, RefundQueryAnswer::Processing, "{place}");
    }
    // What the others were, ours is not among them.
    let body = list(&refunds(50, "SUCCESS"), &[]);
    assert_eq!(ask(&body).await, RefundQueryAnswer::NotFound);
    let nothing = reply(&[("refund_count", "0")]);
    assert_eq!(ask(&nothing).await, RefundQueryAnswer::NotFound);
}

#[tokio::test]
async fn a_list_that_is_not_whole_is_no_evidence() {
    let two = [at(0, "R170925152851002", "SUCCESS"), at(1, REFUND, "FAIL")];
    let bodies = [
        list(&two, &[("refund_count", "3")]),
        list(&two, &[("refund_count", "")]),
        list(&two, &[("refund_count", "02")]),
        list(&two, &[("refund_count", "-1")]),
        list(&two, &[("refund_count", "9223372036854775807")]),
        list(&two, &[("out_refund_no_0", "")]),
        list(&two, &[("out_refund_no_0", REFUND)]),
        list(&two, &[("result_code", "1")]),
        list(
            &two,
            &[("result_code", "1"), ("err_code", "REFUNDNOTEXIST")],
        ),
        list(&two, &[("result_code", "")]),
        list(&two, &[("status", "400")]),
        list(&two, &[("mch_id", "7551000002")]),
        list(&two, &[("out_trade_no", "W1709251528510020001")]),
        list(&two, &[]).replace("FAIL", "CHANGE"),
        list(&two, &[]).replace("</xml>", "<refund_count>1</refund_count></xml>"),
    ];
    for body in bodies {
        assert_no_evidence(&ask(&body).await, &body);
    }
}

#[tokio::test]
async fn a_refund_that_came_back_names_its_money_or_is_no_evidence() {
    let long = "7".repeat(65);
    for changes in [
        ("refund_id_0", ""),
        ("refund_id_0", long.as_str()),
        ("refund_fee_0", ""),
        ("refund_fee_0", "0"),
        ("refund_fee_0", "-880"),
        ("refund_fee_0", "0880"),
        ("refund_fee_0", "8.80"),
    ] {
        let answer = ask(&one("SUCCESS", &[changes])).await;
        assert_no_evidence(&answer, &format!("{changes:?}"));
    }
    for time in ["", "2017-09-26 10:11:12", "20170230000000"] {
        let answer = ask(&one("SUCCESS", &[("refund_time_0", time)])).await;
        let RefundQueryAnswer::Succeeded(refunded) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!((refunded.amount, refunded.refunded_at), (880, None));
    }
}

#[tokio::test]
async fn a_refund_that_is_not_there_has_not_failed() {
    let codes = NOT_FOUND.iter().chain(&query::NOT_FOUND);
    for code in codes {
        let body = reply(&[("result_code", "1"), ("err_code", code)]);
        assert_eq!(ask(&body).await, RefundQueryAnswer::NotFound, "{code}");
    }
    for code in ["", "SYSTEMERROR", "NOAUTH", "refundnotexist"] {
        let body = reply(&[("result_code", "1"), ("err_code", code)]);
        assert_no_evidence(&ask(&body).await, code);
    }
}

#[tokio::test]
async fn under_rsa_the_same_is_said() {
    let mut fields = wire::read(one("SUCCESS", &[]).as_bytes()).unwrap();
    platform().sign(&mut fields).unwrap();
    for (body, expected) in [
        (wire::write(&fields), true),
        (wire::write(&fields).replace("[880]", "[881]"), false),
        (wire::write(&fields).replace("SUCCESS", "FAIL"), false),
        (one("SUCCESS", &[]), false),
    ] {
        let (mut swiftpass, asked) = before(ok(&body)).await;
        swiftpass.account.signer = app();
        let answer = swiftpass.query_refund(&query()).await;
        assert_eq!(answer == refunded(), expected, "{answer:?}");
        assert_eq!(platform().verify(&only(&asked)), Ok(()));
    }
}

#[tokio::test]
async fn no_flipped_byte_makes_another_answer() {
    let two = [at(0, "R170925152851002", "FAIL"), at(1, REFUND, "SUCCESS")];
    let raw = list(&two, &[]);
    let swiftpass = swiftpass(String::new(), Arc::default());
    let told = |raw: &[u8]| swiftpass.read_refund_query(raw, &query());
    assert_eq!(told(raw.as_bytes()), Ok(refunded()));
    let mut altered = raw.clone().into_bytes();
    for at in 0..altered.len() {
        for bits in [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff] {
            altered[at] ^= bits;
            if let Ok(answer) = told(&altered) {
                assert_eq!(answer, refunded());
            }
            altered[at] ^= bits;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_channel_says_nothing() {
    let (swiftpass, _) = before(Script::Silence).await;
    let answer = swiftpass.refund(&refund()).await;
    assert!(matches!(answer, RefundAnswer::Unknown { .. }), "{answer:?}");
    assert_no_evidence(&swiftpass.query_refund(&query()).await, "silence");
}

#[tokio::test]
async fn an_unreachable_channel_was_not_asked() {
    let swiftpass = swiftpass("http://127.0.0.1:9/".to_owned(), Arc::default());
    let answer = swiftpass.refund(&refund()).await;
    assert!(matches!(answer, RefundAnswer::NotSent { .. }), "{answer:?}");
    assert_no_evidence(&swiftpass.query_refund(&query()).await, "unreachable");
}
