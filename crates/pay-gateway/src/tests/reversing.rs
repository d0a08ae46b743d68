//! Reversing what was to be paid by code (b→c), and success against a reverse.

use std::time::Duration;

use domain::{ObligationKind, OutTradeNo, PaymentState};
use proto::gateway::v1::PaymentState as Wire;

use super::bed::{Bed, FEN, Setup, number, on_both, on_both_with};
use super::channel::{
    Gate, Letter, PAY, QUERY, REVERSE, Says, not_found, paid, refused, since, state, taken,
};
use super::stands::{DEAD_BY_QUERY, PAID_BY_QUERY, PAID_BY_REPLY, REVERSED_BY_QUERY};

impl Bed {
    async fn reverses(&self) -> work::Tally {
        self.drain(ObligationKind::Close).await
    }

    /// A payment by code that is to be reversed, and may be by now.
    async fn is_to_be_reversed(&self, number: OutTradeNo) {
        self.pay(number).await;
        self.close_by_code(number).await;
        self.wait(15);
    }

    /// A genuine callback that is taken in, and decides nothing.
    pub(super) async fn is_told_of_money(&self, number: OutTradeNo) {
        let before = self.stored(number).await;
        let letter = Letter::paid(number, FEN, self.now());
        let letter = letter.with("nonce_str", &before.version.to_string());
        self.is_called_back(&letter).await;
        assert_eq!(self.drain(ObligationKind::Inbox).await.done, 1);
        let after = self.stored(number).await;
        assert_eq!((after.state, after.live), (before.state, before.live));
        assert_eq!(after.version, before.version + 1);
        assert_eq!(self.events(number).await.last().unwrap(), "CALLBACK_PAID");
        assert_eq!(self.close_due_in(number).await, Duration::ZERO);
        assert_eq!(self.count_owed(ObligationKind::Inbox).await, 0);
        assert_eq!(self.count_owed(ObligationKind::Match).await, 0);
    }
}

fn reversed() -> Says {
    since(REVERSE, state("USERPAYING"), state("REVERSE"))
}

#[tokio::test]
async fn what_is_not_paid_in_a_minute_is_reversed() {
    on_both(async |bed| {
        for (n, from) in [(1, PaymentState::Pending), (2, PaymentState::Unknown)] {
            let (one, began) = (number(n), bed.now());
            bed.reach_by_code(one, from).await;
            bed.channel.says(QUERY, reversed());
            for age in [2, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55] {
                bed.clock.set(began + Duration::from_secs(age));
                assert_eq!(bed.drain(ObligationKind::Poll).await.postponed, 1);
            }
            bed.clock.set(began + Duration::from_mins(1));
            assert_eq!(bed.drain(ObligationKind::Poll).await.done, 1);
            bed.stands(one, PaymentState::Closing, (true, &[])).await;
            assert_eq!(bed.stored(one).await.reason, "NOT_PAID_IN_TIME");
            assert_eq!(bed.due_in(one).await, Duration::ZERO);
            assert_eq!(bed.reverses().await.done, 1);
            bed.stands(one, PaymentState::Reversed, (false, &[DEAD_BY_QUERY]))
                .await;
            assert_eq!(bed.due_in(one).await, Duration::from_mins(10));
            let ending = ["REVERSE", "REVERSE_SENT", "REVERSE_ENDED", "QUERY_REVERSED"];
            let events = bed.events(one).await;
            assert_eq!(events[events.len() - 4..], ending);
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_is_reversed_while_the_code_may_still_be_on_its_way() {
    on_both(async |bed| {
        let one = number(1);
        bed.pay(one).await;
        let closing = bed.close_by_code(one).await;
        assert_eq!(closing.state(), Wire::Closing);
        bed.channel.says(QUERY, reversed());
        assert_eq!(bed.reverses().await.postponed, 1);
        assert_eq!(bed.due_in(one).await, Duration::from_secs(5));
        assert!(bed.channel.asked(REVERSE).is_empty());
        bed.wait(5);
        assert_eq!(bed.reverses().await.done, 1);
        assert_eq!(bed.channel.asked(REVERSE).len(), 1);
        bed.stands(one, PaymentState::Reversed, (false, &[DEAD_BY_QUERY]))
            .await;
    })
    .await;
}

#[tokio::test]
async fn a_success_during_a_reverse_is_evidence_and_a_query_after_it_decides() {
    on_both(async |bed| {
        let outcomes = [
            (1, state("REVERSE"), PaymentState::Reversed, DEAD_BY_QUERY),
            (
                2,
                paid(FEN, bed.now()),
                PaymentState::Succeeded,
                PAID_BY_QUERY,
            ),
        ];
        for (n, decides, to, told) in outcomes {
            let (one, gate) = (number(n), Gate::shut());
            bed.is_to_be_reversed(one).await;
            bed.channel.says(REVERSE, gate.holds(Says::Reply(vec![])));
            bed.channel
                .says(QUERY, since(REVERSE, state("USERPAYING"), decides));
            let job = bed.drain_meanwhile(ObligationKind::Close);
            bed.channel.was_asked(REVERSE, usize::from(n)).await;
            // The callback, and whoever asks: nobody is believed while it is under way.
            bed.is_told_of_money(one).await;
            assert_eq!(bed.query(one).await.state(), Wire::Closing);
            let waits = bed.reverses().await;
            assert_eq!((waits.done, waits.postponed), (0, 1));
            assert_eq!(bed.channel.asked(REVERSE).len(), usize::from(n));
            bed.stands(one, PaymentState::Closing, (true, &[])).await;
            gate.open();
            job.await.unwrap();
            bed.stands(one, to, (to == PaymentState::Succeeded, &[told]))
                .await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_query_that_a_reverse_came_between_is_evidence_whatever_the_clocks_say() {
    on_both(async |bed| {
        let (one, gate) = (number(1), Gate::shut());
        bed.is_to_be_reversed(one).await;
        bed.channel.says(QUERY, gate.holds(paid(FEN, bed.now())));
        // Its clock is a minute ahead of the worker's.
        let now = bed.now();
        bed.wait(60);
        let ahead = bed.query_meanwhile(one);
        bed.channel.was_asked(QUERY, 1).await;
        bed.clock.set(now);
        bed.channel.says(QUERY, state("USERPAYING"));
        assert_eq!(bed.reverses().await.postponed, 1);
        gate.open();
        assert_eq!(ahead.await.unwrap().state(), Wire::Closing);
        assert_eq!(bed.close_due_in(one).await, Duration::ZERO);
        bed.channel.says(QUERY, state("REVERSE"));
        assert_eq!(bed.reverses().await.done, 1);
        bed.stands(one, PaymentState::Reversed, (false, &[DEAD_BY_QUERY]))
            .await;
    })
    .await;
}

#[tokio::test]
async fn a_success_after_a_reverse_ended_is_evidence_too() {
    on_both(async |bed| {
        let one = number(1);
        bed.is_to_be_reversed(one).await;
        bed.channel.says(QUERY, state("USERPAYING"));
        bed.reverses().await;
        assert!(bed.close_due_in(one).await > Duration::ZERO);
        bed.is_told_of_money(one).await;
        bed.channel.says(QUERY, paid(FEN, bed.now()));
        assert_eq!(bed.reverses().await.done, 1);
        assert_eq!(bed.channel.asked(REVERSE).len(), 1);
        bed.stands(one, PaymentState::Succeeded, (true, &[PAID_BY_QUERY]))
            .await;
    })
    .await;
}

#[tokio::test]
async fn the_replys_success_after_a_reverse_was_sent_is_evidence() {
    on_both(async |bed| {
        let (one, pay, reverse) = (number(1), Gate::shut(), Gate::shut());
        bed.channel.says(PAY, pay.holds(taken(FEN, bed.now())));
        let call = bed.pay_meanwhile(one);
        bed.channel.was_asked(PAY, 1).await;
        bed.close_by_code(one).await;
        bed.wait(15);
        bed.channel.says(QUERY, reversed());
        bed.channel
            .says(REVERSE, reverse.holds(Says::Reply(vec![])));
        let job = bed.drain_meanwhile(ObligationKind::Close);
        bed.channel.was_asked(REVERSE, 1).await;
        pay.open();
        assert_eq!(call.await.unwrap().state(), Wire::Closing);
        bed.stands(one, PaymentState::Closing, (true, &[])).await;
        assert_eq!(bed.events(one).await.last().unwrap(), "REPLY_PAID");
        assert_eq!(bed.close_due_in(one).await, Duration::ZERO);
        reverse.open();
        job.await.unwrap();
        bed.stands(one, PaymentState::Reversed, (false, &[DEAD_BY_QUERY]))
            .await;
    })
    .await;
}

#[tokio::test]
async fn before_a_reverse_is_sent_a_success_is_a_success() {
    on_both(async |bed| {
        let one = number(1);
        bed.is_to_be_reversed(one).await;
        bed.is_paid_by_callback(one).await;
        assert_eq!(bed.stored(one).await.state, PaymentState::Succeeded);
        assert_eq!(bed.reverses().await, work::Tally::default());
        assert!(bed.channel.asked(REVERSE).is_empty());
    })
    .await;
}

#[tokio::test]
async fn reversed_is_left_only_by_a_query() {
    on_both(async |bed| {
        let one = number(1);
        bed.reach_by_code(one, PaymentState::Reversed).await;
        bed.wait(60);
        // The channel stays with it, and the callback is explained.
        bed.is_told_of_money(one).await;
        bed.channel.says(QUERY, state("REVERSE"));
        assert_eq!(bed.reverses().await.done, 1);
        bed.stands(one, PaymentState::Reversed, (false, &[DEAD_BY_QUERY]))
            .await;
        // As long as it says nothing certain, it is asked again.
        bed.is_told_of_money(one).await;
        bed.channel.says(QUERY, not_found());
        assert_eq!(bed.reverses().await.postponed, 1);
        assert_eq!(bed.close_due_in(one).await, Duration::from_secs(5));
        bed.wait(5);
        bed.channel.says(QUERY, paid(FEN, bed.now()));
        assert_eq!(bed.reverses().await.done, 1);
        let told = [DEAD_BY_QUERY, PAID_BY_QUERY];
        bed.stands(one, PaymentState::Succeeded, (false, &told))
            .await;
        assert_eq!(bed.channel.asked(REVERSE).len(), 1);
    })
    .await;
}

#[tokio::test]
async fn paid_money_that_the_channel_reversed_is_told_to_trade() {
    on_both(async |bed| {
        let one = number(1);
        bed.reach_by_code(one, PaymentState::Succeeded).await;
        bed.wait(60);
        bed.channel.says(QUERY, state("REVERSE"));
        // Unless it is wanted, what is over is not asked about.
        assert_eq!(bed.query(one).await.state(), Wire::Succeeded);
        assert_eq!(bed.refresh(one).await.state(), Wire::Reversed);
        let told = [PAID_BY_REPLY, REVERSED_BY_QUERY];
        bed.stands(one, PaymentState::Reversed, (false, &told))
            .await;
    })
    .await;
}

#[tokio::test]
async fn a_stale_word_of_a_reversal_makes_a_query_due_that_decides() {
    on_both(async |bed| {
        let (one, gate) = (number(1), Gate::shut());
        bed.reach_by_code(one, PaymentState::Closing).await;
        bed.wait(15);
        bed.channel.says(QUERY, gate.holds(state("REVERSE")));
        let stale = bed.query_meanwhile(one);
        bed.channel.was_asked(QUERY, 1).await;
        bed.wait(1);
        bed.is_paid_by_callback(one).await;
        gate.open();
        stale.await.unwrap();
        let stored = bed.stored(one).await;
        assert_eq!(stored.state, PaymentState::Succeeded);
        assert_eq!(bed.count_owed(ObligationKind::Confirm).await, 1);
        bed.channel.says(QUERY, paid(FEN, bed.now()));
        assert_eq!(bed.drain(ObligationKind::Confirm).await.done, 1);
        assert_eq!(bed.stored(one).await.state, PaymentState::Succeeded);
        assert_eq!(bed.count_owed(ObligationKind::Confirm).await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_reverse_without_an_answer_may_still_be_under_way() {
    let hasty = Setup {
        timeout: Duration::from_millis(500),
        ..Setup::default()
    };
    on_both_with(hasty, async |bed| {
        let one = number(1);
        bed.is_to_be_reversed(one).await;
        bed.channel.says(REVERSE, Says::Silence);
        let says = since(REVERSE, state("USERPAYING"), paid(FEN, bed.now()));
        bed.channel.says(QUERY, says);
        assert_eq!(bed.reverses().await.postponed, 1);
        assert_eq!(bed.due_in(one).await, Duration::from_secs(10));
        // A query in its grace is only evidence: the reverse may be heard after it.
        assert_eq!(bed.query(one).await.state(), Wire::Closing);
        assert_eq!(bed.reverses().await.postponed, 1);
        bed.stands(one, PaymentState::Closing, (true, &[])).await;
        bed.wait(10);
        assert_eq!(bed.reverses().await.done, 1);
        bed.stands(one, PaymentState::Succeeded, (true, &[PAID_BY_QUERY]))
            .await;
        assert_eq!(bed.channel.asked(REVERSE).len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_refused_reverse_is_sent_again_until_a_query_tells_the_end() {
    on_both(async |bed| {
        let one = number(1);
        bed.is_to_be_reversed(one).await;
        bed.channel.says(QUERY, state("USERPAYING"));
        bed.channel.says(REVERSE, refused("SYSTEMERROR"));
        for times in 1..=3 {
            assert_eq!(bed.reverses().await.postponed, 1);
            assert_eq!(bed.channel.asked(REVERSE).len(), times);
            let pause = bed.due_in(one).await;
            bed.clock.advance(pause);
        }
        bed.channel.says(QUERY, state("CLOSED"));
        assert_eq!(bed.reverses().await.done, 1);
        bed.stands(one, PaymentState::Closed, (false, &[DEAD_BY_QUERY]))
            .await;
    })
    .await;
}

#[tokio::test]
async fn money_of_another_amount_counts_against_a_reverse_as_any_success_does() {
    on_both(async |bed| {
        let (one, gate) = (number(1), Gate::shut());
        bed.is_to_be_reversed(one).await;
        bed.channel.says(REVERSE, gate.holds(Says::Reply(vec![])));
        let decides = paid(FEN + 1, bed.now());
        bed.channel
            .says(QUERY, since(REVERSE, state("USERPAYING"), decides));
        let job = bed.drain_meanwhile(ObligationKind::Close);
        bed.channel.was_asked(REVERSE, 1).await;
        assert_eq!(bed.query(one).await.state(), Wire::Closing);
        assert_eq!(bed.stored(one).await.paid_amount, None);
        gate.open();
        job.await.unwrap();
        bed.stands(one, PaymentState::Succeeded, (true, &[PAID_BY_QUERY]))
            .await;
        assert_eq!(bed.told_fen(one).await, [FEN + 1]);
    })
    .await;
}
