//! A payment that was reversed: its money is back already, and no refund of it succeeds.

use domain::{PaymentState, RefundFailure, RefundState};
use proto::gateway::v1::{RefundFailure as WireFailure, RefundState as Wire};

use super::scripted::{Hold, done, failed};
use super::{on_both_paid, retried, wanted};
use crate::channel::RefundQueryAnswer;
use crate::flow::examine::examine;
use crate::tests::bed::{Bed, FEN, number};
use crate::tests::channel::{QUERY, paid, state};

const REVERSED: (RefundState, Option<RefundFailure>) =
    (RefundState::Failed, Some(RefundFailure::Reversed));

/// The channel says so, and it is taken in.
async fn is(bed: &Bed, says: &str) {
    bed.wait(60);
    match says {
        "REVERSE" => bed.channel.says(QUERY, state("REVERSE")),
        _ => bed.channel.says(QUERY, paid(FEN, bed.now())),
    }
    let payment = bed.stored(number(1)).await;
    examine(&bed.gateway.0, payment).await.unwrap();
}

async fn reverse(bed: &Bed) {
    is(bed, "REVERSE").await;
    assert_eq!(bed.stored(number(1)).await.state, PaymentState::Reversed);
}

#[tokio::test]
async fn a_refund_of_what_was_reversed_has_failed_and_is_told_so() {
    on_both_paid(async |bed, channel| {
        reverse(bed).await;
        let refund = bed.refund(wanted(1, 100)).await;
        assert_eq!(
            (refund.state(), refund.failure()),
            (Wire::Failed, WireFailure::Reversed)
        );
        bed.refund_stands(1, REVERSED, &[Wire::Failed]).await;
        assert_eq!(bed.refund_events(1).await, ["REFUND_REFUSED"]);
        // However often it comes, or is asked about.
        assert_eq!(bed.refund(wanted(1, 100)).await, refund);
        channel.tells(done("50001", 100, bed.now()));
        assert_eq!(bed.query_refund(1).await, refund);
        assert_eq!(channel.counts(), (0, 0));
        bed.refund_stands(1, REVERSED, &[Wire::Failed]).await;
    })
    .await;
}

#[tokio::test]
async fn each_retry_of_what_was_reversed_has_failed_and_is_told_so() {
    on_both_paid(async |bed, channel| {
        bed.refund(wanted(1, 100)).await;
        channel.tells(failed());
        bed.ask_in(5).await;
        reverse(bed).await;
        let mut told = vec![(0, WireFailure::Channel)];
        for retry in [1, 3] {
            let refund = bed.refund(retried(1, 100, retry)).await;
            assert_eq!(
                (refund.state(), refund.failure(), refund.retry),
                (Wire::Failed, WireFailure::Reversed, retry)
            );
            told.push((retry, WireFailure::Reversed));
            assert_eq!(bed.refund_tries_told(1).await, told);
            // The same try again, or an older one, is a repeat.
            assert_eq!(bed.refund(retried(1, 100, retry)).await, refund);
            assert_eq!(bed.refund(retried(1, 100, 1)).await, refund);
        }
        bed.refund_stands(1, REVERSED, &[Wire::Failed; 3]).await;
        let events = bed.refund_events(1).await;
        assert_eq!(events[3..], ["REFUND_REFUSED", "REFUND_REFUSED"]);
        assert_eq!(channel.counts().0, 1);
    })
    .await;
}

#[tokio::test]
async fn an_open_refund_of_what_was_reversed_fails_and_never_succeeds() {
    on_both_paid(async |bed, channel| {
        bed.refund(wanted(1, 100)).await;
        bed.refund(wanted(2, 100)).await;
        reverse(bed).await;
        channel.tells(done("50001", 100, bed.now()));
        let refund = bed.query_refund(1).await;
        assert_eq!(
            (refund.state(), refund.failure()),
            (Wire::Failed, WireFailure::Reversed)
        );
        assert_eq!(bed.ask().await.done, 1);
        for n in [1, 2] {
            bed.refund_stands(n, REVERSED, &[Wire::Failed]).await;
            let story = ["REFUND_SENT", "ACCEPTED", "PAYMENT_REVERSED"];
            assert_eq!(bed.refund_events(n).await, story);
        }
        assert_eq!(channel.counts(), (2, 0));
    })
    .await;
}

#[tokio::test]
async fn a_reversal_while_the_channel_is_asked_outweighs_its_answer() {
    on_both_paid(async |bed, channel| {
        bed.refund(wanted(1, 100)).await;
        let hold = Hold::shut();
        channel.tells_later(done("50001", 100, bed.now()), &hold);
        let query = bed.query_refund_meanwhile(1);
        channel.was_asked(1).await;
        reverse(bed).await;
        hold.let_go();
        assert_eq!(query.await.unwrap().failure(), WireFailure::Reversed);
        bed.refund_stands(1, REVERSED, &[Wire::Failed]).await;
    })
    .await;
}

#[tokio::test]
async fn a_reversal_while_the_channel_is_asked_stops_the_next_send() {
    on_both_paid(async |bed, channel| {
        bed.refund(wanted(1, 100)).await;
        let hold = Hold::shut();
        channel.tells_later(RefundQueryAnswer::NotFound, &hold);
        bed.wait(5);
        let (asked, ()) = tokio::join!(bed.ask(), async {
            channel.was_asked(1).await;
            reverse(bed).await;
            hold.let_go();
        });
        assert_eq!(asked.done, 1);
        assert_eq!(channel.counts().0, 1);
        bed.refund_stands(1, REVERSED, &[Wire::Failed]).await;
    })
    .await;
}

#[tokio::test]
async fn once_the_money_is_found_again_a_retry_sends_it_back() {
    on_both_paid(async |bed, channel| {
        bed.refund(wanted(1, 100)).await;
        reverse(bed).await;
        bed.ask().await;
        is(bed, "SUCCESS").await;
        assert_eq!(bed.stored(number(1)).await.state, PaymentState::Succeeded);
        assert_eq!(
            bed.refund(retried(1, 100, 1)).await.state(),
            Wire::Processing
        );
        channel.tells(done("50001", 100, bed.now()));
        assert_eq!(bed.ask_in(5).await.done, 1);
        let told = [Wire::Failed, Wire::Succeeded];
        bed.refund_stands(1, (RefundState::Succeeded, None), &told)
            .await;
    })
    .await;
}
