//! Reversing: by the merchant what it scanned, by the channel what was paid.

use pb::{ChargeState, RefundState};
use tonic::Code;
use tonic_types::StatusExt;

use super::*;

const NUMBER: &str = "W1709251528510020000";
const PREPARED: &str = "W1709251528510010000";

impl Rig {
    async fn take_back(&self, number: &str) -> Result<Charge, Status> {
        let request = Request::new(pb::ReverseChargeRequest {
            out_trade_no: number.to_owned(),
        });
        let reply = self.service().reverse_charge(request).await?;
        Ok(reply.into_inner().charge.unwrap())
    }
}

#[tokio::test]
async fn what_was_paid_goes_back_whole() {
    let rig = Rig::new().await;
    rig.scan(NUMBER, CODE).await;
    for _ in 0..2 {
        accepted(&rig.reverse(NUMBER).await);
        let charge = rig.charge(NUMBER).await;
        assert!(charge.was_paid && charge.state() == ChargeState::Reversed);
    }
    let told = rig.query(NUMBER).await;
    assert_eq!(told["trade_state"], "REVERSE");
    assert!(!told.contains_key("transaction_id"));
    let rig = rig.restart().await;
    assert_eq!(rig.state(NUMBER).await, ChargeState::Reversed);
}

#[tokio::test]
async fn what_was_not_paid_never_will_be() {
    let rig = Rig::new().await;
    rig.script(Misbehaviour::Password(pb::PasswordWait {
        delay: millis(20_000),
        outcome: 0,
    }))
    .await;
    rig.scan(NUMBER, CODE).await;
    accepted(&rig.reverse(NUMBER).await);
    rig.advance(60);
    assert_eq!(rig.query(NUMBER).await["trade_state"], "REVERSE");
    let refused = rig.pay(NUMBER).await.unwrap_err();
    let reason = refused.get_details_error_info().unwrap().reason;
    assert_eq!(reason, "CHARGE_CLOSED");
    assert!(!rig.charge(NUMBER).await.was_paid);
    // It is no payment that the channel could take back.
    assert_eq!(
        rig.take_back(NUMBER).await.unwrap_err().code(),
        Code::FailedPrecondition
    );
}

#[tokio::test]
async fn only_what_the_merchant_scanned_is_reversed() {
    let rig = Rig::new().await;
    assert_eq!(refusal(&rig.reverse(NUMBER).await), ("ORDERNOTEXIST", "Y"));
    rig.prepay(PREPARED, "127.0.0.1").await;
    for state in [ChargeState::Notpay, ChargeState::Success] {
        let reply = rig.reverse(PREPARED).await;
        assert_eq!(refusal(&reply), ("INVALID_REQUEST", "N"));
        assert_eq!(rig.state(PREPARED).await, state);
        rig.pay(PREPARED).await.unwrap();
    }
    rig.scan(NUMBER, CODE).await;
    let other = about("unified.micropay.reverse", NUMBER);
    let other = rig.call(with(other, "mch_id", "7551000002")).await;
    assert_eq!(refusal(&other), ("ORDERNOTEXIST", "Y"));
}

#[tokio::test]
async fn the_channel_takes_a_payment_back_by_itself() {
    let rig = Rig::new().await;
    rig.prepay(PREPARED, "127.0.0.1").await;
    let refused = rig.take_back(PREPARED).await.unwrap_err();
    let reason = refused.get_details_error_info().unwrap().reason;
    assert_eq!(
        (refused.code(), reason.as_str()),
        (Code::FailedPrecondition, "CHARGE_NOT_PAID")
    );
    let paid = rig.pay(PREPARED).await.unwrap();
    let reversed = rig.take_back(PREPARED).await.unwrap();
    let expected = Charge {
        state: ChargeState::Reversed.into(),
        ..paid
    };
    assert_eq!(reversed, expected);
    assert_eq!(rig.take_back(PREPARED).await.unwrap(), reversed);
    // A payer who repeats is told what became of it, and not charged again.
    assert_eq!(rig.pay(PREPARED).await.unwrap(), reversed);
    assert_eq!(rig.query(PREPARED).await["trade_state"], "REVERSE");
    let late = rig.close(PREPARED).await;
    assert_eq!(refusal(&late), ("ORDERREVERSED", "N"));
    for (number, code) in [("W0000", Code::NotFound), ("", Code::InvalidArgument)] {
        assert_eq!(rig.take_back(number).await.unwrap_err().code(), code);
    }
}

#[tokio::test]
async fn refunds_under_way_fail_when_all_is_taken_back() {
    let rig = Rig::new().await;
    rig.prepay(PREPARED, "127.0.0.1").await;
    rig.pay(PREPARED).await.unwrap();
    rig.refund(PREPARED, "R1", "100").await;
    rig.script(Misbehaviour::RefundEnding(pb::RefundEnding {
        state: 0,
        delay: millis(60_000),
    }))
    .await;
    rig.refund(PREPARED, "R2", "200").await;
    rig.take_back(PREPARED).await.unwrap();
    rig.advance(60);
    let states: Vec<_> = rig.refunds().await.iter().map(pb::Refund::state).collect();
    assert_eq!(states, [RefundState::Success, RefundState::Fail]);
    assert_eq!(rig.charge(PREPARED).await.refunded_fen, 100);
    for refund in ["R2", "R3"] {
        let more = rig.refund(PREPARED, refund, "200").await;
        assert_eq!(refusal(&more), ("ORDERNOTPAID", "N"));
    }
}
