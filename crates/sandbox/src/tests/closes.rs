//! Closing.

use pb::ChargeState;
use tonic::Code;
use tonic_types::StatusExt;

use super::*;

const NUMBER: &str = "W1709251528510010000";

#[tokio::test]
async fn a_charge_is_closed_once_it_is_old_enough() {
    let rig = Rig::new().await;
    rig.prepay(NUMBER, "127.0.0.1").await;
    rig.advance(299);
    assert_eq!(refusal(&rig.close(NUMBER).await), ("ORDER_TOO_YOUNG", "N"));
    assert_eq!(rig.query(NUMBER).await["trade_state"], "NOTPAY");
    rig.advance(1);
    // It may be repeated.
    for _ in 0..2 {
        let reply = rig.close(NUMBER).await;
        accepted(&reply);
        let names: Vec<_> = reply.keys().map(String::as_str).collect();
        let only = "charset mch_id nonce_str result_code sign sign_type status version";
        assert_eq!(names.join(" "), only);
    }
    let told = rig.query(NUMBER).await;
    assert_eq!(
        (
            told["trade_state"].as_str(),
            told["trade_state_desc"].as_str()
        ),
        ("CLOSED", "已关闭")
    );
}

#[tokio::test]
async fn the_age_is_a_setting() {
    let rig = Rig::with(|settings| settings.close_after = Duration::ZERO).await;
    rig.prepay(NUMBER, "127.0.0.1").await;
    accepted(&rig.close(NUMBER).await);
}

#[tokio::test]
async fn a_closed_charge_can_no_longer_be_paid() {
    let rig = Rig::new().await;
    let prepared = rig.prepay(NUMBER, "127.0.0.1").await;
    rig.advance(300);
    accepted(&rig.close(NUMBER).await);
    let rig = rig.restart().await;
    let refused = rig.pay(NUMBER).await.unwrap_err();
    let reason = refused.get_details_error_info().unwrap().reason;
    assert_eq!(
        (refused.code(), reason.as_str()),
        (Code::FailedPrecondition, "CHARGE_CLOSED")
    );
    let charge = rig.charge(NUMBER).await;
    assert!(charge.state() == ChargeState::Closed && !charge.was_paid);
    let app = State(rig.sandbox.0.clone());
    let token = axum::extract::Form(crate::page::token(&prepared["token_id"]));
    let (status, _) = crate::page::pay(app, token).await;
    assert_eq!(status, StatusCode::GONE);
}

#[tokio::test]
async fn a_paid_charge_is_not_closed() {
    let rig = Rig::new().await;
    rig.prepay(NUMBER, "127.0.0.1").await;
    rig.pay(NUMBER).await.unwrap();
    for age in [0, 300] {
        rig.advance(age);
        assert_eq!(refusal(&rig.close(NUMBER).await), ("ORDERPAID", "Y"));
    }
    rig.refund(NUMBER, "R1", "1250").await;
    assert_eq!(refusal(&rig.close(NUMBER).await), ("ORDERPAID", "Y"));
    assert_eq!(rig.state(NUMBER).await, ChargeState::Refund);
}

#[tokio::test]
async fn payer_and_close_at_once_end_in_one_of_both() {
    let rig = Rig::with(|settings| settings.close_after = Duration::ZERO).await;
    for place in 0..20 {
        let number = format!("W170925152851{place:03}0000");
        rig.prepay(&number, "127.0.0.1").await;
        let (paid, closed) = tokio::join!(rig.pay(&number), rig.close(&number));
        let state = rig.state(&number).await;
        let expected = match paid {
            Ok(_) => (ChargeState::Success, "1"),
            Err(_) => (ChargeState::Closed, "0"),
        };
        assert_eq!((state, closed["result_code"].as_str()), expected);
    }
}

#[tokio::test]
async fn what_is_unknown_or_anothers_or_scanned_is_not_closed() {
    let rig = Rig::new().await;
    assert_eq!(refusal(&rig.close(NUMBER).await), ("ORDERNOTEXIST", "Y"));
    rig.prepay(NUMBER, "127.0.0.1").await;
    rig.scan("W1709251528510020000", CODE).await;
    rig.advance(300);
    let other = with(about("unified.trade.close", NUMBER), "mch_id", "7551000002");
    assert_eq!(refusal(&rig.call(other).await), ("ORDERNOTEXIST", "Y"));
    let scanned = rig.close("W1709251528510020000").await;
    assert_eq!(refusal(&scanned), ("INVALID_REQUEST", "N"));
    let unnamed = rig.close("").await;
    assert_eq!(refusal(&unnamed), ("INVALID_REQUEST", "N"));
    assert_eq!(rig.state(NUMBER).await, ChargeState::Notpay);
}
