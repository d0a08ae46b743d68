//! Alipay: what differs from WeChat.

use super::*;

const NUMBER: &str = "W1709251528510030000";
const BUYER: &str = "2088102146225135";

fn alipay(notify_url: &str) -> Fields {
    let request = with(jspay(NUMBER, notify_url), "service", "pay.alipay.jspay");
    let mut request = with(request, "buyer_id", BUYER);
    request.remove("sub_openid");
    request
}

#[tokio::test]
async fn a_prepay_is_answered_with_alipays_number_of_the_trade() {
    let rig = Rig::new().await;
    let reply = rig.call(alipay("127.0.0.1")).await;
    assert!(sign::verify(&reply, &key()));
    assert_eq!(reply["result_code"], "0", "{reply:?}");
    let page = "http://127.0.0.1:80/pay/jspay?token_id=";
    assert!(reply["pay_url"].starts_with(page), "{}", reply["pay_url"]);
    let info: serde_json::Value = serde_json::from_str(&reply["pay_info"]).unwrap();
    assert_eq!(info["status"], "0");
    assert_eq!(info["tradeNO"].as_str().unwrap().len(), 28);
    for absent in ["appid", "token_id"] {
        assert!(!reply.contains_key(absent), "{absent}");
    }
    rig.pay(NUMBER).await.unwrap();
    assert_eq!(rig.charge(NUMBER).await.trade_type, "pay.alipay.jspay");
    let paid = rig.query(NUMBER).await;
    assert_eq!(
        paid["out_transaction_id"],
        info["tradeNO"].as_str().unwrap()
    );
}

#[tokio::test]
async fn without_a_public_address_there_is_no_page() {
    let rig = Rig::with(|settings| settings.public_url = None).await;
    let reply = rig.call(alipay("127.0.0.1")).await;
    assert!(!reply.contains_key("pay_url"));
    let info: serde_json::Value = serde_json::from_str(&reply["pay_info"]).unwrap();
    let names: Vec<_> = info.as_object().unwrap().keys().collect();
    assert_eq!(names, ["status", "tradeNO"]);
}

#[tokio::test]
async fn the_buyer_is_named_by_number_or_by_login() {
    let rig = Rig::new().await;
    let login = with(alipay("127.0.0.1"), "buyer_id", "");
    let login = with(login, "buyer_logon_id", "payer@example.test");
    assert_eq!(rig.call(login).await["result_code"], "0");
    rig.pay(NUMBER).await.unwrap();
    let openid = &rig.query(NUMBER).await["openid"];
    assert!(openid.starts_with("2088") && openid.len() == 16, "{openid}");
    for buyer in [
        "",
        "oywgtuKWbuy3crsXWtPEQfK0000",
        "1088102146225135",
        "2088",
    ] {
        let request = with(alipay("127.0.0.1"), "buyer_id", buyer);
        let reply = rig.call(request).await;
        assert_eq!(
            (reply["result_code"].as_str(), reply["need_query"].as_str()),
            ("1", "N")
        );
        assert!(
            reply["err_msg"].contains("buyer_id"),
            "{}",
            reply["err_msg"]
        );
    }
}

#[tokio::test]
async fn what_only_wechat_has_is_absent() {
    let mut rig = Rig::new().await;
    rig.notify();
    let mut shop = Merchant::new(&rig.net).await;
    shop.answer("success").await;
    // What belongs to WeChat is not taken over from the request.
    let request = with(
        alipay(&shop.url),
        "sub_openid",
        "oywgtuKWbuy3crsXWtPEQfK0000",
    );
    rig.call(with(request, "sub_appid", "wx1")).await;
    assert_eq!(rig.query(NUMBER).await["trade_state"], "NOTPAY");
    let paid = rig.pay(NUMBER).await.unwrap();
    let (notice, query) = (shop.notice().await, rig.query(NUMBER).await);
    for message in [notice, query] {
        for (name, value) in [
            ("trade_type", "pay.alipay.jspay"),
            ("openid", BUYER),
            ("total_fee", "1250"),
            ("coupon_fee", "0"),
            ("transaction_id", &paid.transaction_id),
            ("time_end", "20170925152851"),
        ] {
            assert_eq!(message[name], value, "{name}");
        }
        let only_wechat = ["appid", "bank_type", "is_subscribe"];
        for name in message.keys() {
            assert!(
                !only_wechat.contains(&name.as_str()) && !name.starts_with("sub_"),
                "{name}"
            );
        }
    }
}

#[tokio::test]
async fn an_unpaid_charge_stays_unpaid_when_its_time_is_over() {
    let rig = Rig::new().await;
    let limited = with(alipay("127.0.0.1"), "time_start", "20170925152851");
    rig.call(with(limited, "time_expire", "20170925153051"))
        .await;
    rig.advance(3600);
    let reply = rig.query(NUMBER).await;
    assert_eq!(reply["trade_state"], "NOTPAY");
    let names: Vec<_> = reply.keys().map(String::as_str).collect();
    let expected = "charset mch_id nonce_str result_code sign sign_type status trade_state version";
    assert_eq!(names.join(" "), expected);
}
