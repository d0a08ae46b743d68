//! A worker that dies while it closes a payment, wherever it was: another takes it up.

use std::time::Duration;

use domain::{Closure, ObligationKind, PaymentState};

use super::bed::{Bed, FEN, number, on_both};
use super::channel::{CLOSE, Gate, QUERY, REVERSE, Says, paid, since, state};
use super::stands::{DEAD_BY_QUERY, PAID_BY_QUERY};

/// Longer than any worker's claim.
const LEASE: Duration = Duration::from_secs(61);

impl Bed {
    async fn closure(&self, n: u8) -> Closure {
        self.stored(number(n)).await.closing.closure()
    }

    /// What is owed stays owed; nobody else takes it before the dead worker's lease is over.
    async fn is_taken_up(&self, n: u8) -> work::Tally {
        self.stands(number(n), PaymentState::Closing, (true, &[]))
            .await;
        let early = self.drain(ObligationKind::Close).await;
        assert_eq!(early, work::Tally::default());
        self.clock.advance(LEASE);
        self.drain(ObligationKind::Close).await
    }
}

#[tokio::test]
async fn before_a_close_is_sent_nothing_has_happened() {
    on_both(async |bed| {
        let gate = Gate::shut();
        bed.pay(number(1)).await;
        bed.close_by_code(number(1)).await;
        bed.wait(15);
        bed.channel.says(QUERY, gate.holds(state("USERPAYING")));
        let worker = bed.drain_meanwhile(ObligationKind::Close);
        bed.channel.was_asked(QUERY, 1).await;
        worker.abort();
        drop(worker.await);
        assert_eq!(bed.closure(1).await, Closure::NotSent);
        let says = since(REVERSE, state("USERPAYING"), state("REVERSE"));
        bed.channel.says(QUERY, says);
        assert_eq!(bed.is_taken_up(1).await.done, 1);
        assert_eq!(bed.channel.asked(REVERSE).len(), 1);
        bed.stands(number(1), PaymentState::Reversed, (false, &[DEAD_BY_QUERY]))
            .await;
    })
    .await;
}

#[tokio::test]
async fn a_close_whose_end_is_not_on_record_is_asked_about_and_then_sent_again() {
    on_both(async |bed| {
        bed.prepay(number(1)).await;
        bed.close(number(1)).await;
        bed.wait(305);
        bed.channel.says(QUERY, state("NOTPAY"));
        bed.channel.says(CLOSE, Says::Silence);
        let worker = bed.drain_meanwhile(ObligationKind::Close);
        bed.channel.was_asked(CLOSE, 1).await;
        worker.abort();
        drop(worker.await);
        assert_eq!(bed.closure(1).await, Closure::InFlight);
        // It never reached its end at the channel: it is sent once more.
        bed.channel.says(CLOSE, Says::Reply(vec![]));
        let asked = bed.channel.asked(QUERY).len();
        assert_eq!(bed.is_taken_up(1).await.postponed, 1);
        assert_eq!(bed.channel.asked(CLOSE).len(), 2);
        assert_eq!(bed.channel.asked(QUERY).len(), asked + 2);
        bed.channel.says(QUERY, state("CLOSED"));
        bed.wait(60);
        assert_eq!(bed.drain(ObligationKind::Close).await.done, 1);
        let lines = [
            "CLOSE",
            "CLOSE_SENT",
            "CLOSE_ENDED",
            "CLOSE_SENT",
            "CLOSE_ENDED",
            "QUERY_CLOSED",
        ];
        assert_eq!(bed.events(number(1)).await[2..], lines);
        bed.stands(number(1), PaymentState::Closed, (false, &[DEAD_BY_QUERY]))
            .await;
    })
    .await;
}

#[tokio::test]
async fn what_was_paid_meanwhile_is_not_reversed_by_who_takes_it_up() {
    on_both(async |bed| {
        bed.pay(number(1)).await;
        bed.close_by_code(number(1)).await;
        bed.wait(15);
        bed.channel.says(QUERY, state("USERPAYING"));
        bed.channel.says(REVERSE, Says::Silence);
        let worker = bed.drain_meanwhile(ObligationKind::Close);
        bed.channel.was_asked(REVERSE, 1).await;
        worker.abort();
        drop(worker.await);
        bed.channel.says(QUERY, paid(FEN, bed.now()));
        assert_eq!(bed.is_taken_up(1).await.done, 1);
        assert_eq!(bed.channel.asked(REVERSE).len(), 1);
        bed.stands(number(1), PaymentState::Succeeded, (true, &[PAID_BY_QUERY]))
            .await;
    })
    .await;
}

#[tokio::test]
async fn after_a_close_has_ended_only_the_query_is_missing() {
    on_both(async |bed| {
        let gate = Gate::shut();
        bed.pay(number(1)).await;
        bed.close_by_code(number(1)).await;
        bed.wait(15);
        let held = gate.holds(state("REVERSE"));
        bed.channel
            .says(QUERY, since(REVERSE, state("USERPAYING"), held));
        let worker = bed.drain_meanwhile(ObligationKind::Close);
        bed.channel.was_asked(QUERY, 2).await;
        worker.abort();
        drop(worker.await);
        assert_eq!(bed.closure(1).await, Closure::Ended { at: bed.now() });
        gate.open();
        assert_eq!(bed.is_taken_up(1).await.done, 1);
        assert_eq!(bed.channel.asked(REVERSE).len(), 1);
        bed.stands(number(1), PaymentState::Reversed, (false, &[DEAD_BY_QUERY]))
            .await;
    })
    .await;
}
