//! Confirm: what is said to be dead is asked about again, and late money is found.

use std::time::Duration;

use domain::{ObligationKind, OutTradeNo, PaymentState};
use jiff::Timestamp;
use work::Tally;

use super::bed::{Bed, FEN, Setup, number, on_both, on_both_with};
use super::channel::{QUERY, Says, not_found, paid, state};
use super::stands::{DEAD_BY_QUERY, DEAD_BY_REPLY, PAID_BY_QUERY};

const AGES: [Duration; 3] = [
    Duration::from_mins(10),
    Duration::from_hours(1),
    Duration::from_hours(24),
];

impl Bed {
    async fn confirms(&self) -> Tally {
        self.drain(ObligationKind::Confirm).await
    }

    /// Closed or reversed, and since when.
    async fn is_dead(&self, number: OutTradeNo, state: PaymentState) -> Timestamp {
        match state {
            PaymentState::Reversed => self.reach_by_code(number, state).await,
            _ => self.reach(number, state).await,
        }
        self.stored(number).await.changed_at
    }
}

#[tokio::test]
async fn what_is_closed_or_reversed_is_asked_about_three_times() {
    on_both(async |bed| {
        let dead = [PaymentState::Closed, PaymentState::Reversed];
        for (n, dead) in (1..).zip(dead) {
            let (one, since) = (number(n), bed.is_dead(number(n), dead).await);
            for says in [not_found(), state("NOTPAY"), state("CLOSED")] {
                bed.channel.says(QUERY, says);
            }
            for (times, age) in (1..).zip(AGES) {
                let before = bed.channel.asked(QUERY).len();
                bed.clock.set(since + age - Duration::from_micros(1));
                assert_eq!(bed.confirms().await, Tally::default());
                bed.clock.set(since + age);
                let tally = bed.confirms().await;
                assert_eq!(
                    (tally.postponed, tally.done),
                    if times < 3 { (1, 0) } else { (0, 1) }
                );
                assert_eq!(bed.channel.asked(QUERY).len(), before + 1);
            }
            // Then the statement is what is left.
            assert!(bed.owed(one).await.is_empty());
            assert_eq!(bed.stored(one).await.state, dead);
        }
    })
    .await;
}

#[tokio::test]
async fn late_money_is_found_whenever_it_comes() {
    on_both(async |bed| {
        let cases = [PaymentState::Closed, PaymentState::Reversed]
            .into_iter()
            .flat_map(|dead| (0..3).map(move |late| (dead, late)));
        for (n, (dead, late)) in (1..).zip(cases) {
            let (one, since) = (number(n), bed.is_dead(number(n), dead).await);
            for age in &AGES[..late] {
                bed.clock.set(since + *age);
                assert_eq!(bed.confirms().await.postponed, 1);
            }
            bed.clock.set(since + AGES[late]);
            bed.channel.says(QUERY, paid(FEN, bed.now()));
            assert_eq!(bed.confirms().await.done, 1);
            let told = [DEAD_BY_QUERY, PAID_BY_QUERY];
            bed.stands(one, PaymentState::Succeeded, (false, &told))
                .await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_hour_without_workers_is_not_made_up_and_nothing_is_left_out() {
    on_both(async |bed| {
        let since = bed.is_dead(number(1), PaymentState::Closed).await;
        bed.clock.set(since + AGES[1] + Duration::from_secs(1));
        assert_eq!(bed.confirms().await.postponed, 1);
        let due = bed.now() + bed.due_in(number(1)).await;
        assert_eq!(due, since + AGES[2]);
    })
    .await;
}

#[tokio::test]
async fn silence_confirms_nothing() {
    on_both(async |bed| {
        let since = bed.is_dead(number(1), PaymentState::Closed).await;
        bed.channel.says(QUERY, Says::Garbage("<"));
        bed.clock.set(since + AGES[2]);
        for _ in 0..3 {
            assert_eq!(bed.confirms().await.failed, 1);
            bed.stands(number(1), PaymentState::Closed, (false, &[DEAD_BY_QUERY]))
                .await;
            bed.wait(600);
        }
        bed.channel.says(QUERY, state("CLOSED"));
        assert_eq!(bed.confirms().await.done, 1);
        assert!(bed.owed(number(1)).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_fence_is_not_asked_about() {
    on_both(async |bed| {
        bed.close(number(1)).await;
        bed.clock.advance(AGES[0]);
        assert_eq!(bed.confirms().await.done, 1);
        assert!(bed.owed(number(1)).await.is_empty());
        bed.refresh(number(1)).await;
        assert!(bed.channel.asked(QUERY).is_empty());
    })
    .await;
}

#[tokio::test]
async fn late_money_of_another_amount_is_found_too() {
    on_both(async |bed| {
        let since = bed.is_dead(number(1), PaymentState::Closed).await;
        bed.clock.set(since + AGES[0]);
        bed.channel.says(QUERY, paid(1, bed.now()));
        assert_eq!(bed.confirms().await.done, 1);
        let told = [DEAD_BY_QUERY, PAID_BY_QUERY];
        bed.stands(number(1), PaymentState::Succeeded, (false, &told))
            .await;
        assert_eq!(bed.told_fen(number(1)).await, [1]);
    })
    .await;
}

#[tokio::test]
async fn a_declined_payment_is_asked_about_and_its_late_money_is_found() {
    on_both(async |bed| {
        for (n, by_code) in [(1, false), (2, true)] {
            let (one, since) = (number(n), bed.now());
            if by_code {
                bed.reach_by_code(one, PaymentState::Declined).await;
            } else {
                bed.reach(one, PaymentState::Declined).await;
            }
            bed.stands(one, PaymentState::Declined, (false, &[DEAD_BY_REPLY]))
                .await;
            bed.channel.says(QUERY, state("PAYERROR"));
            for age in &AGES[..2] {
                bed.clock.set(since + *age);
                assert_eq!(bed.confirms().await.postponed, 1);
            }
            bed.clock.set(since + AGES[2]);
            bed.channel.says(QUERY, paid(FEN, bed.now()));
            assert_eq!(bed.confirms().await.done, 1);
            let told = [DEAD_BY_REPLY, PAID_BY_QUERY];
            bed.stands(one, PaymentState::Succeeded, (false, &told))
                .await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_never_sent_is_not_asked_about() {
    let nobody = Setup {
        is_there: false,
        ..Setup::default()
    };
    on_both_with(nobody, async |bed| {
        assert_eq!(bed.prepay(number(1)).await.reason, "NOT_SENT");
        assert_eq!(bed.pay(number(2)).await.reason, "NOT_SENT");
        bed.shops.knows(vec![]);
        bed.wait(31);
        assert_eq!(bed.prepay(number(3)).await.reason, "NO_MERCHANT_ACCOUNT");
        bed.clock.advance(AGES[0]);
        // Whoever asked would hear nothing, and go on asking.
        assert_eq!(bed.confirms().await.done, 3);
        for n in 1..=3 {
            assert!(bed.owed(number(n)).await.is_empty());
        }
    })
    .await;
}

#[tokio::test]
async fn compressed_time_confirms_as_often() {
    let fast = Setup {
        compression: 600,
        ..Setup::default()
    };
    on_both_with(fast, async |bed| {
        bed.is_dead(number(1), PaymentState::Closed).await;
        for (wait, postponed) in [(1, 1), (5, 1), (138, 0)] {
            assert_eq!(bed.due_in(number(1)).await, Duration::from_secs(wait));
            bed.wait(wait);
            assert_eq!(bed.confirms().await.postponed, postponed);
        }
        assert!(bed.owed(number(1)).await.is_empty());
    })
    .await;
}
