use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::channel::scripted::{Script, ok};
use crate::channel::swiftpass::tests::{before, forged, only, reply, swiftpass, vector};
use crate::channel::{Channel, PrepayAnswer};

const REAL_REPLY: &str = include_str!("../../../../fixtures/swiftpass/jspay_reply.xml");

fn wechat() -> Prepay {
    Prepay {
        out_trade_no: "W2011200930000010010000".to_owned(),
        pay_type: PayType::SwiftpassWeChat,
        description: "测试商品 A&B\n".to_owned(),
        payer_id: "oywgtuKWbuy3crsXWtPEQfK0000".to_owned(),
        client_ip: "10.1.2.3".to_owned(),
        amount: 8880,
        starts: "2020-11-20T01:30:00Z".parse().unwrap(),
        expires: "2020-11-20T03:30:00Z".parse().unwrap(),
        timeout: Duration::from_secs(3),
    }
}

/// What the vectors ask.
fn alipay(payer_id: &str) -> Prepay {
    Prepay {
        out_trade_no: "W1709251528510030000".to_owned(),
        pay_type: PayType::SwiftpassAlipay,
        description: "测试商品 A&B".to_owned(),
        payer_id: payer_id.to_owned(),
        starts: "2017-09-25T07:28:51Z".parse().unwrap(),
        expires: "2017-09-25T09:28:51Z".parse().unwrap(),
        ..wechat()
    }
}

fn ready(changes: &[(&str, &str)]) -> String {
    let fields = [
        ("pay_info", "{\"appId\":\"wx1\"}"),
        ("token_id", "112268ab"),
    ];
    reply(&[&fields[..], changes].concat())
}

/// What the adapter makes of a channel with this script, and what that was asked.
async fn asked(script: Script, prepay: &Prepay) -> (PrepayAnswer, Fields) {
    let (swiftpass, asked) = before(script).await;
    let answer = swiftpass.prepay(prepay).await;
    (answer, only(&asked))
}

async fn answer(reply: &str) -> PrepayAnswer {
    asked(ok(reply), &wechat()).await.0
}

fn is_unknown(answer: &PrepayAnswer) -> bool {
    matches!(answer, PrepayAnswer::Unknown { .. })
}

#[tokio::test]
async fn a_wechat_prepay_asks_for_all_the_channel_needs() {
    let (_, sent) = asked(ok(REAL_REPLY), &wechat()).await;
    let expected = [
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
        ("nonce_str", "5f2c9d1b8e7a4c3d"),
    ];
    assert_eq!(sent, forged(&expected));
}

#[tokio::test]
async fn an_alipay_prepay_asks_as_the_vectors_do() {
    let cases = [
        ("alipay_jspay_req", "2088102146225135"),
        ("alipay_jspay_req_logon", "payer@example.test"),
    ];
    for (name, payer_id) in cases {
        let (_, sent) = asked(ok(""), &alipay(payer_id)).await;
        let expected: Fields = vector(name).fields.iter().collect();
        assert_eq!(sent, expected, "{name}");
    }
}

#[test]
fn a_wechat_prepay_under_an_app_of_its_own_asks_as_the_vector_does_and_for_an_expiry() {
    let mut swiftpass = swiftpass(String::new(), Arc::default());
    swiftpass.account.sub_appid = Some("wx1f87d44db95cba7a".to_owned());
    swiftpass.account.notify_url = "https://pay.example.test/swiftpass/notify".to_owned();
    let prepay = Prepay {
        out_trade_no: "W1709251528510010000".to_owned(),
        description: "测试商品 A&B".to_owned(),
        client_ip: "127.0.0.1".to_owned(),
        amount: 1,
        ..wechat()
    };
    let asked = swiftpass.jspay(&prepay).unwrap();
    let ours = ["time_start", "time_expire"];
    let mut asked: Fields = asked.iter().filter(|(n, _)| !ours.contains(n)).collect();
    swiftpass.account.signer.sign(&mut asked).unwrap();
    let expected: Fields = vector("jspay_req").fields.iter().collect();
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn alipay_knows_no_app_of_wechats() {
    let (mut swiftpass, asked) = before(ok("")).await;
    swiftpass.account.sub_appid = Some("wx1f87d44db95cba7a".to_owned());
    swiftpass.prepay(&alipay("2088102146225135")).await;
    let expected: Fields = vector("alipay_jspay_req").fields.iter().collect();
    assert_eq!(only(&asked), expected);
}

#[test]
fn only_sixteen_digits_from_2088_are_an_alipay_user() {
    assert_eq!(buyer("2088102146225135"), "buyer_id");
    let logins = [
        "2088102146225",
        "20881021462251350",
        "2188102146225135",
        "208810214622513x",
        "２０８８１",
        "13800002088",
        "2088@example.test",
        "",
    ];
    for login in logins {
        assert_eq!(buyer(login), "buyer_logon_id", "{login:?}");
    }
}

#[tokio::test]
async fn a_pay_type_that_is_not_prepared_here_is_not_sent() {
    let others = PayType::ALL.iter().filter(|pay_type| {
        ![PayType::SwiftpassWeChat, PayType::SwiftpassAlipay].contains(pay_type)
    });
    for &pay_type in others {
        let (swiftpass, asked) = before(ok(REAL_REPLY)).await;
        let answer = swiftpass
            .prepay(&Prepay {
                pay_type,
                ..wechat()
            })
            .await;
        assert!(matches!(answer, PrepayAnswer::NotSent { .. }), "{answer:?}");
        assert!(asked.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn the_platforms_own_reply_is_ready_to_pay() {
    let PrepayAnswer::Ready {
        pay_info,
        channel_prepay_id,
        pay_url,
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
    assert_eq!(pay_url, None);
}

#[tokio::test]
async fn an_alipay_reply_is_handed_on_as_it_was_signed() {
    let reply = vector("alipay_jspay_reply");
    let (answer, _) = asked(ok(&reply.xml), &alipay("2088102146225135")).await;
    let ready = PrepayAnswer::Ready {
        pay_info: "{\"tradeNO\":\"2017092521001004250277345678\",\"status\":\"0\"}".to_owned(),
        channel_prepay_id: None,
        pay_url: Some(reply.fields["pay_url"].clone()),
    };
    assert!(answer == ready, "{answer:?}");
}

#[tokio::test]
async fn an_alipay_refusal_is_declined() {
    let refusal = vector("alipay_jspay_refused").xml;
    let (answer, _) = asked(ok(&refusal), &alipay("2088102146225135")).await;
    let declined = PrepayAnswer::Declined {
        code: "NOAUTH".to_owned(),
        message: "商户未开通[pay.alipay.jspay]支付类型".to_owned(),
    };
    assert_eq!(answer, declined);
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
        let answer = answer(&ready(&refusal)).await;
        assert!(is_unknown(&answer), "{fields:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_status_other_than_0_says_nothing_signed_or_not() {
    for status in ["400", "1", "00", ""] {
        for body in [
            format!("<xml><status>{status}</status><message>Signature error</message></xml>"),
            ready(&[("status", status)]),
            ready(&[
                ("status", status),
                ("result_code", "1"),
                ("err_code", "NOAUTH"),
            ]),
        ] {
            let answer = answer(&body).await;
            assert!(is_unknown(&answer), "{body}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_reply_that_is_not_ours_is_unknown() {
    let good = ready(&[("out_trade_no", "W2011200930000010010000")]);
    assert!(matches!(answer(&good).await, PrepayAnswer::Ready { .. }));
    for bad in [
        good.replace("112268ab", "112268ac"),
        good.replace("wx1", "wx2"),
        good.replace("<sign>", "<sagn>")
            .replace("</sign>", "</sagn>"),
        good.replace("</xml>", "<token_id>1</token_id></xml>"),
        ready(&[("mch_id", "7551000002")]),
        ready(&[("mch_id", "")]),
        ready(&[("out_trade_no", "W2011200930000010010001")]),
        ready(&[("sign_type", "RSA_1_256")]),
        ready(&[("pay_info", "")]),
        good[..good.len() - 1].to_owned(),
        "<html>busy</html>".to_owned(),
        String::new(),
        "x".repeat(70_000),
    ] {
        let answer = answer(&bad).await;
        assert!(is_unknown(&answer), "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_channel_is_unknown() {
    let (answer, _) = asked(Script::Silence, &wechat()).await;
    assert!(is_unknown(&answer), "{answer:?}");
}

#[tokio::test]
async fn an_unreachable_channel_was_not_asked() {
    let swiftpass = swiftpass("http://127.0.0.1:9/".to_owned(), Arc::default());
    let answer = swiftpass.prepay(&wechat()).await;
    assert!(matches!(answer, PrepayAnswer::NotSent { .. }), "{answer:?}");
}

#[test]
fn what_lets_one_pay_does_not_reach_a_log() {
    let answer = PrepayAnswer::Ready {
        pay_info: "paySign".to_owned(),
        channel_prepay_id: None,
        pay_url: Some("https://pay.example.test/?token_id=1".to_owned()),
    };
    assert_eq!(format!("{answer:?}"), "Ready");
}
