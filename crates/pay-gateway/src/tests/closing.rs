//! `ClosePayment` of what the customer was to pay (c→b): asked, waited for, decided by a query.

use std::time::Duration;

use domain::{ObligationKind, OutTradeNo, PaymentState};
use jiff::Timestamp;
use proto::gateway::v1::PaymentState as Wire;
use proto::time::from_proto;
use seam::Clock;

use super::asks::request;
use super::bed::{Bed, FEN, Setup, next, number, on_both, on_both_with};
use super::channel::{CLOSE, Gate, QUERY, Says, not_found, paid, refused, since, state};
use super::stands::{DEAD_BY_QUERY, DEAD_BY_REPLY, PAID_BY_QUERY};

/// How old a payment must be before the channel closes it: five minutes from when it was told
/// of it at the latest.
const OLD: u64 = 305;

fn noon() -> Timestamp {
    testkit::clock().now()
}

impl Bed {
    async fn closes(&self) -> work::Tally {
        self.drain(ObligationKind::Close).await
    }

    /// A payment that was to be closed at once, and the moment from which the channel does it.
    async fn is_closing(&self, number: OutTradeNo) {
        self.prepay(number).await;
        self.close(number).await;
        self.wait(OLD);
    }
}

#[tokio::test]
async fn whatever_is_open_becomes_closing_and_stays_live() {
    on_both(async |bed| {
        let open = [
            PaymentState::Sent,
            PaymentState::Pending,
            PaymentState::Unknown,
        ];
        for (n, from) in (1..).zip(open) {
            let one = number(n);
            bed.reach(one, from).await;
            let closing = bed.close(one).await;
            assert_eq!(
                (closing.state(), closing.reason.as_str()),
                (Wire::Closing, "TEST")
            );
            let earliest = closing.earliest_close_time.as_ref().and_then(from_proto);
            assert_eq!(earliest, Some(noon() + Duration::from_secs(OLD)));
            assert_eq!(closing.pay_info, "");
            bed.stands(one, PaymentState::Closing, (true, &[])).await;
            assert_eq!(bed.due_in(one).await, Duration::ZERO);
            assert_eq!(bed.events(one).await.last().unwrap(), "CLOSE");
            // Asked again, it is closing already; and no other may begin beside it.
            assert_eq!(bed.close(one).await, closing);
            let refused = bed.try_prepay(request(next(one))).await.unwrap_err();
            let reason = mesh::reason_of(&refused);
            assert_eq!(reason.as_deref(), Some("PAYMENT_IN_PROGRESS"));
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_over_is_answered_as_it_stands() {
    on_both(async |bed| {
        for (n, from) in [(1, PaymentState::Declined), (2, PaymentState::Closed)] {
            bed.reach(number(n), from).await;
            let before = bed.query(number(n)).await;
            assert_eq!(bed.close(number(n)).await, before);
        }
        bed.prepay(number(3)).await;
        bed.is_paid_by_callback(number(3)).await;
        assert_eq!(bed.close(number(3)).await.state(), Wire::Succeeded);
        bed.closes().await;
        assert!(bed.channel.asked(CLOSE).is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_prepay_nobody_can_have_seen_is_dead_at_once_when_it_is_to_be_closed() {
    on_both(async |bed| {
        bed.reach(number(1), PaymentState::Unknown).await;
        bed.wait(5);
        let given_up = bed.close(number(1)).await;
        assert_eq!(given_up.reason, "PAY_INFO_LOST");
        bed.stands(number(1), PaymentState::Closing, (false, &[DEAD_BY_REPLY]))
            .await;
        assert_eq!(bed.prepay(next(number(1))).await.state(), Wire::Pending);
    })
    .await;
}

#[tokio::test]
async fn nothing_is_closed_before_the_channel_allows_it() {
    on_both(async |bed| {
        let one = number(1);
        bed.prepay(one).await;
        bed.wait(1);
        bed.close(one).await;
        let waits = since(CLOSE, state("NOTPAY"), state("CLOSED"));
        bed.channel.says(QUERY, waits);
        assert_eq!(bed.closes().await.postponed, 1);
        assert_eq!(bed.channel.asked(QUERY).len(), 1);
        assert_eq!(bed.due_in(one).await, Duration::from_secs(OLD - 1));
        bed.clock
            .advance(Duration::from_micros((OLD - 1) * 1_000_000 - 1));
        assert_eq!(bed.closes().await, work::Tally::default());
        assert!(bed.channel.asked(CLOSE).is_empty());
        bed.stands(one, PaymentState::Closing, (true, &[])).await;

        bed.clock.advance(Duration::from_micros(1));
        assert_eq!(bed.closes().await.done, 1);
        assert_eq!(bed.channel.asked(CLOSE).len(), 1);
        bed.stands(one, PaymentState::Closed, (false, &[DEAD_BY_QUERY]))
            .await;
        assert_eq!(bed.query(one).await.reason, "TEST");
        assert_eq!(bed.due_in(one).await, Duration::from_mins(10));
        let ending = ["CLOSE", "CLOSE_SENT", "CLOSE_ENDED", "QUERY_CLOSED"];
        assert_eq!(bed.events(one).await[2..], ending);
        // Another attempt may begin now.
        assert_eq!(bed.prepay(next(one)).await.state(), Wire::Pending);
    })
    .await;
}

#[tokio::test]
async fn what_is_paid_is_recorded_and_never_closed() {
    on_both(async |bed| {
        for (n, waited) in [(1, 0), (2, OLD)] {
            let one = number(n);
            bed.prepay(one).await;
            bed.close(one).await;
            bed.wait(waited);
            bed.channel.says(QUERY, paid(FEN, bed.now()));
            assert_eq!(bed.closes().await.done, 1);
            bed.stands(one, PaymentState::Succeeded, (true, &[PAID_BY_QUERY]))
                .await;
        }
        assert!(bed.channel.asked(CLOSE).is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_payer_who_was_quicker_than_the_close_has_paid() {
    on_both(async |bed| {
        bed.is_closing(number(1)).await;
        bed.channel.says(CLOSE, refused("ORDERPAID"));
        let quicker = since(CLOSE, state("NOTPAY"), paid(FEN, bed.now()));
        bed.channel.says(QUERY, quicker);
        assert_eq!(bed.closes().await.done, 1);
        bed.stands(number(1), PaymentState::Succeeded, (true, &[PAID_BY_QUERY]))
            .await;
    })
    .await;
}

#[tokio::test]
async fn an_accepted_close_alone_closes_nothing() {
    on_both(async |bed| {
        bed.is_closing(number(1)).await;
        bed.channel.says(QUERY, state("NOTPAY"));
        for times in 1..=4 {
            assert_eq!(bed.closes().await.postponed, 1);
            assert_eq!(bed.channel.asked(CLOSE).len(), times);
            bed.stands(number(1), PaymentState::Closing, (true, &[]))
                .await;
            let pause = bed.due_in(number(1)).await;
            assert_eq!(pause, Duration::from_secs(5 << (times - 1)));
            bed.clock.advance(pause);
        }
        bed.channel.says(QUERY, state("CLOSED"));
        assert_eq!(bed.closes().await.done, 1);
        assert_eq!(bed.channel.asked(CLOSE).len(), 4);
        bed.stands(number(1), PaymentState::Closed, (false, &[DEAD_BY_QUERY]))
            .await;
    })
    .await;
}

#[tokio::test]
async fn no_such_order_proves_absence_only_after_a_close_and_its_grace() {
    on_both(async |bed| {
        let one = number(1);
        bed.prepay(one).await;
        bed.close(one).await;
        bed.channel.says(QUERY, not_found());
        bed.channel.says(CLOSE, refused("ORDERNOTEXIST"));
        // Before a close it proves nothing, however late it is.
        assert_eq!(bed.query(one).await.state(), Wire::Closing);
        bed.wait(OLD);
        assert_eq!(bed.query(one).await.state(), Wire::Closing);
        assert_eq!(bed.closes().await.postponed, 1);
        assert_eq!(bed.due_in(one).await, Duration::from_secs(10));
        bed.clock.advance(Duration::from_micros(9_999_999));
        assert_eq!(bed.query(one).await.state(), Wire::Closing);
        bed.stands(one, PaymentState::Closing, (true, &[])).await;
        bed.clock.advance(Duration::from_micros(1));
        assert_eq!(bed.closes().await.done, 1);
        bed.stands(one, PaymentState::Closed, (false, &[DEAD_BY_QUERY]))
            .await;
        assert_eq!(bed.channel.asked(CLOSE).len(), 1);
    })
    .await;
}

#[tokio::test]
async fn nothing_is_closed_before_its_send_time_and_the_grace_are_over() {
    on_both(async |bed| {
        let one = number(1);
        bed.pay(one).await;
        bed.close_by_code(one).await;
        bed.channel.says(QUERY, state("CLOSED"));
        // 5 s to send, and 10 s of grace.
        assert_eq!(bed.closes().await.postponed, 1);
        assert_eq!(bed.due_in(one).await, Duration::from_secs(15));
        bed.clock.advance(Duration::from_micros(14_999_999));
        assert_eq!(bed.query(one).await.state(), Wire::Closing);
        bed.clock.advance(Duration::from_micros(1));
        assert_eq!(bed.closes().await.done, 1);
        bed.stands(one, PaymentState::Closed, (false, &[DEAD_BY_QUERY]))
            .await;
    })
    .await;
}

#[tokio::test]
async fn what_was_given_up_is_closed_at_the_channel_too() {
    on_both(async |bed| {
        let one = number(1);
        bed.reach(one, PaymentState::Closing).await;
        assert_eq!(bed.closes().await.postponed, 1);
        bed.wait(OLD);
        let waits = since(CLOSE, state("NOTPAY"), state("CLOSED"));
        bed.channel.says(QUERY, waits);
        assert_eq!(bed.closes().await.done, 1);
        let told = [DEAD_BY_REPLY, DEAD_BY_QUERY];
        bed.stands(one, PaymentState::Closed, (false, &told)).await;
    })
    .await;
}

#[tokio::test]
async fn evidence_that_comes_while_a_query_is_answered_is_asked_about_at_once() {
    on_both(async |bed| {
        let (one, gate) = (number(1), Gate::shut());
        bed.is_closing(one).await;
        let late = gate.holds(state("CLOSED"));
        bed.channel.says(QUERY, since(CLOSE, state("NOTPAY"), late));
        let job = bed.drain_meanwhile(ObligationKind::Close);
        bed.channel.was_asked(QUERY, 2).await;
        bed.is_told_of_money(one).await;
        bed.channel.says(QUERY, paid(FEN, bed.now()));
        gate.open();
        job.await.unwrap();
        bed.stands(one, PaymentState::Succeeded, (true, &[PAID_BY_QUERY]))
            .await;
    })
    .await;
}

#[tokio::test]
async fn without_an_answer_nothing_is_closed_and_the_pauses_grow() {
    on_both(async |bed| {
        bed.is_closing(number(1)).await;
        bed.channel.says(QUERY, Says::Garbage("<"));
        for pause in [5, 10, 20, 40] {
            assert_eq!(bed.closes().await.postponed, 1);
            assert_eq!(bed.due_in(number(1)).await, Duration::from_secs(pause));
            bed.wait(pause);
        }
        // In the end somebody is told, once a day, and it stays owed.
        let mut tries = 4;
        while bed.closes().await.failed == 0 {
            tries += 1;
            let pause = bed.due_in(number(1)).await;
            assert!(pause <= Duration::from_mins(30), "{pause:?}");
            bed.clock.advance(pause);
        }
        assert_eq!(tries, 20);
        assert_eq!(bed.due_in(number(1)).await, Duration::from_hours(24));
        assert!(bed.channel.asked(CLOSE).is_empty());
        bed.stands(number(1), PaymentState::Closing, (true, &[]))
            .await;
    })
    .await;
}

#[tokio::test]
async fn a_close_without_an_answer_may_still_be_under_way() {
    let hasty = Setup {
        timeout: Duration::from_millis(300),
        ..Setup::default()
    };
    on_both_with(hasty, async |bed| {
        let one = number(1);
        bed.is_closing(one).await;
        bed.channel.says(CLOSE, Says::Silence);
        bed.channel.says(QUERY, not_found());
        assert_eq!(bed.closes().await.postponed, 1);
        // It may have been heard, and the channel may still be at it.
        assert_eq!(bed.due_in(one).await, Duration::from_secs(10));
        assert_eq!(bed.query(one).await.state(), Wire::Closing);
        bed.wait(10);
        assert_eq!(bed.query(one).await.state(), Wire::Closing);
        assert_eq!(bed.closes().await.postponed, 1);
        bed.wait(10);
        assert_eq!(bed.closes().await.done, 1);
        bed.stands(one, PaymentState::Closed, (false, &[DEAD_BY_QUERY]))
            .await;
    })
    .await;
}

#[tokio::test]
async fn money_of_another_amount_is_recorded_and_never_closed() {
    on_both(async |bed| {
        // Found before a close is sent, and by the query after it.
        let late = since(CLOSE, state("NOTPAY"), paid(FEN - 1, bed.now()));
        for (n, says) in [(1, paid(FEN - 1, bed.now())), (2, late)] {
            let one = number(n);
            bed.is_closing(one).await;
            bed.channel.says(QUERY, says);
            assert_eq!(bed.closes().await.done, 1);
            bed.stands(one, PaymentState::Succeeded, (true, &[PAID_BY_QUERY]))
                .await;
            assert_eq!(bed.told_fen(one).await, [FEN - 1]);
            assert_eq!(bed.channel.asked(CLOSE).len(), usize::from(n - 1));
        }
    })
    .await;
}
