//! Scripted misbehaviour towards whoever asks.

use std::time::Instant;

use ::http::StatusCode;
use pb::{MisbehaviourKind as Kind, Step};

use super::*;

const NUMBER: &str = "W1709251528510010000";

impl Rig {
    async fn prepared(&self) -> bool {
        !self.list(0, "").await.unwrap().charges.is_empty()
    }
}

fn timeout(hold: u64) -> pb::Timeout {
    pb::Timeout { hold: millis(hold) }
}

#[tokio::test]
async fn a_slow_answer_comes_late_and_is_right() {
    let rig = Rig::new().await;
    rig.script(Misbehaviour::Slow(pb::Slow { delay: millis(300) }))
        .await;
    let begun = Instant::now();
    rig.prepay(NUMBER, "127.0.0.1").await;
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!(rig.query(NUMBER).await["trade_state"], "NOTPAY");
    assert!(begun.elapsed() >= Duration::from_millis(600));
    let expected = [
        (Kind::Slow, Step::Prepay, 1, 0),
        (Kind::Slow, Step::Query, 1, 0),
    ];
    assert_eq!(rig.misdeeds(NUMBER).await, expected);
}

#[tokio::test]
async fn a_slow_prepay_is_recorded_though_the_caller_leaves() {
    let rig = Rig::new().await;
    rig.script(Misbehaviour::Slow(pb::Slow {
        delay: millis(60_000),
    }))
    .await;
    let impatient = rig.ask(jspay(NUMBER, "127.0.0.1"));
    let left = tokio::time::timeout(Duration::from_millis(300), impatient).await;
    assert!(left.is_err());
    assert!(rig.prepared().await);
}

#[tokio::test]
async fn a_timeout_before_records_nothing() {
    let rig = Rig::new().await;
    let silent = script("silent", Misbehaviour::TimeoutBefore(timeout(50)));
    rig.set(pb::Script { times: 2, ..silent }).await.unwrap();
    for _ in 0..2 {
        assert!(rig.ask(jspay(NUMBER, "127.0.0.1")).await.is_none());
        assert!(!rig.prepared().await);
    }
    rig.prepay(NUMBER, "127.0.0.1").await;
    assert_eq!(
        rig.misdeeds(NUMBER).await,
        [(Kind::TimeoutBefore, Step::Prepay, 2, 0)]
    );
}

#[tokio::test]
async fn a_timeout_after_records_and_says_nothing() {
    let rig = Rig::new().await;
    let silent = script("silent", Misbehaviour::TimeoutAfter(timeout(50)));
    let silent = pb::Script {
        step: Step::Prepay.into(),
        ..silent
    };
    rig.set(silent).await.unwrap();
    assert!(rig.ask(jspay(NUMBER, "127.0.0.1")).await.is_none());
    assert!(rig.prepared().await);
    assert_eq!(rig.query(NUMBER).await["trade_state"], "NOTPAY");
    rig.pay(NUMBER).await.unwrap();
    assert_eq!(
        rig.misdeeds(NUMBER).await,
        [(Kind::TimeoutAfter, Step::Prepay, 1, 0)]
    );
}

#[tokio::test]
async fn being_told_to_stop_ends_a_silence() {
    let rig = Rig::new().await;
    rig.script(Misbehaviour::TimeoutAfter(timeout(60_000)))
        .await;
    let asked = rig.ask(jspay(NUMBER, "127.0.0.1"));
    let stop = async {
        while !rig.prepared().await {
            tokio::task::yield_now().await;
        }
        rig.stop.cancel();
    };
    let begun = Instant::now();
    assert!(tokio::join!(asked, stop).0.is_none());
    assert!(begun.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn garbage_is_of_every_kind_in_turn() {
    let rig = Rig::new().await;
    rig.prepay(NUMBER, "127.0.0.1").await;
    rig.script(Misbehaviour::Garbage(pb::GarbageReply::default()))
        .await;
    let mut replies = Vec::new();
    for _ in 0..6 {
        replies.push(rig.ask(query(NUMBER)).await.unwrap());
    }
    let read = |place: usize| wire::read(&replies[place].body);
    assert!(replies[0].body.starts_with(b"<xml>") && read(0).is_err());
    assert_eq!(replies[1].status, StatusCode::BAD_GATEWAY);
    assert!(replies[1].body.starts_with(b"<html>"));
    let forged = read(2).unwrap();
    assert!(forged["trade_state"] == "NOTPAY" && !sign::verify(&forged, &key()));
    let failed = read(3).unwrap();
    assert!(failed["status"] == "400" && !failed.contains_key("sign"));
    assert!(std::str::from_utf8(&replies[4].body).is_err());
    assert_eq!(replies[5].body.len(), replies[0].body.len());
    assert_eq!(
        rig.misdeeds(NUMBER).await,
        [(Kind::Garbage, Step::Query, 6, 0)]
    );
}

#[tokio::test]
async fn garbage_after_a_prepay_leaves_the_charge() {
    let rig = Rig::new().await;
    let garbage = pb::Garbage::Html502.into();
    rig.script(Misbehaviour::Garbage(pb::GarbageReply { garbage }))
        .await;
    let reply = rig.ask(jspay(NUMBER, "127.0.0.1")).await.unwrap();
    assert_eq!(reply.status, StatusCode::BAD_GATEWAY);
    assert!(rig.prepared().await);
}

#[tokio::test]
async fn queries_say_paid_and_not_paid_and_paid() {
    let rig = Rig::new().await;
    rig.script(Misbehaviour::Contradicting(pb::Contradiction::default()))
        .await;
    rig.prepay(NUMBER, "127.0.0.1").await;
    let mut states = Vec::new();
    for place in 0..5 {
        if place == 1 {
            rig.pay(NUMBER).await.unwrap();
        }
        let reply = rig.query(NUMBER).await;
        assert!(sign::verify(&reply, &key()));
        let told_paid = reply.contains_key("transaction_id");
        assert_eq!(told_paid, reply["trade_state"] == "SUCCESS");
        states.push(reply["trade_state"].clone());
    }
    assert_eq!(
        states,
        ["NOTPAY", "SUCCESS", "NOTPAY", "SUCCESS", "SUCCESS"]
    );
    assert_eq!(
        rig.misdeeds(NUMBER).await,
        [(Kind::Contradicting, Step::Query, 1, 0)]
    );
    assert_eq!(rig.charge(NUMBER).await.state(), pb::ChargeState::Success);
}

#[tokio::test]
async fn an_unpaid_charge_may_be_called_closed_and_still_be_paid() {
    let rig = Rig::new().await;
    let answers = [pb::QueryAnswer::Closed, pb::QueryAnswer::PayError];
    let closed = pb::Contradiction {
        answers: answers.map(i32::from).to_vec(),
        unpaid_too: true,
    };
    rig.script(Misbehaviour::Contradicting(closed)).await;
    rig.prepay(NUMBER, "127.0.0.1").await;
    assert_eq!(rig.query(NUMBER).await["trade_state"], "CLOSED");
    rig.pay(NUMBER).await.unwrap();
    assert_eq!(rig.query(NUMBER).await["trade_state"], "PAYERROR");
    assert_eq!(rig.query(NUMBER).await["trade_state"], "SUCCESS");
}

#[tokio::test]
async fn a_query_by_the_channels_number_meets_the_same_scripts() {
    let rig = Rig::new().await;
    rig.prepay(NUMBER, "127.0.0.1").await;
    let paid = rig.pay(NUMBER).await.unwrap();
    let mut silent = script("silent", Misbehaviour::TimeoutBefore(timeout(50)));
    let filter = pb::OrderFilter {
        out_trade_no_prefix: NUMBER.to_owned(),
        ..pb::OrderFilter::default()
    };
    silent.orders = Some(filter);
    rig.set(silent).await.unwrap();
    let by_channel = with(query(""), "transaction_id", &paid.transaction_id);
    assert!(rig.ask(by_channel).await.is_none());
    assert!(rig.ask(query("W0000000")).await.is_some());
}

#[tokio::test]
async fn the_notice_overtakes_the_answer_to_the_prepay() {
    let mut rig = Rig::new().await;
    rig.notify();
    let mut shop = Merchant::new(&rig.net).await;
    rig.script(Misbehaviour::BeforeReply(pb::NoticeBeforeReply {}))
        .await;
    let asked = rig.ask(jspay(NUMBER, &shop.url));
    tokio::pin!(asked);
    let notice = tokio::select! {
        _ = &mut asked => panic!("answered before the notice was"),
        notice = shop.notice() => notice,
    };
    assert_eq!(notice["out_trade_no"], NUMBER);
    shop.answer("success").await;
    let reply = wire::read(&asked.await.unwrap().body).unwrap();
    assert_eq!(reply["result_code"], "0");
    let charge = rig.charge(NUMBER).await;
    assert!(charge.notify_acknowledged && charge.notify_attempts == 1);
    assert_eq!(
        rig.misdeeds(NUMBER).await,
        [(Kind::BeforeReply, Step::Prepay, 1, 0)]
    );
    // The repeat is refused, and nothing is sent or charged again.
    assert!(rig.ask(jspay(NUMBER, &shop.url)).await.is_some());
    assert_eq!(rig.pay(NUMBER).await.unwrap(), charge);
    assert!(shop.notices.try_recv().is_err());
}

#[tokio::test]
async fn forged_notices_claim_money_that_nobody_paid() {
    let rig = Rig::new().await;
    let mut shop = Merchant::new(&rig.net).await;
    let forged = script("forged", Misbehaviour::Forged(pb::ForgedNotice::default()));
    let forged = pb::Script {
        step: Step::Prepay.into(),
        ..forged
    };
    rig.set(forged).await.unwrap();
    shop.answer("fail").await;
    shop.answer("success").await;
    rig.prepay(NUMBER, &shop.url).await;
    for _ in 0..2 {
        let letter = shop.letter().await;
        assert!(!sign::verify(&letter, &key()));
        assert_eq!(
            (
                letter["pay_result"].as_str(),
                letter["out_trade_no"].as_str()
            ),
            ("0", NUMBER)
        );
    }
    assert_eq!(rig.charge(NUMBER).await.state(), pb::ChargeState::Notpay);
    assert_eq!(
        rig.misdeeds(NUMBER).await,
        [(Kind::Forged, Step::Prepay, 1, 1)]
    );
}
