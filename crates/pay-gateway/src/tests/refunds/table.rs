//! The table of a refund, a row a test.

use std::time::Duration;

use domain::{ObligationKind, PaymentState, RefundFailure, RefundState};
use proto::gateway::v1::{RefundFailure as WireFailure, RefundState as Wire};
use proto::time::from_proto;
use work::{Tally, Verdict};

use super::scripted::{Hold, accepted_as, changed, done, failed, no_evidence, silence};
use super::{on_both_paid, refund_no, retried, wanted};
use crate::channel::{RefundAnswer, RefundQueryAnswer, limited};
use crate::tests::bed::{FEN, SEND, Setup, number, on_both_with};
use crate::tests::stands::PAID_BY_CALLBACK;

const PROCESSING: (RefundState, Option<RefundFailure>) = (RefundState::Processing, None);
const SUCCEEDED: (RefundState, Option<RefundFailure>) = (RefundState::Succeeded, None);
const FAILED: (RefundState, Option<RefundFailure>) =
    (RefundState::Failed, Some(RefundFailure::Channel));

const LATER: Tally = Tally {
    done: 0,
    postponed: 1,
    failed: 0,
};

#[tokio::test]
async fn what_is_asked_for_is_processing_and_at_the_channel() {
    on_both_paid(async |bed, channel| {
        channel.answers(accepted_as("50001"));
        let refund = bed.refund(wanted(1, 3000)).await;
        assert_eq!(
            (refund.state(), refund.amount_fen),
            (Wire::Processing, 3000)
        );
        assert_eq!((refund.reason.as_str(), refund.retry), ("", 0));
        assert_eq!(refund.out_trade_no, number(1).to_string());
        assert_eq!(refund.channel_refund_no, "50001");
        let sent = channel.refunds.borrow()[0].clone();
        assert_eq!(sent.out_trade_no, number(1).to_string());
        assert_eq!(sent.out_refund_no, refund_no(1).to_string());
        assert_eq!((sent.total, sent.amount, sent.timeout), (FEN, 3000, SEND));
        bed.refund_stands(1, PROCESSING, &[]).await;
        assert_eq!(bed.refund_events(1).await, ["REFUND_SENT", "ACCEPTED"]);
        let due = bed.now() + Duration::from_secs(5);
        let owed = [(ObligationKind::RefundQuery, due)];
        assert_eq!(bed.refund_owed(1).await, owed);
        // The payment stands as it did, and its story tells of it.
        bed.stands(
            number(1),
            PaymentState::Succeeded,
            (true, &[PAID_BY_CALLBACK]),
        )
        .await;
        assert_eq!(bed.events(number(1)).await.last().unwrap(), "REFUND");
    })
    .await;
}

#[tokio::test]
async fn accepted_refused_and_unknown_stay_processing() {
    on_both_paid(async |bed, channel| {
        let refused = RefundAnswer::Refused {
            code: "NOTENOUGH".to_owned(),
            message: "余额不足".to_owned(),
        };
        let not_sent = |why: &str| RefundAnswer::NotSent {
            why: why.to_owned(),
        };
        let cases = [
            (accepted_as("50001"), "ACCEPTED", ""),
            (refused, "REFUSED", "NOTENOUGH 余额不足"),
            (silence(), "NO_ANSWER", "NO_ANSWER"),
            (not_sent("no route"), "NOT_SENT", "NOT_SENT"),
            (not_sent(limited::BUSY), "NOT_SENT", "CHANNEL_BUSY"),
        ];
        for (n, (answer, event, reason)) in (1..).zip(cases) {
            channel.answers(answer);
            let refund = bed.refund(wanted(n, 100)).await;
            assert_eq!(
                (refund.state(), refund.reason.as_str()),
                (Wire::Processing, reason)
            );
            bed.refund_stands(n, PROCESSING, &[]).await;
            assert_eq!(bed.refund_events(n).await, ["REFUND_SENT", event]);
        }
    })
    .await;
}

#[tokio::test]
async fn words_without_end_are_cut() {
    on_both_paid(async |bed, channel| {
        channel.answers(RefundAnswer::Refused {
            code: "E".to_owned(),
            message: "余".repeat(1000),
        });
        bed.refund(wanted(1, 100)).await;
        assert_eq!(bed.query_refund(1).await.reason.chars().count(), 128);
    })
    .await;
}

#[tokio::test]
async fn a_query_that_says_success_ends_it_at_the_channels_time() {
    on_both_paid(async |bed, channel| {
        bed.refund(wanted(1, 3000)).await;
        bed.wait(3);
        let at = bed.now();
        channel.tells(done("50001", 3000, at));
        assert_eq!(bed.ask_in(2).await.done, 1);
        bed.refund_stands(1, SUCCEEDED, &[Wire::Succeeded]).await;
        let refund = bed.query_refund(1).await;
        assert_eq!(
            (refund.state(), refund.channel_refund_no.as_str()),
            (Wire::Succeeded, "50001")
        );
        assert_eq!(refund.refunded_time.as_ref().and_then(from_proto), Some(at));
        // What went back is asked about no more.
        assert_eq!(channel.counts(), (1, 1));
        assert_eq!(
            channel.queries.borrow()[0].out_refund_no,
            refund_no(1).to_string()
        );
    })
    .await;
}

#[tokio::test]
async fn a_query_that_says_fail_or_change_fails_it() {
    on_both_paid(async |bed, channel| {
        let cases = [
            (
                failed(),
                RefundFailure::Channel,
                WireFailure::Channel,
                "QUERY_FAILED",
            ),
            (
                changed(),
                RefundFailure::Change,
                WireFailure::Change,
                "QUERY_CHANGED",
            ),
        ];
        for (n, (answer, failure, shown, event)) in (1..).zip(cases) {
            bed.refund(wanted(n, 100)).await;
            channel.tells(answer);
            assert_eq!(bed.ask_in(5).await.done, 1);
            bed.refund_stands(n, (RefundState::Failed, Some(failure)), &[Wire::Failed])
                .await;
            let refund = bed.query_refund(n).await;
            assert_eq!((refund.state(), refund.failure()), (Wire::Failed, shown));
            assert_eq!(
                bed.refund_events(n).await,
                ["REFUND_SENT", "ACCEPTED", event]
            );
        }
    })
    .await;
}

#[tokio::test]
async fn what_the_channel_lacks_or_is_not_sure_of_is_sent_again_under_its_number() {
    on_both_paid(async |bed, channel| {
        for (n, answer) in (1..).zip([RefundQueryAnswer::NotFound, RefundQueryAnswer::NotSure]) {
            channel.answers(silence());
            channel.tells(answer);
            bed.refund(wanted(n, 100)).await;
            channel.answers(accepted_as("50001"));
            let (sent, _) = channel.counts();
            assert_eq!(bed.ask_in(5).await, LATER);
            assert_eq!(channel.counts().0, sent + 1);
            let (first, again) = {
                let all = channel.refunds.borrow();
                (all[sent - 1].clone(), all[sent].clone())
            };
            assert_eq!(first.out_refund_no, again.out_refund_no);
            assert_eq!((first.amount, first.total), (again.amount, again.total));
            bed.refund_stands(n, PROCESSING, &[]).await;
            let story = ["REFUND_SENT", "NO_ANSWER", "SENT_AGAIN", "ACCEPTED"];
            assert_eq!(bed.refund_events(n).await, story);
            assert_eq!(bed.stored_refund(n).await.reason, "");
            channel.tells(done(&format!("5000{n}"), 100, bed.now()));
            assert_eq!(bed.ask_in(5).await.done, 1);
            bed.refund_stands(n, SUCCEEDED, &[Wire::Succeeded]).await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_on_its_way_is_asked_about_ever_less_and_at_last_daily() {
    on_both_paid(async |bed, channel| {
        bed.refund(wanted(1, 100)).await;
        let doubling = (0..9).map(|n| 5 << n);
        let pauses: Vec<u64> = [5]
            .into_iter()
            .chain(doubling)
            .chain([1800; 11])
            .chain([86_400; 3])
            .collect();
        for (n, pause) in pauses.into_iter().enumerate() {
            let says = [no_evidence(), RefundQueryAnswer::Processing];
            channel.tells(says[n % 2].clone());
            let due = bed.now() + Duration::from_secs(pause);
            bed.clock.set(due - Duration::from_micros(1));
            assert_eq!(bed.ask().await, Tally::default(), "before {pause} s");
            bed.clock.set(due);
            assert_eq!(bed.ask().await, LATER, "at {pause} s");
            assert_eq!(channel.counts(), (1, n + 1));
        }
        // Queries that brought nothing are no lines.
        bed.refund_stands(1, PROCESSING, &[]).await;
        assert_eq!(bed.refund_events(1).await, ["REFUND_SENT", "ACCEPTED"]);
    })
    .await;
}

#[tokio::test]
async fn what_the_channel_keeps_refusing_is_an_alarm_that_names_the_refusal_and_tried_daily() {
    on_both_paid(async |bed, channel| {
        channel.answers(RefundAnswer::Refused {
            code: "NOTENOUGH".to_owned(),
            message: "余额不足".to_owned(),
        });
        channel.tells(RefundQueryAnswer::NotFound);
        bed.refund(wanted(1, 100)).await;
        let due_in = async || bed.refund_owed(1).await[0].1.duration_since(bed.now());
        for tried in 1..=20 {
            bed.clock.advance(due_in().await.unsigned_abs());
            assert_eq!(bed.ask().await, LATER, "try {tried}");
        }
        for day in 1..=3 {
            bed.clock.advance(due_in().await.unsigned_abs());
            assert_eq!(bed.ask().await.failed, 1, "day {day}");
            assert_eq!(due_in().await.unsigned_abs(), Duration::from_hours(24));
        }
        // It was tried each time, and is not over.
        assert_eq!(channel.counts(), (24, 23));
        bed.refund_stands(1, PROCESSING, &[]).await;
        assert_eq!(bed.query_refund(1).await.reason, "NOTENOUGH 余额不足");
        bed.clock.advance(due_in().await.unsigned_abs());
        let verdict = bed.verdict_on_refund().await;
        let Verdict::GiveUp(why) = verdict else {
            panic!("{verdict:?}")
        };
        assert!(why.contains("NOTENOUGH 余额不足"), "{why}");
        // Once it is taken, it goes its way.
        channel.answers(accepted_as("50001"));
        assert_eq!(bed.ask_in(86_400).await, LATER);
        channel.tells(done("50001", 100, bed.now()));
        assert_eq!(bed.ask_in(86_400).await.done, 1);
        bed.refund_stands(1, SUCCEEDED, &[Wire::Succeeded]).await;
    })
    .await;
}

#[tokio::test]
async fn compressed_time_asks_sooner_but_not_while_the_call_is_under_way() {
    let fast = Setup {
        compression: 50,
        ..Setup::default()
    };
    on_both_with(fast, async |bed| {
        bed.pays(number(1)).await;
        let channel = bed.is_scripted(number(1)).await;
        let hold = Hold::shut();
        channel.answers_later(accepted_as("50001"), &hold);
        let call = bed.refund_meanwhile(wanted(1, 100));
        channel.was_sent(1).await;
        let owed = async || bed.refund_owed(1).await[0].1;
        assert_eq!(owed().await, bed.now() + SEND);
        hold.let_go();
        call.await.unwrap();
        let fiftieth = Duration::from_millis(100);
        assert_eq!(owed().await, bed.now() + fiftieth);
        for _ in 0..2 {
            bed.clock.advance(fiftieth);
            assert_eq!(bed.ask().await, LATER);
        }
        assert_eq!(owed().await, bed.now() + 2 * fiftieth);
    })
    .await;
}

#[tokio::test]
async fn a_failed_one_that_is_retried_is_processing_under_the_same_number() {
    on_both_paid(async |bed, channel| {
        bed.refund(wanted(1, 3000)).await;
        channel.tells(failed());
        bed.ask_in(5).await;
        // The same request again, or an older one, is a repeat.
        assert_eq!(bed.refund(wanted(1, 3000)).await.state(), Wire::Failed);
        assert_eq!(channel.counts().0, 1);
        let refund = bed.refund(retried(1, 3000, 1)).await;
        assert_eq!(
            (refund.state(), refund.failure(), refund.retry),
            (Wire::Processing, WireFailure::Unspecified, 1)
        );
        assert_eq!(channel.counts().0, 2);
        let numbers = channel.refunds.borrow().clone();
        assert_eq!(numbers[0].out_refund_no, numbers[1].out_refund_no);
        bed.refund_stands(1, PROCESSING, &[Wire::Failed]).await;
        // And that one again, too.
        assert_eq!(
            bed.refund(retried(1, 3000, 1)).await.version,
            refund.version
        );
        assert_eq!(channel.counts().0, 2);
        channel.tells(done("50001", 3000, bed.now()));
        assert_eq!(bed.ask_in(5).await.done, 1);
        bed.refund_stands(1, SUCCEEDED, &[Wire::Failed, Wire::Succeeded])
            .await;
        assert_eq!(
            bed.refund(retried(1, 3000, 2)).await.state(),
            Wire::Succeeded
        );
        assert_eq!(channel.counts().0, 2);
    })
    .await;
}

#[tokio::test]
async fn a_failed_one_whose_money_a_query_finds_back_has_succeeded() {
    on_both_paid(async |bed, channel| {
        bed.refund(wanted(1, 3000)).await;
        channel.tells(failed());
        bed.ask_in(5).await;
        bed.refund_stands(1, FAILED, &[Wire::Failed]).await;
        bed.wait(60);
        assert_eq!(bed.query_refund(1).await.state(), Wire::Failed);
        channel.tells(RefundQueryAnswer::NotFound);
        assert_eq!(bed.query_refund(1).await.state(), Wire::Failed);
        channel.tells(done("50001", 3000, bed.now()));
        let refund = bed.query_refund(1).await;
        assert_eq!(
            (refund.state(), refund.failure()),
            (Wire::Succeeded, WireFailure::Unspecified)
        );
        bed.refund_stands(1, SUCCEEDED, &[Wire::Failed, Wire::Succeeded])
            .await;
        // Asking is not sending.
        assert_eq!(channel.counts().0, 1);
    })
    .await;
}
