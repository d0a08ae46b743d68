use std::sync::{Arc, LazyLock};
use std::time::Duration;

use domain::Finding;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::channel::scripted::{Script, ok};
use crate::channel::swiftpass::tests::{
    app, before, forged, md5, only, reply, rsa, swiftpass, vector, vectors,
};
use crate::channel::swiftpass::wire;
use crate::channel::{Channel, Query};

const NUMBER: &str = "W1709251528510020000";

fn query() -> Query {
    Query {
        out_trade_no: NUMBER.to_owned(),
        timeout: Duration::from_secs(3),
    }
}

fn read(raw: impl AsRef<[u8]>) -> Result<QueryAnswer, String> {
    static READER: LazyLock<Swiftpass> =
        LazyLock::new(|| swiftpass("http://127.0.0.1:9/".to_owned(), Arc::default()));
    READER.read_query(raw.as_ref(), NUMBER)
}

/// A reply of this state that names money and time, with these fields set otherwise.
fn state(trade_state: &str, changes: &[(&str, &str)]) -> String {
    let fields = [
        ("trade_state", trade_state),
        ("out_trade_no", NUMBER),
        ("transaction_id", "7551000001201709251528511234"),
        ("total_fee", "8880"),
        ("fee_type", "CNY"),
        ("time_end", "20170925152855"),
    ];
    reply(&[&fields[..], changes].concat())
}

fn paid(number: &str) -> Paid {
    Paid {
        channel_trade_no: number.to_owned(),
        amount: 8880,
        currency: "CNY".to_owned(),
        paid_at: Some("2017-09-25T07:28:55Z".parse().unwrap()),
    }
}

#[track_caller]
fn assert_no_evidence(raw: &str) {
    let answer = read(raw);
    assert!(answer.is_err(), "{raw}: {answer:?}");
}

#[tokio::test]
async fn a_query_asks_as_the_vector_does() {
    let (mut swiftpass, asked) = before(ok("")).await;
    swiftpass.account.sign_agentno = None;
    swiftpass.query(&query()).await;
    let expected: Fields = vector("query_req").fields.iter().collect();
    assert_eq!(only(&asked), expected);
}

#[tokio::test]
async fn under_rsa_it_asks_as_that_vector_does() {
    let (mut swiftpass, asked) = before(ok("")).await;
    (swiftpass.account.sign_agentno, swiftpass.account.signer) = (None, app());
    swiftpass.query(&query()).await;
    let vectors = rsa().vectors;
    let vector = vectors.iter().find(|v| v.name == "query_req").unwrap();
    let expected: Fields = vector.fields.iter().collect();
    assert_eq!(only(&asked), expected);
}

#[tokio::test]
async fn every_state_is_told_as_it_is() {
    let (wechat, alipay) = (
        "7551000001201709251528511234",
        "7551000001201709252528511234",
    );
    let cases = [
        ("query_success", QueryAnswer::Succeeded(paid(wechat))),
        ("query_success_alipay", QueryAnswer::Succeeded(paid(alipay))),
        ("query_refund", QueryAnswer::RefundedAfterPaid(paid(wechat))),
        ("query_notpay", QueryAnswer::Waiting),
        ("query_userpaying", QueryAnswer::Waiting),
        ("query_closed", QueryAnswer::Closed),
        ("query_reverse", QueryAnswer::Reversed),
        ("query_revoked", QueryAnswer::Reversed),
        ("query_payerror", QueryAnswer::NotPaid),
        ("query_not_found", QueryAnswer::NotFound),
    ];
    let replies = vectors()
        .into_iter()
        .filter(|vector| vector.name.starts_with("query_") && vector.fields.contains_key("status"));
    assert_eq!(replies.count(), cases.len());
    for (name, expected) in cases {
        let (swiftpass, _) = before(ok(&vector(name).xml)).await;
        assert_eq!(swiftpass.query(&query()).await, expected, "{name}");
    }
}

#[test]
fn a_success_names_what_was_paid_or_is_no_evidence() {
    for trade_state in ["SUCCESS", "REFUND"] {
        assert!(read(state(trade_state, &[])).unwrap().paid().is_some());
        let long = "7".repeat(65);
        for changes in [
            ("out_trade_no", ""),
            ("transaction_id", ""),
            ("transaction_id", long.as_str()),
            ("total_fee", ""),
            ("total_fee", "-8880"),
            ("total_fee", "08880"),
            ("total_fee", "88.80"),
            ("total_fee", "8880 "),
            ("total_fee", "８８８０"),
            ("total_fee", "100000000000000000000"),
        ] {
            assert_no_evidence(&state(trade_state, &[changes]));
        }
    }
}

#[test]
fn a_missing_currency_is_the_yuan_and_another_is_told() {
    let currency = |told| {
        let answer = read(state("SUCCESS", &[("fee_type", told)])).unwrap();
        answer.paid().unwrap().currency.clone()
    };
    assert_eq!(currency(""), "CNY");
    assert_eq!(currency("USD"), "USD");
}

#[test]
fn a_bad_time_does_not_lose_the_money() {
    for time in ["", "20170230000000", "2017-09-25 15:28:55"] {
        let answer = read(state("SUCCESS", &[("time_end", time)])).unwrap();
        assert_eq!(answer.paid().unwrap().paid_at, None, "{time:?}");
    }
}

#[test]
fn a_state_nobody_knows_is_no_evidence() {
    for unknown in [
        "",
        "success",
        "SUCCESS ",
        " SUCCESS",
        "PAID",
        "TRADE_SUCCESS",
        "REFUNDING",
        "ACCEPT",
    ] {
        assert_no_evidence(&state(unknown, &[]));
        assert_no_evidence(&state(unknown, &[("time_end", "")]));
    }
}

#[test]
fn a_reply_that_contradicts_itself_is_no_evidence() {
    for trade_state in ["SUCCESS", "REFUND"] {
        for changes in [
            ("pay_result", "1"),
            ("pay_result", "00"),
            ("need_query", "Y"),
            ("err_code", "USERPAYING"),
            ("result_code", "1"),
            ("result_code", ""),
            ("result_code", "00"),
        ] {
            assert_no_evidence(&state(trade_state, &[changes]));
        }
    }
    for trade_state in ["NOTPAY", "USERPAYING", "CLOSED", "PAYERROR"] {
        assert!(read(state(trade_state, &[("time_end", "")])).is_ok());
        assert_no_evidence(&state(trade_state, &[]));
        assert_no_evidence(&state(
            trade_state,
            &[("time_end", ""), ("pay_result", "0")],
        ));
        assert_no_evidence(&state(
            trade_state,
            &[("time_end", ""), ("result_code", "1")],
        ));
    }
    for trade_state in ["REVERSE", "REVOKED"] {
        // What was reversed may have been paid before.
        assert_eq!(read(state(trade_state, &[])), Ok(QueryAnswer::Reversed));
        assert_no_evidence(&state(trade_state, &[("pay_result", "0")]));
    }
}

#[test]
fn an_order_that_is_not_there_is_no_failure() {
    for code in NOT_FOUND {
        for need_query in ["", "Y", "N"] {
            let fields = [
                ("result_code", "1"),
                ("err_code", code),
                ("need_query", need_query),
            ];
            assert_eq!(read(reply(&fields)), Ok(QueryAnswer::NotFound), "{code}");
        }
        let paid = state("SUCCESS", &[("result_code", "1"), ("err_code", code)]);
        assert_no_evidence(&paid);
        assert_no_evidence(&reply(&[("result_code", ""), ("err_code", code)]));
        assert_no_evidence(&reply(&[("err_code", code)]));
    }
}

#[test]
fn any_other_refusal_is_no_evidence() {
    for code in [
        "",
        "NOAUTH",
        "SYSTEMERROR",
        "ORDERPAID",
        "ordernotexist",
        "Auth valid fail",
    ] {
        for need_query in ["", "Y", "N"] {
            assert_no_evidence(&reply(&[
                ("result_code", "1"),
                ("err_code", code),
                ("need_query", need_query),
            ]));
        }
    }
}

#[test]
fn a_status_other_than_0_says_nothing_signed_or_not() {
    for status in ["400", "1", "00", ""] {
        assert_no_evidence(&state("SUCCESS", &[("status", status)]));
        assert_no_evidence(&state("CLOSED", &[("status", status), ("time_end", "")]));
        let unsigned = "<message>Order not exists</message><err_code>ORDERNOTEXIST</err_code>";
        assert_no_evidence(&format!("<xml><status>{status}</status>{unsigned}</xml>"));
    }
}

#[test]
fn a_reply_that_is_not_ours_is_no_evidence() {
    let good = state("SUCCESS", &[]);
    for bad in [
        good.replace("8880", "8881"),
        good.replace("<sign>", "<sagn>")
            .replace("</sign>", "</sagn>"),
        good.replace("</xml>", "<total_fee>1</total_fee></xml>"),
        state("SUCCESS", &[("mch_id", "7551000002")]),
        state("SUCCESS", &[("mch_id", "")]),
        state("SUCCESS", &[("out_trade_no", "W1709251528510020001")]),
        state(
            "NOTPAY",
            &[("out_trade_no", "w1709251528510020000"), ("time_end", "")],
        ),
        state("SUCCESS", &[("sign_type", "RSA_1_256")]),
        "<html>busy</html>".to_owned(),
        String::new(),
    ] {
        assert_no_evidence(&bad);
    }
}

#[test]
fn fields_cannot_be_merged_to_hide_one() {
    let paid = state("SUCCESS", &[]);
    let open = state("SUCCESS", &[("message", "ok"), ("need_query", "Y")]);
    let closed = state("CLOSED", &[("sub_openid", "o")]);
    for (genuine, first, hidden) in [
        (&paid, "time_end", "total_fee"),
        (&paid, "total_fee", "trade_state"),
        (&paid, "fee_type", "mch_id"),
        (&open, "message", "need_query"),
        (&closed, "sub_openid", "time_end"),
    ] {
        let genuine = wire::read(genuine.as_bytes()).unwrap();
        let joined = format!("{}&{hidden}={}", genuine.text(first), genuine.text(hidden));
        let mut merged: Fields = genuine.iter().filter(|(name, _)| *name != hidden).collect();
        merged.set(first, joined);
        let told = read(wire::write(&merged));
        let why = Err("reply not believed: AMBIGUOUS".to_owned());
        assert_eq!(told, why, "{hidden}");
    }
}

#[test]
fn no_flipped_byte_makes_another_answer() {
    for vector in vectors()
        .iter()
        .filter(|vector| vector.name.starts_with("query_"))
    {
        let genuine = read(&vector.xml);
        let mut altered = vector.xml.clone().into_bytes();
        for at in 0..altered.len() {
            for bits in [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff] {
                altered[at] ^= bits;
                check(&genuine, &altered);
                altered[at] ^= bits;
            }
        }
    }
}

#[test]
fn no_lost_or_added_byte_makes_another_answer() {
    for vector in vectors()
        .iter()
        .filter(|vector| vector.name.starts_with("query_"))
    {
        let (genuine, raw) = (read(&vector.xml), vector.xml.as_bytes());
        for at in 0..raw.len() {
            check(&genuine, &raw[..at]);
            check(&genuine, &[&raw[..at], &raw[at + 1..]].concat());
            for byte in *b" 0&<>/A\n" {
                check(&genuine, &[&raw[..at], &[byte], &raw[at..]].concat());
            }
        }
    }
}

/// An altered reply must say nothing, or the very same.
#[track_caller]
fn check(genuine: &Result<QueryAnswer, String>, altered: &[u8]) {
    if let Ok(told) = read(altered) {
        let altered = String::from_utf8_lossy(altered);
        assert_eq!(Ok(&told), genuine.as_ref(), "{altered}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_channel_is_no_evidence() {
    let (swiftpass, asked) = before(Script::Silence).await;
    let answer = swiftpass.query(&query()).await;
    assert_eq!(answer.finding(), Finding::NoEvidence);
    assert_eq!(only(&asked).text("service"), "unified.trade.query");
}

#[tokio::test]
async fn an_unreachable_channel_is_no_evidence() {
    let swiftpass = swiftpass("http://127.0.0.1:9/".to_owned(), Arc::default());
    let answer = swiftpass.query(&query()).await;
    assert_eq!(answer.finding(), Finding::NoEvidence);
}

fn fields() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let values = |values: &'static [&'static str]| select(values);
    (
        values(&["0", "1", "400", ""]),
        values(&["0", "0", "1", ""]),
        values(&[
            "SUCCESS", "REFUND", "NOTPAY", "CLOSED", "REVERSE", "PAYERROR", "X", "",
        ]),
        values(&["0", "1", ""]),
        values(&["8880", "88.80", ""]),
        values(&["20170925152855", ""]),
        values(&["ORDERNOTEXIST", "USERPAYING", "NOAUTH", ""]),
        values(&["Y", "N", ""]),
        values(&[NUMBER, "W1", ""]),
    )
        .prop_map(
            |(status, result, state, pay, fee, end, code, need, number)| {
                vec![
                    ("mch_id", "7551000001"),
                    ("transaction_id", "7551000001201709251528511234"),
                    ("status", status),
                    ("result_code", result),
                    ("trade_state", state),
                    ("pay_result", pay),
                    ("total_fee", fee),
                    ("time_end", end),
                    ("err_code", code),
                    ("need_query", need),
                    ("out_trade_no", number),
                ]
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn money_is_told_only_where_all_agree(fields in fields()) {
        let has = |name, allowed: &[&str]| {
            fields.iter().any(|(field, value)| *field == name && allowed.contains(value))
        };
        let agreed = has("status", &["0"])
            && has("result_code", &["0"])
            && has("trade_state", &["SUCCESS", "REFUND"])
            && has("pay_result", &["0", ""])
            && has("total_fee", &["8880"])
            && has("err_code", &["NOAUTH", "ORDERNOTEXIST", ""])
            && has("need_query", &["N", ""])
            && has("out_trade_no", &[NUMBER]);
        let told = read(wire::write(&forged(&fields)));
        prop_assert_eq!(told.is_ok_and(|answer| answer.paid().is_some()), agreed);
    }

    #[test]
    fn nothing_signed_by_another_is_told(fields in fields()) {
        let mut signed: Fields = fields.iter().copied().collect();
        md5(&"0".repeat(32)).sign(&mut signed).unwrap();
        prop_assert!(read(wire::write(&signed)).is_err());
    }

    #[test]
    fn no_bytes_break_the_reader(raw in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(read(raw).is_err());
    }
}
