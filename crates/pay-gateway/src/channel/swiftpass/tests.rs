use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use md5::{Digest, Md5};
use seam::SeededIds;
use seam::net::Memory;
use serde::Deserialize;

use super::*;
use crate::channel::http::HttpSettings;
use crate::channel::scripted::{Script, channel, ok};

/// The key of the public demo merchant, 7551000001.
pub(super) const KEY: &str = "9d101c97133837e13dde2d32a5054abb";
const REAL_REPLY: &str = include_str!("../../../fixtures/swiftpass/jspay_reply.xml");

/// A message and its signature, made by other hands.
#[derive(Deserialize)]
pub(super) struct Vector {
    pub(super) name: String,
    pub(super) key: String,
    pub(super) fields: BTreeMap<String, String>,
    pub(super) signing_string: String,
    pub(super) sign: String,
    pub(super) xml: String,
}

pub(super) fn vectors() -> Vec<Vector> {
    let vectors: Vec<Vector> =
        serde_json::from_str(include_str!("../../../fixtures/swiftpass/md5.json")).unwrap();
    assert_eq!(vectors.len(), 6);
    vectors
}

pub(super) fn signer() -> Signer {
    Signer::md5(KEY.into()).unwrap()
}

/// The fields, the last of a name counting, signed by the platform's rule told anew:
/// whatever they say is signed.
pub(super) fn forged(fields: &[(&str, &str)]) -> Fields {
    let mut sorted: BTreeMap<_, _> = fields.iter().copied().collect();
    sorted.retain(|_, value| !value.is_empty());
    let mut text = String::new();
    for (name, value) in &sorted {
        write!(text, "{name}={value}&").unwrap();
    }
    let sign = hex::encode_upper(Md5::digest(format!("{text}key={KEY}")));
    sorted
        .into_iter()
        .chain([("sign", sign.as_str())])
        .collect()
}

fn reply(changes: &[(&str, &str)]) -> String {
    let mut fields = vec![
        ("status", "0"),
        ("result_code", "0"),
        ("mch_id", "7551000001"),
        ("sign_type", "MD5"),
        ("pay_info", "{\"appId\":\"wx1\"}"),
        ("token_id", "112268ab"),
    ];
    fields.extend(changes);
    wire::write(&forged(&fields))
}

fn prepay() -> Prepay {
    Prepay {
        out_trade_no: "W2011200930000010010000".to_owned(),
        description: "测试商品 A&B\n".to_owned(),
        payer_id: "oywgtuKWbuy3crsXWtPEQfK0000".to_owned(),
        client_ip: "10.1.2.3".to_owned(),
        amount: 8880,
        starts: "2020-11-20T01:30:00Z".parse().unwrap(),
        expires: "2020-11-20T03:30:00Z".parse().unwrap(),
        timeout: Duration::from_secs(3),
    }
}

fn swiftpass(gateway_url: String, net: Arc<Memory>) -> Swiftpass {
    let account = Account {
        gateway_url,
        mch_id: "7551000001".to_owned(),
        sign_agentno: Some("075020000001".to_owned()),
        notify_url: "https://pay.example.test/callback/swiftpass".to_owned(),
        signer: signer(),
    };
    let http = ChannelHttp::new(net, HttpSettings::default());
    Swiftpass::new(account, http, Arc::new(SeededIds::new(7)))
}

/// What a channel with this script makes of a prepay, and what it was asked.
async fn asked(script: Script) -> (PrepayAnswer, Vec<String>) {
    let net = Arc::new(Memory::default());
    let (url, asked) = channel(&net, script).await;
    let answer = swiftpass(url, net).prepay(&prepay()).await;
    let asked = asked.lock().unwrap().clone();
    (answer, asked)
}

async fn answer(reply: &str) -> PrepayAnswer {
    asked(ok(reply)).await.0
}

#[tokio::test]
async fn a_prepay_asks_for_all_the_channel_needs() {
    let (_, asked) = asked(ok(REAL_REPLY)).await;
    let [body] = asked.as_slice() else {
        panic!("asked {} times", asked.len())
    };
    let sent = wire::read(body.as_bytes()).unwrap();
    let mut expected = vec![
        ("service", "pay.weixin.jspay"),
        ("version", "2.0"),
        ("charset", "UTF-8"),
        ("sign_type", "MD5"),
        ("mch_id", "7551000001"),
        ("sign_agentno", "075020000001"),
        ("is_raw", "1"),
        ("out_trade_no", "W2011200930000010010000"),
        ("body", "测试商品 A&B "),
        ("sub_openid", "oywgtuKWbuy3crsXWtPEQfK0000"),
        ("total_fee", "8880"),
        ("mch_create_ip", "10.1.2.3"),
        ("notify_url", "https://pay.example.test/callback/swiftpass"),
        ("time_start", "20201120093000"),
        ("time_expire", "20201120113000"),
    ];
    expected.push(("nonce_str", sent.text("nonce_str")));
    assert_eq!(sent.text("nonce_str").len(), 32);
    assert_eq!(sent, forged(&expected));
}

#[tokio::test]
async fn the_platforms_own_reply_is_ready_to_pay() {
    let PrepayAnswer::Ready {
        pay_info,
        channel_prepay_id,
    } = answer(REAL_REPLY).await
    else {
        panic!("not ready")
    };
    assert!(pay_info.starts_with("{\"appId\":\"wx1f87d44db95cba7a\",\"timeStamp\":"));
    assert!(pay_info.ends_with("\"paySign\":\"9A912AB1E8429926883D16172775A94C\"}"));
    assert_eq!(
        channel_prepay_id.unwrap(),
        "112268ab98b7165d98ff9276379e8f808"
    );
}

#[tokio::test]
async fn a_signed_refusal_is_declined() {
    let refusal = [
        ("result_code", "1"),
        ("err_code", "NOAUTH"),
        ("err_msg", "商户未开通"),
    ];
    for need_query in ["", "N"] {
        let reply = reply(&[&refusal[..], &[("need_query", need_query)]].concat());
        let declined = PrepayAnswer::Declined {
            code: "NOAUTH".to_owned(),
            message: "商户未开通".to_owned(),
        };
        assert_eq!(answer(&reply).await, declined);
    }
}

#[tokio::test]
async fn a_refusal_that_leaves_it_open_is_unknown() {
    let open: [&[(&str, &str)]; 9] = [
        &[("err_code", "NOAUTH"), ("need_query", "Y")],
        &[("err_code", "USERPAYING")],
        &[("err_code", "USERPAYING"), ("need_query", "N")],
        &[
            ("err_code", "INVALID_REQUEST"),
            ("err_msg", "201 商户订单号重复"),
        ],
        &[("err_code", "SYSTEMERROR")],
        &[("err_code", "ORDERPAID")],
        &[("err_code", "OUT_TRADE_NO_USED")],
        &[("err_code", "")],
        &[("err_code", "NOAUTH"), ("result_code", "")],
    ];
    for fields in open {
        let refusal = [&[("result_code", "1")], fields].concat();
        let answer = answer(&reply(&refusal)).await;
        assert!(
            matches!(answer, PrepayAnswer::Unknown { .. }),
            "{fields:?}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn a_status_other_than_0_says_nothing_signed_or_not() {
    for status in ["400", "1", "00", ""] {
        for body in [
            format!("<xml><status>{status}</status><message>Signature error</message></xml>"),
            reply(&[("status", status)]),
            reply(&[
                ("status", status),
                ("result_code", "1"),
                ("err_code", "NOAUTH"),
            ]),
        ] {
            let answer = answer(&body).await;
            assert!(
                matches!(answer, PrepayAnswer::Unknown { .. }),
                "{body}: {answer:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_reply_that_is_not_ours_is_unknown() {
    let good = reply(&[]);
    assert!(matches!(answer(&good).await, PrepayAnswer::Ready { .. }));
    for bad in [
        good.replace("112268ab", "112268ac"),
        good.replace("wx1", "wx2"),
        good.replace("<sign>", "<sagn>")
            .replace("</sign>", "</sagn>"),
        good.replace("</xml>", "<token_id>1</token_id></xml>"),
        reply(&[("mch_id", "7551000002")]),
        reply(&[("mch_id", "")]),
        reply(&[("sign_type", "RSA_1_256")]),
        reply(&[("pay_info", "")]),
        good[..good.len() - 1].to_owned(),
        "<html>busy</html>".to_owned(),
        String::new(),
        "x".repeat(70_000),
    ] {
        let answer = answer(&bad).await;
        assert!(matches!(answer, PrepayAnswer::Unknown { .. }), "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_channel_is_unknown() {
    let (answer, asked) = asked(Script::Silence).await;
    assert!(matches!(answer, PrepayAnswer::Unknown { .. }), "{answer:?}");
    assert_eq!(asked.len(), 1);
}

#[tokio::test]
async fn an_unreachable_channel_was_not_asked() {
    let swiftpass = swiftpass(
        "http://127.0.0.1:9/".to_owned(),
        Arc::new(Memory::default()),
    );
    let answer = swiftpass.prepay(&prepay()).await;
    assert!(matches!(answer, PrepayAnswer::NotSent { .. }), "{answer:?}");
}

#[test]
fn what_lets_one_pay_does_not_reach_a_log() {
    let answer = PrepayAnswer::Ready {
        pay_info: "paySign".to_owned(),
        channel_prepay_id: None,
    };
    assert_eq!(format!("{answer:?}"), "Ready");
}
