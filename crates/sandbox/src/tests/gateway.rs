//! What merchants are answered.

use seam::net::Tcp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

#[tokio::test]
async fn a_prepay_is_answered_with_a_signed_token_and_pay_info() {
    let rig = Rig::new().await;
    let reply = rig.prepay("W1709251528510010000", "127.0.0.1").await;
    assert!(sign::verify(&reply, &key()));
    assert_eq!(
        (reply["status"].as_str(), reply["mch_id"].as_str()),
        ("0", MCH)
    );
    let info: serde_json::Value = serde_json::from_str(&reply["pay_info"]).unwrap();
    assert_eq!(
        info["package"],
        format!("prepay_id=wx{}", reply["token_id"])
    );
    let page = format!(
        "http://127.0.0.1:80/pay/jspay?token_id={}",
        reply["token_id"]
    );
    assert_eq!(info["sandbox_url"], page);
}

#[tokio::test]
async fn a_number_is_prepared_once() {
    let rig = Rig::new().await;
    rig.prepay("W1709251528510010000", "127.0.0.1").await;
    let again = rig.call(jspay("W1709251528510010000", "127.0.0.1")).await;
    assert!(sign::verify(&again, &key()));
    assert_eq!(
        (again["status"].as_str(), again["result_code"].as_str()),
        ("0", "1")
    );
    assert_eq!(again["err_code"], "INVALID_REQUEST");
    assert_eq!(again["err_msg"], "201 商户订单号重复");
    assert_eq!(again["need_query"], "Y");
    assert!(!again.contains_key("token_id"));
}

#[tokio::test]
async fn a_wrong_signature_is_refused_without_one() {
    let rig = Rig::new().await;
    let signed = sign::signed(jspay("W1709251528510010000", "127.0.0.1"), &key());
    let forged = with(signed, "total_fee", "1");
    let reply = rig.post(wire::write(&forged)).await;
    assert_eq!(
        (reply["status"].as_str(), reply["message"].as_str()),
        ("400", "Signature error")
    );
    assert!(!reply.contains_key("sign"));
    assert_eq!(rig.list(0, "").await.unwrap().charges, []);
}

#[tokio::test]
async fn what_is_no_message_is_refused_without_a_signature() {
    let rig = Rig::new().await;
    let duplicate = "<xml><mch_id>1</mch_id><mch_id>1</mch_id></xml>";
    for text in ["", "service=pay", duplicate, "<!DOCTYPE x><xml></xml>"] {
        let reply = rig.post(text.to_owned()).await;
        assert_eq!(reply["status"], "400");
        assert_eq!(reply["message"], "Parse xml error,please use UTF-8 encoded");
        assert!(!reply.contains_key("sign"));
    }
}

#[tokio::test]
async fn unknown_merchants_and_services_are_not_opened() {
    let rig = Rig::with(|settings| {
        settings.partner_key = None;
        settings.merchants = vec![crate::MerchantKey {
            mch_id: MCH.to_owned(),
            key: Key::new(KEY),
        }];
    })
    .await;
    let stranger = with(jspay("W1709251528510010000", "127.0.0.1"), "mch_id", "999");
    let service = with(
        jspay("W1709251528510010000", "127.0.0.1"),
        "service",
        "pay.nothing",
    );
    for request in [stranger, service] {
        assert_eq!(rig.call(request).await["message"], "Auth valid fail");
    }
}

#[tokio::test]
async fn an_agents_message_is_signed_with_the_agents_key() {
    let agent = Signer::md5("the agent's");
    let rig = Rig::with(|settings| {
        let mch_id = "075020000001".to_owned();
        settings.merchants = vec![crate::MerchantKey {
            mch_id,
            key: Key::new("the agent's"),
        }];
    })
    .await;
    let request = with(
        jspay("W1709251528510010000", "127.0.0.1"),
        "sign_agentno",
        "075020000001",
    );
    assert_eq!(
        rig.call(request.clone()).await["message"],
        "Signature error"
    );
    let reply = rig.post(wire::write(&sign::signed(request, &agent))).await;
    assert_eq!(reply["result_code"], "0");
    assert!(sign::verify(&reply, &agent));
}

#[tokio::test]
async fn a_request_that_says_too_little_or_nonsense_names_the_field() {
    let rig = Rig::new().await;
    let good = jspay("W1709251528510010000", "127.0.0.1");
    let expired = with(good.clone(), "time_start", "20170925152851");
    for (field, request) in [
        ("nonce_str", with(good.clone(), "nonce_str", "")),
        ("out_trade_no", with(good.clone(), "out_trade_no", "")),
        (
            "out_trade_no",
            with(good.clone(), "out_trade_no", "W17-09-25"),
        ),
        ("out_trade_no", with(good.clone(), "out_trade_no", "W170")),
        (
            "out_trade_no",
            with(good.clone(), "out_trade_no", &"W".repeat(33)),
        ),
        ("body", with(good.clone(), "body", "")),
        ("total_fee", with(good.clone(), "total_fee", "0")),
        ("total_fee", with(good.clone(), "total_fee", "+1")),
        ("total_fee", with(good.clone(), "total_fee", "12.50")),
        ("mch_create_ip", with(good.clone(), "mch_create_ip", "")),
        ("notify_url", with(good.clone(), "notify_url", "")),
        (
            "notify_url",
            with(good.clone(), "notify_url", "https://shop.example/callback"),
        ),
        (
            "time_start",
            with(good.clone(), "time_start", "170925152851"),
        ),
        (
            "time_expire",
            with(expired, "time_expire", "20170925152851"),
        ),
    ] {
        let reply = rig.call(request).await;
        assert_eq!(
            (reply["result_code"].as_str(), reply["need_query"].as_str()),
            ("1", "N")
        );
        assert!(
            reply["err_msg"].contains(field),
            "{field}: {}",
            reply["err_msg"]
        );
    }
    assert_eq!(rig.list(0, "").await.unwrap().charges, []);
}

#[tokio::test]
async fn a_query_tells_unpaid_from_paid_and_from_unknown() {
    let rig = Rig::new().await;
    rig.prepay("W1709251528510010000", "127.0.0.1").await;
    let query = query("W1709251528510010000");
    let unpaid = rig.call(query.clone()).await;
    assert_eq!(unpaid["trade_state"], "NOTPAY");
    let names: Vec<_> = unpaid.keys().map(String::as_str).collect();
    let real =
        "appid charset mch_id nonce_str result_code sign sign_type status trade_state version";
    assert_eq!(names.join(" "), real);
    let paid = rig.pay("W1709251528510010000").await.unwrap();
    let reply = rig.call(query.clone()).await;
    assert!(sign::verify(&reply, &key()));
    assert_eq!(
        (reply["trade_state"].as_str(), reply["total_fee"].as_str()),
        ("SUCCESS", "1250")
    );
    assert_eq!(
        (&reply["transaction_id"], reply["time_end"].as_str()),
        (&paid.transaction_id, "20170925152851")
    );
    let by_channel = with(query.clone(), "transaction_id", &paid.transaction_id);
    assert_eq!(
        rig.call(with(by_channel, "out_trade_no", "")).await["trade_state"],
        "SUCCESS"
    );
    for other in [
        with(query.clone(), "out_trade_no", "W0000000"),
        with(query, "mch_id", "755"),
    ] {
        let reply = rig.call(other).await;
        assert_eq!(
            (reply["err_code"].as_str(), reply["need_query"].as_str()),
            ("ORDERNOTEXIST", "Y")
        );
    }
}

/// What a browser is answered, over TCP.
async fn browse(address: &str, method: &str, path: &str, form: &str) -> String {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let mut stream = Tcp.dial(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_browser_is_served_over_tcp() {
    let rig = Rig::new().await;
    let listener = Tcp.listen("127.0.0.1:0").await.unwrap();
    let address = listener.address().to_string();
    let serving = tokio::spawn(rig.sandbox.http(listener, rig.stop.clone()));
    let token = rig
        .prepay("W1709251528510010000", "127.0.0.1")
        .await
        .remove("token_id")
        .unwrap();
    let form = format!("token_id={token}");
    let refused = browse(&address, "GET", "/pay/gateway", "").await;
    assert!(refused.contains("Require POST method"), "{refused}");
    let shown = browse(&address, "GET", &format!("/pay/jspay?{form}"), "").await;
    assert!(shown.contains("<button>Pay</button>"), "{shown}");
    let paid = browse(&address, "POST", "/pay/jspay", &form).await;
    assert!(paid.contains("<b>Paid</b>"), "{paid}");
    rig.stop.cancel();
    serving.await.unwrap().unwrap();
}
