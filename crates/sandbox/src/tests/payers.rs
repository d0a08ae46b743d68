//! Scripts about payers: passwords, and payments at the wrong moment.

use pb::{ChargeState, MisbehaviourKind as Kind, PasswordOutcome, Step};
use tonic::Code;

use super::*;

const NUMBER: &str = "W1709251528510020000";

impl Rig {
    /// A charge whose payer is asked for a password.
    async fn asked(seconds: u64, outcome: PasswordOutcome) -> Self {
        let rig = Self::new().await;
        let wait = pb::PasswordWait {
            delay: millis(seconds * 1000).filter(|_| seconds > 0),
            outcome: outcome.into(),
        };
        rig.script(Misbehaviour::Password(wait)).await;
        let reply = rig.scan(NUMBER, CODE).await;
        assert_eq!(refusal(&reply), ("USERPAYING", "Y"));
        assert_eq!(rig.query(NUMBER).await["trade_state"], "USERPAYING");
        assert_eq!(
            rig.misdeeds(NUMBER).await,
            [(Kind::Password, Step::Micropay, 1, 0)]
        );
        rig
    }

    async fn paid_meanwhile(&self, delay: Option<prost_types::Duration>) {
        let paid = pb::PaidMeanwhile { delay };
        let script = script("meanwhile", Misbehaviour::PaidMeanwhile(paid));
        self.set(script).await.unwrap();
    }
}

#[tokio::test]
async fn a_payer_types_the_password_in_time() {
    let rig = Rig::asked(20, PasswordOutcome::Paid).await;
    rig.advance(19);
    assert_eq!(rig.query(NUMBER).await["trade_state"], "USERPAYING");
    // Nobody looks just then: it is paid at its own time.
    rig.advance(30);
    let told = rig.query(NUMBER).await;
    assert_eq!(
        (told["trade_state"].as_str(), told["time_end"].as_str()),
        ("SUCCESS", "20170925152911")
    );
    let charge = rig.charge(NUMBER).await;
    assert_eq!(rig.pay(NUMBER).await.unwrap(), charge);
}

#[tokio::test]
async fn a_payer_refuses() {
    let rig = Rig::asked(20, PasswordOutcome::Refused).await;
    rig.advance(20);
    assert_eq!(rig.query(NUMBER).await["trade_state"], "PAYERROR");
    assert_eq!(rig.state(NUMBER).await, ChargeState::Payerror);
    assert_eq!(
        rig.pay(NUMBER).await.unwrap_err().code(),
        Code::FailedPrecondition
    );
}

#[tokio::test]
async fn a_payer_may_never_do_anything_until_told_to() {
    let rig = Rig::asked(0, PasswordOutcome::Never).await;
    rig.advance(1_000_000);
    assert_eq!(rig.query(NUMBER).await["trade_state"], "USERPAYING");
    let paid = rig.pay(NUMBER).await.unwrap();
    assert_eq!(paid.state(), ChargeState::Success);
    assert_eq!(rig.query(NUMBER).await["trade_state"], "SUCCESS");
}

#[tokio::test]
async fn a_payer_who_is_asked_pays_after_a_restart() {
    let rig = Rig::asked(20, PasswordOutcome::Paid).await;
    let rig = rig.restart().await;
    assert_eq!(rig.state(NUMBER).await, ChargeState::Userpaying);
    rig.advance(20);
    assert_eq!(rig.state(NUMBER).await, ChargeState::Success);
}

#[tokio::test]
async fn a_password_after_the_time_limit_pays_nothing() {
    let rig = Rig::new().await;
    rig.script(Misbehaviour::Password(pb::PasswordWait {
        delay: millis(60_000),
        outcome: 0,
    }))
    .await;
    let limited = with(micropay(NUMBER, CODE), "time_start", "20170925152851");
    let limited = with(limited, "time_expire", "20170925152921");
    assert_eq!(rig.call(limited).await["err_code"], "USERPAYING");
    rig.advance(61);
    assert_eq!(rig.query(NUMBER).await["trade_state"], "USERPAYING");
    assert!(!rig.charge(NUMBER).await.was_paid);
}

#[tokio::test]
async fn a_payer_pays_just_when_the_charge_is_to_be_closed() {
    let mut rig = Rig::new().await;
    rig.notify();
    let mut shop = Merchant::new(&rig.net).await;
    shop.answer("success").await;
    rig.paid_meanwhile(None).await;
    rig.prepay(NUMBER, &shop.url).await;
    rig.advance(300);
    assert_eq!(rig.misdeeds(NUMBER).await, []);
    assert_eq!(refusal(&rig.close(NUMBER).await), ("ORDERPAID", "Y"));
    assert_eq!(rig.state(NUMBER).await, ChargeState::Success);
    assert_eq!(shop.notice().await["out_trade_no"], NUMBER);
    assert_eq!(refusal(&rig.close(NUMBER).await), ("ORDERPAID", "Y"));
    assert_eq!(
        rig.misdeeds(NUMBER).await,
        [(Kind::PaidMeanwhile, Step::Prepay, 1, 0)]
    );
}

#[tokio::test]
async fn a_payer_pays_even_if_the_charge_is_too_young_to_close() {
    let rig = Rig::new().await;
    rig.paid_meanwhile(None).await;
    rig.prepay(NUMBER, "127.0.0.1").await;
    assert_eq!(refusal(&rig.close(NUMBER).await), ("ORDERPAID", "Y"));
}

#[tokio::test]
async fn a_payer_who_comes_after_the_close_is_too_late() {
    let rig = Rig::new().await;
    rig.paid_meanwhile(millis(10_000)).await;
    rig.prepay(NUMBER, "127.0.0.1").await;
    rig.advance(300);
    accepted(&rig.close(NUMBER).await);
    rig.advance(3600);
    assert_eq!(rig.state(NUMBER).await, ChargeState::Closed);
    assert_eq!(rig.misdeeds(NUMBER).await, []);
}

#[tokio::test]
async fn a_payer_pays_after_a_close_that_came_too_early() {
    let rig = Rig::new().await;
    rig.paid_meanwhile(millis(10_000)).await;
    rig.prepay(NUMBER, "127.0.0.1").await;
    assert_eq!(refusal(&rig.close(NUMBER).await), ("ORDER_TOO_YOUNG", "N"));
    rig.advance(9);
    // A second close does not put the payer off.
    assert_eq!(refusal(&rig.close(NUMBER).await), ("ORDER_TOO_YOUNG", "N"));
    rig.advance(1);
    assert_eq!(rig.state(NUMBER).await, ChargeState::Success);
    assert_eq!(
        rig.misdeeds(NUMBER).await,
        [(Kind::PaidMeanwhile, Step::Prepay, 1, 0)]
    );
}

#[tokio::test]
async fn what_is_paid_just_when_it_is_reversed_goes_back() {
    let rig = Rig::asked(0, PasswordOutcome::Never).await;
    rig.paid_meanwhile(None).await;
    accepted(&rig.reverse(NUMBER).await);
    let charge = rig.charge(NUMBER).await;
    assert!(charge.was_paid && charge.state() == ChargeState::Reversed);
    let misdeeds = rig.misdeeds(NUMBER).await;
    assert_eq!(misdeeds[1], (Kind::PaidMeanwhile, Step::Micropay, 1, 0));
}

#[tokio::test]
async fn a_script_may_be_about_one_way_only() {
    let rig = Rig::new().await;
    let paid = Misbehaviour::PaidMeanwhile(pb::PaidMeanwhile::default());
    let scanned = pb::Script {
        step: Step::Micropay.into(),
        ..script("scanned", paid)
    };
    rig.set(scanned).await.unwrap();
    rig.prepay(NUMBER, "127.0.0.1").await;
    rig.advance(300);
    accepted(&rig.close(NUMBER).await);
    assert_eq!(rig.state(NUMBER).await, ChargeState::Closed);
}
