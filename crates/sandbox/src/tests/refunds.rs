//! Refunds: one for each number, never more than was paid.

use pb::{ChargeState, MisbehaviourKind as Kind, RefundState, Step};

use super::*;

const NUMBER: &str = "W1709251528510010000";

impl Rig {
    async fn with_payment() -> Self {
        let rig = Self::new().await;
        rig.prepay(NUMBER, "127.0.0.1").await;
        rig.pay(NUMBER).await.unwrap();
        rig
    }

    /// What a query says of one refund.
    async fn ask_refund(&self, refund: &str) -> Fields {
        let request = about("unified.trade.refundquery", "");
        self.call(with(request, "out_refund_no", refund)).await
    }

    async fn status(&self, refund: &str) -> String {
        let reply = self.ask_refund(refund).await;
        accepted(&reply);
        reply["refund_status_0"].clone()
    }

    /// Refunds end so from now on.
    async fn ending(&self, state: RefundState, delay: u64) {
        let ending = pb::RefundEnding {
            state: state.into(),
            delay: millis(delay),
        };
        self.script(Misbehaviour::RefundEnding(ending)).await;
    }

    async fn states(&self) -> Vec<RefundState> {
        self.refunds().await.iter().map(pb::Refund::state).collect()
    }
}

#[tokio::test]
async fn part_of_a_payment_goes_back() {
    let rig = Rig::with_payment().await;
    let reply = rig.refund(NUMBER, "R170925152851001", "250").await;
    accepted(&reply);
    let charge = rig.charge(NUMBER).await;
    for (name, value) in [
        ("out_trade_no", NUMBER),
        ("out_refund_no", "R170925152851001"),
        ("refund_fee", "250"),
        ("refund_channel", "ORIGINAL"),
        ("trade_type", "pay.weixin.jspay"),
        ("transaction_id", charge.transaction_id.as_str()),
    ] {
        assert_eq!(reply[name], value, "{name}");
    }
    assert_eq!(
        (charge.state(), charge.refunded_fen, charge.was_paid),
        (ChargeState::Refund, 250, true)
    );
    // A query about the charge still names the payment.
    let told = rig.query(NUMBER).await;
    assert_eq!(
        (told["trade_state"].as_str(), told["total_fee"].as_str()),
        ("REFUND", "1250")
    );
    let refund = rig.refunds().await.remove(0);
    assert_eq!(refund.refund_id, reply["refund_id"]);
    assert!(refund.refunded_time.is_some() && refund.sent == 1);
}

#[tokio::test]
async fn what_was_scanned_goes_back_too_and_alipay_needs_the_number() {
    let rig = Rig::new().await;
    rig.scan(NUMBER, ALIPAY_CODE).await;
    accepted(&rig.refund(NUMBER, "R1", "1250").await);
    assert_eq!(rig.status("R1").await, "SUCCESS");
    let vague = rig.ask_for("unified.trade.refundquery", NUMBER).await;
    assert_eq!(refusal(&vague), ("INVALID_REQUEST", "N"));
}

#[tokio::test]
async fn the_same_number_again_is_the_same_refund() {
    let rig = Rig::with_payment().await;
    let first = rig.refund(NUMBER, "R1", "700").await;
    let second = rig.refund(NUMBER, "R1", "700").await;
    assert_eq!(first["refund_id"], second["refund_id"]);
    for other in [
        refund_of(NUMBER, "R1", "701"),
        with(refund_of(NUMBER, "R1", "700"), "total_fee", "1251"),
    ] {
        let reply = rig.call(other).await;
        assert_eq!(refusal(&reply), ("INVALID_REQUEST", "N"));
    }
    rig.prepay("W1709251528510030000", "127.0.0.1").await;
    rig.pay("W1709251528510030000").await.unwrap();
    let elsewhere = rig.refund("W1709251528510030000", "R1", "700").await;
    assert_eq!(refusal(&elsewhere), ("INVALID_REQUEST", "N"));
    let refunds = rig.refunds().await;
    assert_eq!((refunds.len(), refunds[0].sent), (1, 2));
    assert_eq!(rig.charge(NUMBER).await.refunded_fen, 700);
}

#[tokio::test]
async fn together_refunds_are_never_more_than_was_paid() {
    let rig = Rig::with_payment().await;
    rig.ending(RefundState::Success, 60_000).await;
    let numbers: Vec<_> = (0..10).map(|place| format!("R{place}")).collect();
    let asks = numbers
        .iter()
        .map(|number| rig.refund(NUMBER, number, "300"));
    let replies = futures::future::join_all(asks).await;
    let taken = replies.iter().filter(|reply| reply["result_code"] == "0");
    assert_eq!(taken.count(), 4);
    let more = rig.refund(NUMBER, "R99", "51").await;
    assert_eq!(refusal(&more), ("REFUND_FEE_TOO_MUCH", "N"));
    accepted(&rig.refund(NUMBER, "R99", "50").await);
    rig.advance(60);
    assert_eq!(rig.charge(NUMBER).await.refunded_fen, 1250);
}

#[tokio::test]
async fn only_a_payment_goes_back() {
    let rig = Rig::new().await;
    let unknown = rig.refund(NUMBER, "R1", "1").await;
    assert_eq!(refusal(&unknown), ("ORDERNOTEXIST", "Y"));
    rig.prepay(NUMBER, "127.0.0.1").await;
    let unpaid = rig.refund(NUMBER, "R1", "1").await;
    assert_eq!(refusal(&unpaid), ("ORDERNOTPAID", "N"));
    rig.pay(NUMBER).await.unwrap();
    let good = refund_of(NUMBER, "R1", "1");
    let other = rig.call(with(good.clone(), "mch_id", "7551000002")).await;
    assert_eq!(refusal(&other), ("ORDERNOTEXIST", "Y"));
    for (field, value) in [
        ("out_refund_no", ""),
        ("total_fee", ""),
        ("refund_fee", "0"),
        ("refund_fee", "1.00"),
        ("refund_channel", "BALANCE"),
    ] {
        let reply = rig.call(with(good.clone(), field, value)).await;
        assert_eq!(refusal(&reply), ("INVALID_REQUEST", "N"));
        assert!(reply["err_msg"].contains(field), "{field}: {reply:?}");
    }
    assert_eq!(rig.refunds().await, []);
}

#[tokio::test]
async fn a_refund_is_asked_for_by_each_of_its_numbers() {
    let rig = Rig::with_payment().await;
    let first = rig.refund(NUMBER, "R1", "100").await;
    rig.refund(NUMBER, "R2", "200").await;
    let ask = |name: &str, value: &str| {
        let request = about("unified.trade.refundquery", "");
        rig.call(with(request, name, value))
    };
    let transaction = rig.charge(NUMBER).await.transaction_id;
    for (name, value, count) in [
        ("refund_id", first["refund_id"].as_str(), "1"),
        ("out_refund_no", "R1", "1"),
        ("transaction_id", &transaction, "2"),
        ("out_trade_no", NUMBER, "2"),
    ] {
        let reply = ask(name, value).await;
        accepted(&reply);
        assert_eq!(reply["refund_count"], count, "{name}");
        for (name, value) in [
            ("out_refund_no_0", "R1"),
            ("refund_fee_0", "100"),
            ("refund_status_0", "SUCCESS"),
            ("refund_channel_0", "ORIGINAL"),
            ("coupon_refund_fee_0", "0"),
            ("refund_time_0", "20170925152851"),
            ("out_trade_no", NUMBER),
        ] {
            assert_eq!(reply[name], value, "{name}");
        }
        let second = reply.get("refund_fee_1").map(String::as_str);
        assert_eq!(second, (count == "2").then_some("200"));
    }
    let unknown = ask("out_refund_no", "R3").await;
    assert_eq!(refusal(&unknown), ("REFUNDNOTEXIST", "Y"));
}

#[tokio::test]
async fn a_refund_that_is_unknown_or_anothers_is_not_told() {
    let rig = Rig::with_payment().await;
    let none = rig.ask_for("unified.trade.refundquery", NUMBER).await;
    assert_eq!(refusal(&none), ("REFUNDNOTEXIST", "Y"));
    rig.refund(NUMBER, "R1", "100").await;
    let other = with(
        about("unified.trade.refundquery", ""),
        "out_refund_no",
        "R1",
    );
    let other = rig.call(with(other, "mch_id", "7551000002")).await;
    assert_eq!(refusal(&other), ("REFUNDNOTEXIST", "Y"));
    let unnamed = rig.ask_refund("").await;
    assert_eq!(refusal(&unnamed), ("INVALID_REQUEST", "N"));
}

#[tokio::test]
async fn a_refund_is_under_way_until_its_time() {
    let rig = Rig::with_payment().await;
    rig.ending(RefundState::Success, 10_000).await;
    rig.refund(NUMBER, "R1", "100").await;
    rig.advance(9);
    let told = rig.ask_refund("R1").await;
    assert_eq!(told["refund_status_0"], "PROCESSING");
    assert!(!told.contains_key("refund_time_0"));
    assert_eq!(rig.state(NUMBER).await, ChargeState::Success);
    // Sending it again hurries nothing.
    accepted(&rig.refund(NUMBER, "R1", "100").await);
    let rig = rig.restart().await;
    assert_eq!(rig.status("R1").await, "PROCESSING");
    rig.advance(5);
    let told = rig.ask_refund("R1").await;
    assert_eq!(told["refund_status_0"], "SUCCESS");
    assert_eq!(told["refund_time_0"], "20170925152901");
    assert_eq!(rig.state(NUMBER).await, ChargeState::Refund);
    assert_eq!(
        rig.misdeeds(NUMBER).await,
        [(Kind::RefundEnding, Step::Refund, 1, 0)]
    );
}

#[tokio::test]
async fn a_refund_that_is_not_sure_succeeds_when_sent_again() {
    let rig = Rig::with_payment().await;
    rig.ending(RefundState::Notsure, 0).await;
    let first = rig.refund(NUMBER, "R1", "100").await;
    for _ in 0..2 {
        assert_eq!(rig.status("R1").await, "NOTSURE");
    }
    // What is not sure may have gone back: it counts.
    let more = rig.refund(NUMBER, "R2", "1151").await;
    assert_eq!(refusal(&more), ("REFUND_FEE_TOO_MUCH", "N"));
    let again = rig.refund(NUMBER, "R1", "100").await;
    assert_eq!(first["refund_id"], again["refund_id"]);
    assert_eq!(rig.status("R1").await, "SUCCESS");
    let refunds = rig.refunds().await;
    assert_eq!((refunds.len(), refunds[0].sent), (1, 2));
    assert_eq!(rig.charge(NUMBER).await.refunded_fen, 100);
}

#[tokio::test]
async fn a_refund_that_cannot_reach_the_card_is_left_to_people() {
    let rig = Rig::with_payment().await;
    rig.ending(RefundState::Change, 0).await;
    rig.refund(NUMBER, "R1", "1000").await;
    rig.refund(NUMBER, "R1", "1000").await;
    assert_eq!(rig.status("R1").await, "CHANGE");
    assert_eq!(rig.charge(NUMBER).await.refunded_fen, 0);
    let more = rig.refund(NUMBER, "R2", "251").await;
    assert_eq!(refusal(&more), ("REFUND_FEE_TOO_MUCH", "N"));
}

#[tokio::test]
async fn a_refund_that_failed_is_tried_again_under_its_number() {
    let rig = Rig::with_payment().await;
    rig.ending(RefundState::Fail, 0).await;
    for sent in 1..=2 {
        accepted(&rig.refund(NUMBER, "R1", "1250").await);
        assert_eq!(rig.status("R1").await, "FAIL");
        assert_eq!(rig.refunds().await[0].sent, sent);
    }
    assert_eq!(rig.state(NUMBER).await, ChargeState::Success);
    rig.ending(RefundState::Success, 0).await;
    // Its money is free for others until then.
    accepted(&rig.refund(NUMBER, "R2", "1").await);
    let more = rig.refund(NUMBER, "R1", "1250").await;
    assert_eq!(refusal(&more), ("REFUND_FEE_TOO_MUCH", "N"));
    accepted(&rig.refund(NUMBER, "R3", "1249").await);
    assert_eq!(
        rig.states().await,
        [
            RefundState::Fail,
            RefundState::Success,
            RefundState::Success
        ]
    );
}

#[tokio::test]
async fn a_refund_may_be_under_way_for_ever() {
    let rig = Rig::with_payment().await;
    rig.ending(RefundState::Processing, 0).await;
    rig.refund(NUMBER, "R1", "100").await;
    rig.advance(1_000_000);
    assert_eq!(rig.status("R1").await, "PROCESSING");
}

#[tokio::test]
async fn refunds_outlive_a_process_that_is_killed() {
    let rig = Rig::with_payment().await;
    rig.refund(NUMBER, "R1", "100").await;
    rig.ending(RefundState::Success, 60_000).await;
    rig.refund(NUMBER, "R2", "200").await;
    let (refunds, charge) = (rig.refunds().await, rig.charge(NUMBER).await);
    let killed = rig.killed();
    let mut after = Rig::new().await;
    after.sandbox = open(settings(killed.path()), &rig.clock, &after.net, 9).await;
    assert_eq!(after.refunds().await, refunds);
    assert_eq!(after.charge(NUMBER).await, charge);
    rig.advance(60);
    assert_eq!(after.charge(NUMBER).await.refunded_fen, 300);
}

#[tokio::test]
async fn refunds_are_read_in_pages() {
    let rig = Rig::with_payment().await;
    for place in [3, 1, 2] {
        rig.refund(NUMBER, &format!("R{place}"), "100").await;
    }
    let (mut numbers, mut token) = (Vec::new(), String::new());
    loop {
        let request = Request::new(pb::ListRefundsRequest {
            page_size: 2,
            page_token: token,
        });
        let page = rig.service().list_refunds(request).await.unwrap();
        let page = page.into_inner();
        numbers.extend(page.refunds.into_iter().map(|refund| refund.out_refund_no));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(numbers, ["R1", "R2", "R3"]);
}
