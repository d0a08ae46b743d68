//! Polls: when a live payment is asked about, and what comes of it.

use std::time::Duration;

use domain::{ObligationKind, PaymentState};
use seam::Clock;
use work::Tally;

use super::bed::{Bed, FEN, LIMIT, Setup, number, on_both, on_both_with};
use super::channel::{QUERY, Says, paid, state};
use super::stands::{PAID_BY_CALLBACK, PAID_BY_QUERY};
use crate::flow::examine::{Examined, examine};

/// Drains polls a moment before an age and at it: no query the first time, one the second.
async fn is_asked_at(bed: &Bed, age: Duration) {
    let due = testkit::clock().now() + age;
    bed.clock.set(due - Duration::from_micros(1));
    let before = bed.channel.asked(QUERY).len();
    assert_eq!(
        bed.drain(ObligationKind::Poll).await,
        Tally::default(),
        "before {age:?}"
    );
    assert_eq!(bed.channel.asked(QUERY).len(), before);
    bed.clock.set(due);
    let once = Tally {
        postponed: 1,
        ..Tally::default()
    };
    assert_eq!(bed.drain(ObligationKind::Poll).await, once, "at {age:?}");
    assert_eq!(bed.channel.asked(QUERY).len(), before + 1, "at {age:?}");
}

#[tokio::test]
async fn a_shown_code_is_asked_about_until_the_limit_and_hourly_after_it() {
    on_both(async |bed| {
        bed.prepay(number(1)).await;
        bed.channel.says(QUERY, state("NOTPAY"));
        let minutes = (2..=15).map(|minute| minute * 60);
        let fives = (4..=24).map(|five| five * 300);
        let ages = [10, 30, 60].into_iter().chain(minutes).chain(fives);
        for age in ages {
            is_asked_at(bed, Duration::from_secs(age)).await;
        }
        for hour in 3..6 {
            is_asked_at(bed, Duration::from_hours(hour)).await;
        }
        // Polls that brought nothing are no lines.
        bed.stands(number(1), PaymentState::Pending, (true, &[]))
            .await;
        assert_eq!(bed.events(number(1)).await, ["PREPAY", "PREPARED"]);
    })
    .await;
}

#[tokio::test]
async fn unknown_is_asked_about_beyond_the_limit_until_there_is_evidence() {
    // Its send time is not over, so that it is not given up.
    let patient = Setup {
        timeout: Duration::from_hours(100),
        ..Setup::default()
    };
    on_both_with(patient, async |bed| {
        bed.reach(number(1), PaymentState::Unknown).await;
        bed.channel.says(QUERY, Says::Garbage("<"));
        is_asked_at(bed, Duration::from_secs(10)).await;
        is_asked_at(bed, Duration::from_secs(30)).await;
        bed.clock.advance(LIMIT);
        assert_eq!(bed.drain(ObligationKind::Poll).await.postponed, 1);
        for _ in 0..30 {
            bed.clock.advance(Duration::from_mins(59));
            assert_eq!(bed.drain(ObligationKind::Poll).await, Tally::default());
            bed.clock.advance(Duration::from_mins(1));
            assert_eq!(bed.drain(ObligationKind::Poll).await.postponed, 1);
        }
        bed.stands(number(1), PaymentState::Unknown, (true, &[]))
            .await;
        assert_eq!(bed.events(number(1)).await, ["PREPAY", "NO_ANSWER"]);
        bed.clock.advance(Duration::from_hours(1));
        bed.channel.says(QUERY, paid(FEN, bed.now()));
        assert_eq!(bed.drain(ObligationKind::Poll).await.done, 1);
        bed.stands(number(1), PaymentState::Succeeded, (true, &[PAID_BY_QUERY]))
            .await;
    })
    .await;
}

#[tokio::test]
async fn missed_polls_are_not_made_up() {
    on_both(async |bed| {
        bed.prepay(number(1)).await;
        bed.channel.says(QUERY, state("NOTPAY"));
        bed.wait(901);
        assert_eq!(bed.drain(ObligationKind::Poll).await.postponed, 1);
        assert_eq!(bed.channel.asked(QUERY).len(), 1);
        assert_eq!(bed.due_in(number(1)).await, Duration::from_secs(299));
    })
    .await;
}

#[tokio::test]
async fn a_poll_finds_the_money_whose_callback_was_lost() {
    on_both(async |bed| {
        bed.prepay(number(1)).await;
        bed.wait(7);
        let paid_at = bed.now();
        bed.channel.says(QUERY, paid(FEN, paid_at));
        bed.wait(3);
        assert_eq!(bed.drain(ObligationKind::Poll).await.done, 1);
        bed.stands(number(1), PaymentState::Succeeded, (true, &[PAID_BY_QUERY]))
            .await;
        assert_eq!(bed.stored(number(1)).await.paid_at, Some(paid_at));
        assert_eq!(bed.channel.asked(QUERY)[0]["mch_id"], super::shops::MCH_ID);
        bed.wait(3600);
        assert_eq!(bed.drain(ObligationKind::Poll).await, Tally::default());
        assert_eq!(bed.channel.asked(QUERY).len(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_became_known_meanwhile_is_polled_no_more() {
    on_both(async |bed| {
        bed.prepay(number(1)).await;
        bed.is_paid_by_callback(number(1)).await;
        bed.wait(10);
        assert_eq!(bed.drain(ObligationKind::Poll).await, Tally::default());
        assert!(bed.channel.asked(QUERY).is_empty());
    })
    .await;
}

#[tokio::test]
async fn money_of_another_amount_that_a_query_confirms_is_told_as_what_it_is() {
    on_both(async |bed| {
        for (n, fen) in [(1, FEN + 1), (2, 1)] {
            let one = number(n);
            bed.prepay(one).await;
            bed.wait(10);
            bed.channel.says(QUERY, paid(fen, bed.now()));
            assert_eq!(bed.drain(ObligationKind::Poll).await.done, 1);
            bed.stands(one, PaymentState::Succeeded, (true, &[PAID_BY_QUERY]))
                .await;
            let shown = bed.query(one).await;
            assert_eq!(shown.reason, "AMOUNT_DIFFERS");
            assert_eq!((shown.amount_fen, shown.paid_fen), (FEN, fen));
            assert_eq!(bed.told_fen(one).await, [fen]);
        }
    })
    .await;
}

#[tokio::test]
async fn money_is_counted_once_whatever_a_later_query_says() {
    on_both(async |bed| {
        let one = number(1);
        bed.prepay(one).await;
        bed.is_paid_by_callback(one).await;
        bed.wait(60);
        bed.channel.says(QUERY, paid(FEN - 1, bed.now()));
        let examined = examine(&bed.gateway.0, bed.stored(one).await).await;
        assert!(matches!(examined.unwrap(), Examined::Mismatch(_)));
        let shown = bed.refresh(one).await;
        assert_eq!((shown.paid_fen, shown.reason.as_str()), (FEN, ""));
        bed.stands(one, PaymentState::Succeeded, (true, &[PAID_BY_CALLBACK]))
            .await;
    })
    .await;
}

#[tokio::test]
async fn no_money_is_no_success() {
    on_both(async |bed| {
        bed.prepay(number(1)).await;
        bed.wait(10);
        bed.channel.says(QUERY, paid(0, bed.now()));
        assert_eq!(bed.drain(ObligationKind::Poll).await.failed, 1);
        bed.stands(number(1), PaymentState::Pending, (true, &[]))
            .await;
        assert_eq!(bed.due_in(number(1)).await, Duration::from_hours(24));
    })
    .await;
}

#[tokio::test]
async fn money_of_another_currency_is_no_payment() {
    on_both(async |bed| {
        bed.prepay(number(1)).await;
        bed.wait(10);
        let Says::Reply(mut fields) = paid(FEN, bed.now()) else {
            panic!("a reply")
        };
        fields.push(("fee_type", "USD".to_owned()));
        bed.channel.says(QUERY, Says::Reply(fields));
        assert_eq!(bed.drain(ObligationKind::Poll).await.failed, 1);
        bed.stands(number(1), PaymentState::Pending, (true, &[]))
            .await;
    })
    .await;
}
