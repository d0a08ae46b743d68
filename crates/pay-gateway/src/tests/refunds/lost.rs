//! What dies on the way: the process, the caller, the answer. The money goes back once.

use domain::{Fen, ObligationKind, RefundFailure, RefundNo, RefundState};
use jiff::Timestamp;
use proto::gateway::v1::RefundState as Wire;

use super::scripted::{Hold, accepted, accepted_as, done, failed, silence};
use super::{on_both_paid, refund_no, retried, wanted};
use crate::channel::RefundQueryAnswer;
use crate::flow::send_refund::due;
use crate::payment::{Actor, Line};
use crate::refund::{StoredRefund, Wanted};
use crate::tests::bed::{Bed, FEN, number};

const PROCESSING: (RefundState, Option<RefundFailure>) = (RefundState::Processing, None);
const FAILED: (RefundState, Option<RefundFailure>) =
    (RefundState::Failed, Some(RefundFailure::Channel));
const SUCCEEDED: (RefundState, Option<RefundFailure>) = (RefundState::Succeeded, None);

/// Commits the intent of a refund, and does no more, as a process that dies then.
async fn dies_after_the_intent(bed: &Bed, no: RefundNo, now: Timestamp) {
    let payment = bed.stored(number(1)).await;
    let wanted = Wanted {
        no,
        payment: number(1),
        amount: Fen::new(FEN),
        retry: 0,
    };
    let refund = StoredRefund::new(&wanted, &payment, PROCESSING, now);
    let line = Line {
        event: "REFUND_SENT",
        actor: Actor::Rpc,
        detail: String::new(),
    };
    let intent = refund.create(&payment, &line, due(&bed.gateway.0, now));
    bed.gateway.db().submit(intent).await.unwrap();
}

#[tokio::test]
async fn what_was_meant_and_not_sent_is_sent() {
    on_both_paid(async |bed, channel| {
        dies_after_the_intent(bed, refund_no(1), bed.now()).await;
        bed.refund_stands(1, PROCESSING, &[]).await;
        // A repeat is answered with what is stored, and its amount is taken.
        assert_eq!(bed.refund(wanted(1, FEN)).await.version, 1);
        assert!(bed.try_refund(wanted(2, 1)).await.is_err());
        channel.tells(RefundQueryAnswer::NotFound);
        assert_eq!(bed.ask_in(5).await.postponed, 1);
        assert_eq!(channel.counts(), (1, 1));
        channel.tells(done("50001", FEN, bed.now()));
        assert_eq!(bed.ask_in(5).await.done, 1);
        bed.refund_stands(1, SUCCEEDED, &[Wire::Succeeded]).await;
        assert_eq!(channel.counts().0, 1);
    })
    .await;
}

#[tokio::test]
async fn what_was_sent_and_not_recorded_is_found_and_not_sent_again() {
    on_both_paid(async |bed, channel| {
        dies_after_the_intent(bed, refund_no(1), bed.now()).await;
        channel.tells(done("50001", FEN, bed.now()));
        assert_eq!(bed.ask_in(5).await.done, 1);
        bed.refund_stands(1, SUCCEEDED, &[Wire::Succeeded]).await;
        assert_eq!(channel.counts(), (0, 1));
    })
    .await;
}

#[tokio::test]
async fn a_call_that_timed_out_after_it_worked_is_one_refund() {
    on_both_paid(async |bed, channel| {
        channel.answers(silence());
        let refund = bed.refund(wanted(1, FEN)).await;
        assert_eq!(
            (refund.state(), refund.reason.as_str()),
            (Wire::Processing, "NO_ANSWER")
        );
        channel.tells(done("50001", FEN, bed.now()));
        assert_eq!(bed.ask_in(5).await.done, 1);
        bed.refund_stands(1, SUCCEEDED, &[Wire::Succeeded]).await;
        assert_eq!(channel.counts(), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_nothing_with_it() {
    on_both_paid(async |bed, channel| {
        let hold = Hold::shut();
        channel.answers_later(accepted_as("50001"), &hold);
        let call = bed.refund_meanwhile(wanted(1, FEN));
        channel.was_sent(1).await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        hold.let_go();
        bed.gateway.0.calls.close();
        bed.gateway.0.calls.wait().await;
        assert_eq!(bed.refund_events(1).await, ["REFUND_SENT", "ACCEPTED"]);
        let stored = bed.stored_refund(1).await;
        assert_eq!(stored.channel_refund_no.as_deref(), Some("50001"));
        assert_eq!(channel.counts(), (1, 0));
    })
    .await;
}

#[tokio::test]
async fn a_retry_that_dies_before_its_call_is_sent_under_the_same_number() {
    on_both_paid(async |bed, channel| {
        let hold = Hold::shut();
        bed.refund(wanted(1, FEN)).await;
        channel.tells(failed());
        bed.ask_in(5).await;
        // Its call never ends, as if nobody was there any more.
        channel.answers_later(accepted(), &hold);
        drop(bed.refund_meanwhile(retried(1, FEN, 1)));
        channel.was_sent(2).await;
        bed.refund_stands(1, PROCESSING, &[Wire::Failed]).await;
        channel.answers(accepted());
        channel.tells(RefundQueryAnswer::NotFound);
        assert_eq!(bed.ask_in(5).await.postponed, 1);
        channel.tells(done("50001", FEN, bed.now()));
        assert_eq!(bed.ask_in(5).await.done, 1);
        bed.refund_stands(1, SUCCEEDED, &[Wire::Failed, Wire::Succeeded])
            .await;
        let sent = channel.refunds.borrow().clone();
        assert!(
            sent.iter()
                .all(|each| each.out_refund_no == refund_no(1).to_string())
        );
        hold.let_go();
    })
    .await;
}

#[tokio::test]
async fn a_retry_that_was_never_sent_is_not_ended_by_what_the_earlier_try_came_to() {
    on_both_paid(async |bed, channel| {
        let hold = Hold::shut();
        bed.refund(wanted(1, FEN)).await;
        channel.tells(failed());
        bed.ask_in(5).await;
        // Its call never ends; the channel goes on telling of the first try.
        channel.answers_later(accepted(), &hold);
        drop(bed.refund_meanwhile(retried(1, FEN, 1)));
        channel.was_sent(2).await;
        channel.answers(accepted());
        assert_eq!(bed.ask_in(5).await.postponed, 1);
        channel.was_sent(3).await;
        bed.refund_stands(1, PROCESSING, &[Wire::Failed]).await;
        // Now it has answered to this one.
        assert_eq!(bed.ask_in(60).await.done, 1);
        bed.refund_stands(1, FAILED, &[Wire::Failed, Wire::Failed])
            .await;
        hold.let_go();
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_dies_while_it_sends_again_loses_no_answer() {
    on_both_paid(async |bed, channel| {
        channel.answers(silence());
        bed.refund(wanted(1, FEN)).await;
        let hold = Hold::shut();
        channel.tells(RefundQueryAnswer::NotFound);
        channel.answers_later(accepted_as("50001"), &hold);
        bed.wait(5);
        let worker = bed.drain_meanwhile(ObligationKind::RefundQuery);
        channel.was_sent(2).await;
        worker.abort();
        assert!(worker.await.unwrap_err().is_cancelled());
        hold.let_go();
        bed.gateway.0.calls.close();
        bed.gateway.0.calls.wait().await;
        let story = ["REFUND_SENT", "NO_ANSWER", "SENT_AGAIN", "ACCEPTED"];
        assert_eq!(bed.refund_events(1).await, story);
        // The claim ends with its lease, and another worker goes on.
        channel.tells(done("50001", FEN, bed.now()));
        assert_eq!(bed.ask_in(60).await.done, 1);
        bed.refund_stands(1, SUCCEEDED, &[Wire::Succeeded]).await;
        assert_eq!(channel.counts().0, 2);
    })
    .await;
}
