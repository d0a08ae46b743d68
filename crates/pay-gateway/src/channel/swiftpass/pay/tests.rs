use std::sync::{Arc, LazyLock};
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::channel::scripted::{Script, ok};
use crate::channel::swiftpass::tests::{
    app, before, forged, only, platform, reply, swiftpass, vector,
};
use crate::channel::swiftpass::wire;
use crate::channel::{AuthCode, Channel, Paid};

const NUMBER: &str = "W1709251528510020000";
const CODE: &str = "134567890123456789";

fn pay() -> Pay {
    Pay {
        out_trade_no: NUMBER.to_owned(),
        description: "停车费".to_owned(),
        client_ip: "127.0.0.1".to_owned(),
        amount: 8880,
        auth_code: AuthCode::parse(CODE).unwrap(),
        starts: "2017-09-25T07:28:51Z".parse().unwrap(),
        expires: "2017-09-25T07:29:51Z".parse().unwrap(),
        timeout: Duration::from_secs(3),
    }
}

async fn answer(reply: &str) -> PayAnswer {
    let (swiftpass, asked) = before(ok(reply)).await;
    let answer = swiftpass.pay(&pay()).await;
    assert_eq!(only(&asked).text("service"), "unified.trade.micropay");
    answer
}

/// A reply of a payment that is paid, with these fields set otherwise.
fn success(changes: &[(&str, &str)]) -> String {
    let fields = [
        ("pay_result", "0"),
        ("trade_type", "pay.weixin.micropay"),
        ("out_trade_no", NUMBER),
        ("transaction_id", "7551000001201709251528511234"),
        ("out_transaction_id", "4200000026201710178563691122"),
        ("total_fee", "8880"),
        ("fee_type", "CNY"),
        ("bank_type", "CFT"),
        ("time_end", "20170925152855"),
    ];
    reply(&[&fields[..], changes].concat())
}

fn refusal(changes: &[(&str, &str)]) -> String {
    reply(&[&[("result_code", "1")], changes].concat())
}

fn paid() -> PayAnswer {
    PayAnswer::Succeeded(Paid {
        channel_trade_no: "7551000001201709251528511234".to_owned(),
        amount: 8880,
        currency: "CNY".to_owned(),
        paid_at: Some("2017-09-25T07:28:55Z".parse().unwrap()),
    })
}

#[track_caller]
fn assert_unknown(answer: &PayAnswer) {
    assert!(matches!(answer, PayAnswer::Unknown { .. }), "{answer:?}");
}

#[tokio::test]
async fn a_payment_asks_for_all_the_channel_needs() {
    let (swiftpass, asked) = before(ok(&success(&[]))).await;
    swiftpass.pay(&pay()).await;
    let expected = [
        ("service", "unified.trade.micropay"),
        ("version", "2.0"),
        ("charset", "UTF-8"),
        ("sign_type", "MD5"),
        ("mch_id", "7551000001"),
        ("sign_agentno", "075020000001"),
        ("out_trade_no", NUMBER),
        ("auth_code", CODE),
        ("body", "停车费"),
        ("total_fee", "8880"),
        ("mch_create_ip", "127.0.0.1"),
        ("time_start", "20170925152851"),
        ("time_expire", "20170925152951"),
        ("nonce_str", "5f2c9d1b8e7a4c3d"),
    ];
    assert_eq!(only(&asked), forged(&expected));
}

#[tokio::test]
async fn it_asks_as_the_vector_does_and_for_an_expiry() {
    let (mut swiftpass, asked) = before(ok("")).await;
    swiftpass.account.sign_agentno = None;
    swiftpass.pay(&pay()).await;
    let ours = ["sign", "time_start", "time_expire"];
    let asked = only(&asked);
    let asked: Fields = asked.iter().filter(|(n, _)| !ours.contains(n)).collect();
    let vector = vector("micropay_req").fields;
    let expected: Fields = vector.iter().filter(|(n, _)| *n != "sign").collect();
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn an_app_of_the_merchants_own_and_its_chain_are_named() {
    let (mut swiftpass, asked) = before(ok("")).await;
    swiftpass.account.sub_appid = Some("wx1f87d44db95cba7a".to_owned());
    swiftpass.account.groupno = Some("075520000007".to_owned());
    swiftpass.pay(&pay()).await;
    let asked = only(&asked);
    assert_eq!(asked.text("sub_appid"), "wx1f87d44db95cba7a");
    assert_eq!(asked.text("groupno"), "075520000007");
    let signed: Vec<_> = asked.iter().filter(|(n, _)| *n != "sign").collect();
    assert_eq!(asked, forged(&signed));
}

#[tokio::test]
async fn a_paid_payment_is_told_whatever_the_wallet_adds() {
    assert_eq!(answer(&success(&[])).await, paid());
    let alipay = [
        ("trade_type", "pay.alipay.micropay"),
        ("bank_type", ""),
        ("buyer_user_id", "2088102146225135"),
        ("receipt_amount", "88.80"),
        ("buyer_pay_amount", "88.80"),
        ("invoice_amount", "0.01"),
        ("gmt_payment", "2017-09-25 15:28:55"),
        (
            "fund_bill_list",
            "[{\"amount\":\"88.80\",\"fundChannel\":\"PCREDIT\"}]",
        ),
    ];
    assert_eq!(answer(&success(&alipay)).await, paid());
    let bare = [("fee_type", ""), ("trade_type", ""), ("need_query", "N")];
    assert_eq!(answer(&success(&bare)).await, paid());
}

#[tokio::test]
async fn a_success_names_our_money_or_is_unknown() {
    let long = "7".repeat(65);
    for changes in [
        ("out_trade_no", ""),
        ("out_trade_no", "W1709251528510020001"),
        ("mch_id", "7551000002"),
        ("mch_id", ""),
        ("transaction_id", ""),
        ("transaction_id", long.as_str()),
        ("total_fee", ""),
        ("total_fee", "88.80"),
        ("total_fee", "08880"),
        ("total_fee", "-8880"),
        ("pay_result", ""),
        ("pay_result", "1"),
        ("pay_result", "00"),
        ("result_code", "1"),
        ("result_code", ""),
        ("need_query", "Y"),
        ("err_code", "USERPAYING"),
        ("err_code", "SYSTEMERROR"),
    ] {
        let answer = answer(&success(&[changes])).await;
        assert!(
            matches!(answer, PayAnswer::Unknown { .. }),
            "{changes:?}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn another_amount_or_currency_is_told_as_it_is() {
    let told = answer(&success(&[("total_fee", "8881"), ("fee_type", "USD")])).await;
    let PayAnswer::Succeeded(paid) = told else {
        panic!("{told:?}")
    };
    assert_eq!((paid.amount, paid.currency.as_str()), (8881, "USD"));
}

#[tokio::test]
async fn a_payer_at_the_password_is_waited_for() {
    for need_query in ["Y", "N", ""] {
        let told = [
            ("err_code", "USERPAYING"),
            ("err_msg", "等待用户输入支付密码"),
            ("need_query", need_query),
        ];
        let waiting = PayAnswer::Waiting {
            code: "USERPAYING".to_owned(),
            message: "等待用户输入支付密码".to_owned(),
        };
        assert_eq!(answer(&refusal(&told)).await, waiting);
    }
}

#[tokio::test]
async fn only_a_refusal_that_needs_no_query_is_declined() {
    let told = [
        ("code", "9999999"),
        ("err_code", "NOAUTH"),
        ("err_msg", "此商家涉嫌违规，收款功能已被限制"),
        ("need_query", "N"),
    ];
    let declined = PayAnswer::Declined {
        code: "NOAUTH".to_owned(),
        message: "此商家涉嫌违规，收款功能已被限制".to_owned(),
    };
    assert_eq!(answer(&refusal(&told)).await, declined);
    // Accepted, and then failed.
    let failed = [&told[..], &[("result_code", "0"), ("pay_result", "1")]].concat();
    assert_eq!(answer(&refusal(&failed)).await, declined);
    for changes in [
        ("need_query", ""),
        ("need_query", "Y"),
        ("need_query", "n"),
        ("need_query", "NO"),
        ("err_code", ""),
        ("result_code", ""),
        ("result_code", "0"),
        ("time_end", "20170925152855"),
        ("err_code", "INVALID_REQUEST"),
        ("err_code", "SYSTEMERROR"),
        ("err_code", "SYSTEM_ERROR"),
        ("err_code", "ACQ.SYSTEM_ERROR"),
        ("err_code", "ACQ.TRADE_HAS_SUCCESS"),
        ("err_code", "BANKERROR"),
        ("err_code", "ORDERPAID"),
        ("err_code", "OUT_TRADE_NO_USED"),
    ] {
        let answer = answer(&refusal(&[&told[..], &[changes]].concat())).await;
        assert!(
            matches!(answer, PayAnswer::Unknown { .. }),
            "{changes:?}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn a_status_other_than_0_says_nothing_signed_or_not() {
    let refused = [("err_code", "NOAUTH"), ("need_query", "N")];
    for status in ["400", "1", "00", ""] {
        let status = ("status", status);
        for body in [
            format!("<xml><status>{}</status></xml>", status.1),
            success(&[status]),
            refusal(&[&refused[..], &[status]].concat()),
        ] {
            assert_unknown(&answer(&body).await);
        }
    }
}

#[tokio::test]
async fn a_reply_that_is_not_ours_is_unknown() {
    let good = success(&[]);
    for bad in [
        good.replace("8880", "8881"),
        good.replace(
            "7551000001201709251528511234",
            "7551000001201709251528511235",
        ),
        good.replace("<sign>", "<sagn>")
            .replace("</sign>", "</sagn>"),
        good.replace("</xml>", "<need_query>N</need_query></xml>"),
        success(&[("sign_type", "RSA_1_256")]),
        good[..good.len() - 1].to_owned(),
        "<html>busy</html>".to_owned(),
        String::new(),
    ] {
        assert_unknown(&answer(&bad).await);
    }
}

#[tokio::test]
async fn under_rsa_the_same_is_said() {
    let mut fields = wire::read(success(&[]).as_bytes()).unwrap();
    platform().sign(&mut fields).unwrap();
    let (mut swiftpass, asked) = before(ok(&wire::write(&fields))).await;
    swiftpass.account.signer = app();
    assert_eq!(swiftpass.pay(&pay()).await, paid());
    assert_eq!(platform().verify(&only(&asked)), Ok(()));
    // Another's key, or none that we chose, is not believed.
    for reply in [
        wire::write(&fields).replace("8880", "8881"),
        success(&[]),
        success(&[("sign_type", "RSA_1_256")]),
    ] {
        let (mut swiftpass, _) = before(ok(&reply)).await;
        swiftpass.account.signer = app();
        assert_unknown(&swiftpass.pay(&pay()).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_channel_is_unknown() {
    let (swiftpass, asked) = before(Script::Silence).await;
    assert_unknown(&swiftpass.pay(&pay()).await);
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_unreachable_channel_was_not_asked() {
    let swiftpass = swiftpass("http://127.0.0.1:9/".to_owned(), Arc::default());
    let answer = swiftpass.pay(&pay()).await;
    assert!(matches!(answer, PayAnswer::NotSent { .. }), "{answer:?}");
}

#[tokio::test]
async fn the_payers_code_is_never_repeated() {
    let padding = "x".repeat(90);
    let quoted = [
        format!("code {CODE} is used up"),
        format!("{padding}{CODE}"),
        format!("{CODE}{CODE}"),
    ];
    for text in &quoted {
        let refused = [("err_msg", text.as_str()), ("need_query", "N")];
        for reply in [
            refusal(&[&refused[..], &[("err_code", "AUTH_CODE_INVALID")]].concat()),
            refusal(&[&refused[..], &[("err_code", text)]].concat()),
            refusal(&[&refused[..], &[("err_code", "USERPAYING")]].concat()),
            refusal(&[("err_code", text), ("need_query", "Y")]),
            refusal(&[("result_code", text)]),
            format!("<xml><status>400</status><message>{text}</message></xml>"),
        ] {
            let told = format!("{:?}", answer(&reply).await);
            assert!(!told.contains(&CODE[..6]), "{told}");
        }
    }
    let told = format!("{:?}", pay());
    assert!(told.contains(NUMBER) && !told.contains(CODE), "{told}");
}

static READER: LazyLock<Swiftpass> = LazyLock::new(|| swiftpass(String::new(), Arc::default()));

fn fields() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let values = |values: &'static [&'static str]| select(values);
    (
        values(&["0", "1", "400", ""]),
        values(&["0", "0", "1", ""]),
        values(&["0", "0", "1", ""]),
        values(&["8880", "88.80", ""]),
        values(&["20170925152855", ""]),
        values(&["USERPAYING", "SYSTEMERROR", "NOAUTH", ""]),
        values(&["Y", "N", ""]),
        values(&[NUMBER, "W1", ""]),
    )
        .prop_map(|(status, result, pay, fee, end, code, need, number)| {
            vec![
                ("mch_id", "7551000001"),
                ("transaction_id", "7551000001201709251528511234"),
                ("status", status),
                ("result_code", result),
                ("pay_result", pay),
                ("total_fee", fee),
                ("time_end", end),
                ("err_code", code),
                ("need_query", need),
                ("out_trade_no", number),
            ]
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn an_end_is_told_only_where_all_agree(fields in fields()) {
        let has = |name, allowed: &[&str]| {
            fields.iter().any(|(field, value)| *field == name && allowed.contains(value))
        };
        let told = READER.read_pay(wire::write(&forged(&fields)).as_bytes(), &pay());
        let is_paid = has("status", &["0"])
            && has("result_code", &["0"])
            && has("pay_result", &["0"])
            && has("total_fee", &["8880"])
            && has("err_code", &["NOAUTH", ""])
            && has("need_query", &["N", ""])
            && has("out_trade_no", &[NUMBER]);
        let is_declined = has("status", &["0"])
            && (has("result_code", &["1"]) && has("pay_result", &["1", ""])
                || has("result_code", &["0"]) && has("pay_result", &["1"]))
            && has("time_end", &[""])
            && has("err_code", &["NOAUTH"])
            && has("need_query", &["N"])
            && has("out_trade_no", &[NUMBER, ""]);
        prop_assert_eq!(matches!(told, Ok(PayAnswer::Succeeded(_))), is_paid);
        prop_assert_eq!(matches!(told, Ok(PayAnswer::Declined { .. })), is_declined);
    }
}
