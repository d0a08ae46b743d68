//! Charging the code a payer shows.

use std::fs;

use tonic::Code;

use super::*;

const NUMBER: &str = "W1709251528510020000";

fn names(reply: &Fields) -> String {
    let names: Vec<_> = reply.keys().map(String::as_str).collect();
    names.join(" ")
}

#[tokio::test]
async fn a_wechat_code_is_charged_at_once() {
    let rig = Rig::new().await;
    let reply = rig.scan(NUMBER, CODE).await;
    accepted(&reply);
    let expected = "appid bank_billno bank_type cash_fee charset coupon_fee err_code err_msg \
        fee_type is_subscribe mch_id mdiscount need_query nonce_str openid out_trade_no \
        out_transaction_id pay_info pay_result result_code sign sign_type status \
        sub_is_subscribe time_end total_fee trade_type transaction_id uuid version";
    assert_eq!(names(&reply), expected);
    for (name, value) in [
        ("pay_result", "0"),
        ("need_query", "N"),
        ("pay_info", ""),
        ("total_fee", "1250"),
        ("cash_fee", "1250"),
        ("trade_type", "pay.weixin.micropay"),
        ("time_end", "20170925152851"),
    ] {
        assert_eq!(reply[name], value, "{name}");
    }
    let charge = rig.charge(NUMBER).await;
    assert_eq!(charge.transaction_id, reply["transaction_id"]);
    assert_eq!(charge.trade_type, "pay.weixin.micropay");
    assert!(charge.was_paid && charge.state() == pb::ChargeState::Success);
    let told = rig.query(NUMBER).await;
    assert_eq!(
        (told["trade_state"].as_str(), told["trade_type"].as_str()),
        ("SUCCESS", "pay.weixin.micropay")
    );
    assert!(!owed(&rig).await, "nobody is to be notified");
}

#[tokio::test]
async fn an_alipay_code_is_answered_in_yuan_and_without_a_bank() {
    let rig = Rig::new().await;
    let reply = rig.scan(NUMBER, ALIPAY_CODE).await;
    accepted(&reply);
    for (name, value) in [
        ("trade_type", "pay.alipay.micropay"),
        ("total_fee", "1250"),
        ("buyer_pay_amount", "12.50"),
        ("receipt_amount", "12.50"),
        ("invoice_amount", "12.50"),
        (
            "fund_bill_list",
            "[{\"amount\":\"12.50\",\"fund_channel\":\"ALIPAYACCOUNT\"}]",
        ),
    ] {
        assert_eq!(reply[name], value, "{name}");
    }
    assert_eq!(reply["buyer_user_id"], reply["openid"]);
    assert!(reply["buyer_user_id"].starts_with("2088"));
    for name in ["bank_type", "bank_billno", "appid", "is_subscribe"] {
        assert!(!reply.contains_key(name), "{name}");
    }
    let told = rig.query(NUMBER).await;
    assert_eq!(told["out_transaction_id"], reply["out_transaction_id"]);
}

#[tokio::test]
async fn what_is_no_code_is_refused_for_good() {
    let rig = Rig::new().await;
    for code in ["164567890123456789", "12345", "13456789012345678x", "3112"] {
        let reply = rig.scan(NUMBER, code).await;
        assert_eq!(refusal(&reply), ("AUTH_CODE_INVALID", "N"));
        assert!(!reply["err_msg"].contains(code));
    }
    let none = rig.scan(NUMBER, "").await;
    assert_eq!(refusal(&none), ("INVALID_REQUEST", "N"));
    assert!(none["err_msg"].contains("auth_code"), "{none:?}");
    assert_eq!(rig.list(0, "").await.unwrap().charges, []);
}

#[tokio::test]
async fn a_number_is_charged_once_whatever_the_code() {
    let rig = Rig::new().await;
    rig.scan(NUMBER, CODE).await;
    let charge = rig.charge(NUMBER).await;
    for code in [CODE, ALIPAY_CODE] {
        let again = rig.scan(NUMBER, code).await;
        assert_eq!(refusal(&again), ("INVALID_REQUEST", "Y"));
        assert_eq!(again["err_msg"], "201 商户订单号重复");
    }
    let prepared = rig.call(jspay(NUMBER, "127.0.0.1")).await;
    assert_eq!(refusal(&prepared), ("INVALID_REQUEST", "Y"));
    assert_eq!(rig.charge(NUMBER).await, charge);
}

#[tokio::test]
async fn many_at_once_charge_once() {
    let rig = Rig::new().await;
    let scans = (0..20).map(|_| rig.scan(NUMBER, CODE));
    let replies = futures::future::join_all(scans).await;
    let charged = replies.iter().filter(|reply| reply["result_code"] == "0");
    assert_eq!(charged.count(), 1);
    assert_eq!(rig.list(0, "").await.unwrap().charges.len(), 1);
}

#[tokio::test]
async fn a_code_is_kept_nowhere() {
    let rig = Rig::new().await;
    rig.script(Misbehaviour::Password(pb::PasswordWait {
        delay: millis(1000),
        outcome: 0,
    }))
    .await;
    for (number, code) in [(NUMBER, CODE), ("W1709251528510030000", ALIPAY_CODE)] {
        rig.scan(number, code).await;
        rig.scan(number, code).await;
    }
    let killed = rig.killed();
    let mut found = 0;
    for file in fs::read_dir(killed.path().join("ledger")).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        let has = |text: &str| {
            bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        };
        assert!(!has(CODE) && !has(ALIPAY_CODE));
        found += usize::from(has(NUMBER));
    }
    assert!(found > 0, "the ledger was read");
}

#[tokio::test]
async fn a_request_that_says_too_little_or_nonsense_names_the_field() {
    let rig = Rig::new().await;
    let good = micropay(NUMBER, CODE);
    let timed = with(good.clone(), "time_start", "20170925152751");
    for (field, request) in [
        ("out_trade_no", with(good.clone(), "out_trade_no", "W170")),
        ("body", with(good.clone(), "body", "")),
        ("total_fee", with(good.clone(), "total_fee", "0")),
        ("mch_create_ip", with(good, "mch_create_ip", "")),
        ("time_expire", with(timed, "time_expire", "20170925152851")),
    ] {
        let reply = rig.call(request).await;
        assert_eq!(refusal(&reply), ("INVALID_REQUEST", "N"));
        assert!(reply["err_msg"].contains(field), "{field}: {reply:?}");
    }
    assert_eq!(rig.list(0, "").await.unwrap().charges, []);
}

#[tokio::test]
async fn a_declined_charge_can_no_longer_be_paid() {
    let rig = Rig::new().await;
    rig.script(Misbehaviour::Decline(pb::Decline::default()))
        .await;
    let reply = rig.scan(NUMBER, CODE).await;
    assert_eq!(refusal(&reply), ("AUTHCODEEXPIRE", "N"));
    assert_eq!(rig.query(NUMBER).await["trade_state"], "PAYERROR");
    assert_eq!(rig.state(NUMBER).await, pb::ChargeState::Payerror);
    let refused = rig.pay(NUMBER).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(!rig.charge(NUMBER).await.was_paid);
    let kind = MisbehaviourKind::Decline;
    assert_eq!(
        rig.misdeeds(NUMBER).await,
        [(kind, pb::Step::Micropay, 1, 0)]
    );
}
