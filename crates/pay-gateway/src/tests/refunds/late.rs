//! Answers that come late, and answers that are not of this refund.

use std::time::Duration;

use domain::{RefundFailure, RefundState};
use proto::gateway::v1::RefundState as Wire;
use work::Tally;

use super::scripted::{Hold, accepted_as, done, failed};
use super::{on_both_paid, retried, wanted};
use crate::channel::RefundQueryAnswer;
use crate::tests::bed::FEN;

const PROCESSING: (RefundState, Option<RefundFailure>) = (RefundState::Processing, None);
const SUCCEEDED: (RefundState, Option<RefundFailure>) = (RefundState::Succeeded, None);
const FAILED: (RefundState, Option<RefundFailure>) =
    (RefundState::Failed, Some(RefundFailure::Channel));

#[tokio::test]
async fn a_reply_that_comes_after_the_end_changes_nothing() {
    on_both_paid(async |bed, channel| {
        let ends = [
            (done("50001", 100, bed.now()), SUCCEEDED, Wire::Succeeded),
            (failed(), FAILED, Wire::Failed),
        ];
        for (n, (answer, ended, told)) in (1..).zip(ends) {
            let hold = Hold::shut();
            channel.answers_later(accepted_as("60001"), &hold);
            let call = bed.refund_meanwhile(wanted(n, 100));
            channel.was_sent(usize::from(n)).await;
            channel.tells(answer);
            bed.query_refund(n).await;
            hold.let_go();
            assert_eq!(call.await.unwrap().state(), told);
            bed.refund_stands(n, ended, &[told]).await;
            assert_ne!(
                bed.stored_refund(n).await.channel_refund_no.as_deref(),
                Some("60001")
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_failure_that_was_seen_before_the_retry_does_not_fail_it() {
    on_both_paid(async |bed, channel| {
        bed.refund(wanted(1, FEN)).await;
        let hold = Hold::shut();
        channel.tells_later(failed(), &hold);
        let stale = bed.query_refund_meanwhile(1);
        channel.was_asked(1).await;
        channel.tells(failed());
        bed.ask_in(5).await;
        bed.wait(1);
        bed.refund(retried(1, FEN, 1)).await;
        hold.let_go();
        assert_eq!(stale.await.unwrap().state(), Wire::Processing);
        bed.refund_stands(1, PROCESSING, &[Wire::Failed]).await;
    })
    .await;
}

#[tokio::test]
async fn a_query_that_found_nothing_sends_nothing_that_has_ended_meanwhile() {
    on_both_paid(async |bed, channel| {
        bed.refund(wanted(1, FEN)).await;
        let hold = Hold::shut();
        channel.tells_later(RefundQueryAnswer::NotFound, &hold);
        bed.wait(5);
        let (asking, ending) = tokio::join!(bed.ask(), async {
            channel.was_asked(1).await;
            channel.tells(done("50001", FEN, bed.now()));
            let ended = bed.query_refund(1).await;
            hold.let_go();
            ended
        });
        assert_eq!((asking.failed, ending.state()), (0, Wire::Succeeded));
        assert_eq!(channel.counts().0, 1);
        bed.refund_stands(1, SUCCEEDED, &[Wire::Succeeded]).await;
    })
    .await;
}

#[tokio::test]
async fn money_of_another_amount_is_an_alarm_and_stays_owed() {
    on_both_paid(async |bed, channel| {
        bed.refund(wanted(1, 3000)).await;
        for amount in [2999, 3001, FEN] {
            channel.tells(done("50001", amount, bed.now()));
            let refund = bed.query_refund(1).await;
            assert_eq!(refund.state(), Wire::Processing);
        }
        let alarm = Tally {
            failed: 1,
            ..Tally::default()
        };
        assert_eq!(bed.ask_in(5).await, alarm);
        bed.refund_stands(1, PROCESSING, &[]).await;
        let owed = bed.refund_owed(1).await;
        assert_eq!(owed[0].1, bed.now() + Duration::from_hours(24));
        assert_eq!(channel.counts().0, 1);
    })
    .await;
}

#[tokio::test]
async fn what_went_back_for_another_refund_is_not_believed_for_this_one() {
    on_both_paid(async |bed, channel| {
        channel.answers(accepted_as("50001"));
        bed.refund(wanted(1, 100)).await;
        channel.answers(accepted_as("50002"));
        bed.refund(wanted(2, 100)).await;
        channel.tells(done("50001", 100, bed.now()));
        assert_eq!(bed.query_refund(2).await.state(), Wire::Processing);
        bed.refund_stands(2, PROCESSING, &[]).await;
        let asked = bed.ask_in(5).await;
        assert_eq!((asked.done, asked.failed), (1, 1));
        bed.refund_stands(1, SUCCEEDED, &[Wire::Succeeded]).await;
        bed.refund_stands(2, PROCESSING, &[]).await;
    })
    .await;
}
