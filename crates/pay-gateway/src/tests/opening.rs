//! How a payment begins: the intent, the answer to it, a fence, a refusal.

use std::time::{Duration, Instant};

use domain::{ObligationKind, PaymentState};
use proto::gateway::v1::PaymentState as Wire;

use super::asks::{by_code, request};
use super::bed::{FEN, SEND, Setup, next, number, on_both, on_both_with};
use super::channel::{Gate, PAY, PAY_INFO, PREPAY, QUERY, Says, ready, refused, state};
use super::stands::{DEAD_BY_QUERY, DEAD_BY_REPLY};

#[tokio::test]
async fn a_prepay_is_on_record_as_sent_before_the_channel_answers() {
    on_both(async |bed| {
        let (one, gate) = (number(1), Gate::shut());
        bed.channel.says(PREPAY, gate.holds(ready()));
        let call = bed.prepay_meanwhile(one);
        bed.channel.was_asked(PREPAY, 1).await;

        bed.stands(one, PaymentState::Sent, (true, &[])).await;
        let stored = bed.stored(one).await;
        assert_eq!(stored.send_before, bed.now() + SEND);
        assert_eq!(bed.due_in(one).await, Duration::from_secs(10));
        let repeat = bed.prepay(one).await;
        assert_eq!((repeat.state(), repeat.pay_info.as_str()), (Wire::Sent, ""));
        assert_eq!(bed.channel.asked(PREPAY).len(), 1);

        gate.open();
        assert_eq!(call.await.unwrap().pay_info, PAY_INFO);
        bed.stands(one, PaymentState::Pending, (true, &[])).await;
    })
    .await;
}

#[tokio::test]
async fn what_the_channel_prepared_is_pending_and_a_repeat_shows_it_again() {
    on_both(async |bed| {
        let one = number(1);
        let first = bed.prepay(one).await;
        assert_eq!(
            (first.state(), first.pay_info.as_str()),
            (Wire::Pending, PAY_INFO)
        );
        assert_eq!(first.reason, "");
        bed.stands(one, PaymentState::Pending, (true, &[])).await;
        assert_eq!(bed.events(one).await, ["PREPAY", "PREPARED"]);

        bed.wait(60);
        assert_eq!(bed.prepay(one).await, first);
        let asked = bed.channel.asked(PREPAY);
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0]["total_fee"], FEN.to_string());
        assert_eq!(asked[0]["out_trade_no"], one.to_string());
        // The rest of the pay limit is the channel's own expiry.
        assert_eq!(asked[0]["time_start"], "20261120120000");
        assert_eq!(asked[0]["time_expire"], "20261120140000");
    })
    .await;
}

#[tokio::test]
async fn a_payment_nobody_knows_is_fenced_off_and_a_late_prepay_finds_it_closed() {
    on_both(async |bed| {
        let one = number(1);
        let fenced = bed.close(one).await;
        assert_eq!(
            (fenced.state(), fenced.reason.as_str()),
            (Wire::Closed, "FENCED")
        );
        bed.stands(one, PaymentState::Closed, (false, &[])).await;
        assert_eq!(bed.due_in(one).await, Duration::from_mins(10));

        assert_eq!(bed.prepay(one).await, fenced);
        assert_eq!(bed.close(one).await, fenced);
        bed.stands(one, PaymentState::Closed, (false, &[])).await;
        assert!(bed.channel.asked(PREPAY).is_empty());
        // It stands in nobody's way.
        assert_eq!(bed.prepay(next(one)).await.state(), Wire::Pending);
    })
    .await;
}

#[tokio::test]
async fn a_close_before_a_delayed_pay_fences_it_off_too() {
    on_both(async |bed| {
        let one = number(1);
        let fenced = bed.close_by_code(one).await;
        assert_eq!(
            (fenced.state(), fenced.reason.as_str()),
            (Wire::Closed, "FENCED")
        );
        assert_eq!(bed.pay(one).await, fenced);
        assert!(bed.channel.asked(PAY).is_empty());
        bed.stands(one, PaymentState::Closed, (false, &[])).await;
        assert_eq!(bed.pay(next(one)).await.state(), Wire::Pending);
    })
    .await;
}

#[tokio::test]
async fn attempts_by_both_ways_at_once_are_one_charge() {
    on_both(async |bed| {
        let (one, two) = (number(1), next(number(1)));
        let (prepay, pay) = tokio::join!(bed.try_prepay(request(one)), bed.try_pay(by_code(two)));
        let refused = prepay.as_ref().err().or(pay.as_ref().err()).unwrap();
        assert_eq!(
            mesh::reason_of(refused).as_deref(),
            Some("PAYMENT_IN_PROGRESS")
        );
        let asked = bed.channel.asked(PREPAY).len() + bed.channel.asked(PAY).len();
        assert_eq!(asked, 1);
        let live = "SELECT COUNT(*) FROM payments WHERE live = 1";
        assert_eq!(bed.test_db.count(live).await, 1);
    })
    .await;
}

#[tokio::test]
async fn without_a_merchant_account_a_payment_is_declined_before_it_began() {
    on_both(async |bed| {
        bed.shops.knows(vec![]);
        let one = number(1);
        let declined = bed.prepay(one).await;
        assert_eq!(declined.state(), Wire::Declined);
        assert_eq!(declined.reason, "NO_MERCHANT_ACCOUNT");
        bed.stands(one, PaymentState::Declined, (false, &[DEAD_BY_REPLY]))
            .await;
        assert_eq!(bed.prepay(one).await, declined);
        assert!(bed.channel.asked(PREPAY).is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_channel_that_refuses_connections_was_not_sent_anything() {
    let nobody = Setup {
        is_there: false,
        ..Setup::default()
    };
    on_both_with(nobody, async |bed| {
        let one = number(1);
        let declined = bed.prepay(one).await;
        assert_eq!(
            (declined.state(), declined.reason.as_str()),
            (Wire::Declined, "NOT_SENT")
        );
        bed.stands(one, PaymentState::Declined, (false, &[DEAD_BY_REPLY]))
            .await;
    })
    .await;
}

#[tokio::test]
async fn a_channel_to_which_no_connection_is_made_in_time_was_not_sent_anything() {
    let hasty = Setup {
        connect_timeout: Duration::from_millis(100),
        ..Setup::default()
    };
    on_both_with(hasty, async |bed| {
        bed.dials.hang();
        let begun = Instant::now();
        let declined = bed.prepay(number(1)).await;
        assert_eq!(
            (declined.state(), declined.reason.as_str()),
            (Wire::Declined, "NOT_SENT")
        );
        // Long before it would have had to answer.
        assert!(begun.elapsed() < Duration::from_millis(1500));
    })
    .await;
}

#[tokio::test]
async fn a_prepay_whose_send_time_is_over_is_not_sent() {
    let at_once = Setup {
        timeout: Duration::ZERO,
        ..Setup::default()
    };
    on_both_with(at_once, async |bed| {
        let one = number(1);
        let declined = bed.prepay(one).await;
        assert_eq!(
            (declined.state(), declined.reason.as_str()),
            (Wire::Declined, "NOT_SENT")
        );
        bed.stands(one, PaymentState::Declined, (false, &[DEAD_BY_REPLY]))
            .await;
        assert!(bed.channel.asked(PREPAY).is_empty());
    })
    .await;
}

#[tokio::test]
async fn silence_and_garbage_are_unknown_and_never_declined() {
    let hasty = Setup {
        timeout: Duration::from_millis(300),
        ..Setup::default()
    };
    on_both_with(hasty, async |bed| {
        let answers = [
            Says::Silence,
            Says::Garbage(""),
            Says::Garbage("<xml><status>0"),
            Says::Garbage("<xml><status>500</status><message>busy</message></xml>"),
            Says::Forged(vec![("pay_info", "{}".to_owned())]),
            Says::Forged(vec![
                ("result_code", "1".to_owned()),
                ("err_code", "AUTH".to_owned()),
            ]),
            Says::Reply(vec![]),
            refused("SYSTEMERROR"),
            refused("OUT_TRADE_NO_USED"),
        ];
        for (n, says) in (1..).zip(answers) {
            bed.channel.says(PREPAY, says);
            let answer = bed.prepay(number(n)).await;
            assert_eq!(
                (answer.state(), answer.reason.as_str()),
                (Wire::Unknown, "NO_ANSWER")
            );
            assert_eq!(answer.pay_info, "");
            bed.stands(number(n), PaymentState::Unknown, (true, &[]))
                .await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_final_refusal_is_declined_and_another_attempt_may_follow() {
    on_both(async |bed| {
        let one = number(1);
        bed.channel.says(PREPAY, refused("AUTH"));
        let declined = bed.prepay(one).await;
        assert_eq!(
            (declined.state(), declined.reason.as_str()),
            (Wire::Declined, "NOT_PAID")
        );
        bed.stands(one, PaymentState::Declined, (false, &[DEAD_BY_REPLY]))
            .await;
        bed.channel.says(PREPAY, ready());
        assert_eq!(bed.prepay(one).await, declined);
        assert_eq!(bed.prepay(next(one)).await.state(), Wire::Pending);
        assert_eq!(bed.channel.asked(PREPAY).len(), 2);
    })
    .await;
}

#[tokio::test]
async fn an_order_has_one_live_payment() {
    on_both(async |bed| {
        let one = number(1);
        bed.prepay(one).await;
        let refused = bed.try_prepay(request(next(one))).await.unwrap_err();
        assert_eq!(
            mesh::reason_of(&refused).as_deref(),
            Some("PAYMENT_IN_PROGRESS")
        );
        assert!(bed.find(next(one)).await.is_none());
        assert_eq!(bed.channel.asked(PREPAY).len(), 1);
        // Once it is dead, another may begin; and only that one is live.
        bed.channel.says(QUERY, state("PAYERROR"));
        bed.query(one).await;
        bed.stands(one, PaymentState::Declined, (false, &[DEAD_BY_QUERY]))
            .await;
        assert_eq!(bed.prepay(next(one)).await.state(), Wire::Pending);
        bed.stands(next(one), PaymentState::Pending, (true, &[]))
            .await;
    })
    .await;
}

#[tokio::test]
async fn of_attempts_at_once_one_is_live_and_the_channel_is_asked_once() {
    on_both(async |bed| {
        let one = number(1);
        let all = std::iter::successors(Some(one), |last| Some(next(*last))).take(10);
        let answers = bed.prepay_at_once(all.map(request)).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
        for refused in answers.iter().filter_map(|answer| answer.as_ref().err()) {
            assert_eq!(
                mesh::reason_of(refused).as_deref(),
                Some("PAYMENT_IN_PROGRESS")
            );
        }
        assert_eq!(bed.channel.asked(PREPAY).len(), 1);
        assert_eq!(bed.count_owed(ObligationKind::Poll).await, 1);
    })
    .await;
}

#[tokio::test]
async fn repeats_at_once_are_one_payment() {
    on_both(async |bed| {
        let one = number(1);
        for answer in bed.prepay_at_once((0..10).map(|_| request(one))).await {
            let answer = answer.unwrap();
            assert!([Wire::Sent, Wire::Pending].contains(&answer.state()));
        }
        assert_eq!(bed.channel.asked(PREPAY).len(), 1);
        bed.stands(one, PaymentState::Pending, (true, &[])).await;
        assert_eq!(bed.events(one).await, ["PREPAY", "PREPARED"]);
    })
    .await;
}

#[tokio::test]
async fn the_same_attempt_with_another_content_is_refused() {
    on_both(async |bed| {
        let one = number(1);
        bed.prepay(one).await;
        let mut other = request(one);
        other.amount_fen += 1;
        let refused = bed.try_prepay(other).await.unwrap_err();
        assert_eq!(
            mesh::reason_of(&refused).as_deref(),
            Some("PAYMENT_DIFFERS")
        );
        bed.stands(one, PaymentState::Pending, (true, &[])).await;
    })
    .await;
}

#[tokio::test]
async fn a_repeat_from_another_address_is_the_same_payment() {
    on_both(async |bed| {
        let (one, two) = (number(1), number(2));
        let (first, second) = (bed.prepay(one).await, bed.pay(two).await);
        let (mut prepay, mut pay) = (request(one), by_code(two));
        "10.9.9.9".clone_into(&mut prepay.client_ip);
        "10.9.9.9".clone_into(&mut pay.client_ip);
        assert_eq!(bed.try_prepay(prepay).await.unwrap(), first);
        assert_eq!(bed.try_pay(pay).await.unwrap(), second);
        assert_eq!(bed.stored(one).await.asked.client_ip, "10.0.0.1");
        let asked = (bed.channel.asked(PREPAY), bed.channel.asked(PAY));
        assert_eq!((asked.0.len(), asked.1.len()), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn every_query_is_understood() {
    on_both(async |bed| {
        for query in crate::QUERIES {
            bed.gateway.db().prepare(query).await.unwrap();
        }
    })
    .await;
}
