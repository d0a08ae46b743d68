//! Money: from every state, by callback and by query, and what cannot undo it.

use std::time::Duration;

use domain::{ObligationKind, PaymentState};
use jiff::Timestamp;
use proto::gateway::v1::{Finder, PaymentFact, PaymentState as Wire};
use proto::time::from_proto;

use super::bed::{Bed, FEN, Setup, number, on_both, on_both_with};
use super::channel::{Gate, Letter, QUERY, Says, not_found, paid, settled, state};
use super::stands::{DEAD_BY_QUERY, DEAD_BY_REPLY, PAID_BY_CALLBACK, PAID_BY_QUERY, Telling};
use crate::flow::examine::{Examined, examine};

const FROM: [PaymentState; 6] = [
    PaymentState::Sent,
    PaymentState::Pending,
    PaymentState::Unknown,
    PaymentState::Declined,
    PaymentState::Closed,
    PaymentState::Closing,
];

/// Whether a payment that was reached so is live, and what trade had been told.
fn before(from: PaymentState) -> (bool, Telling) {
    match from {
        PaymentState::Declined | PaymentState::Closing => (false, vec![DEAD_BY_REPLY]),
        PaymentState::Closed => (false, vec![DEAD_BY_QUERY]),
        _ => (true, vec![]),
    }
}

async fn is_paid(bed: &Bed, n: u8, paid_at: Timestamp) {
    let stored = bed.stored(number(n)).await;
    assert_eq!(stored.paid_at, Some(paid_at));
    assert_eq!(stored.channel_trade_no.as_deref(), Some("42000020261120"));
    assert_eq!(stored.reason, "");
    assert_eq!(bed.told_fen(number(n)).await, [FEN]);
    let shown = bed.query(number(n)).await;
    assert_eq!(shown.paid_fen, FEN);
    assert_eq!(
        (shown.state(), shown.pay_info.as_str()),
        (Wire::Succeeded, "")
    );
    assert_eq!(shown.paid_time.as_ref().and_then(from_proto), Some(paid_at));
}

#[tokio::test]
async fn a_callback_makes_a_success_of_every_state() {
    on_both(async |bed| {
        for (n, from) in (1..).zip(FROM) {
            bed.reach(number(n), from).await;
            bed.wait(3);
            let (live, mut told) = before(from);
            bed.is_paid_by_callback(number(n)).await;
            told.push(PAID_BY_CALLBACK);
            bed.stands(number(n), PaymentState::Succeeded, (live, &told))
                .await;
            is_paid(bed, n, bed.now()).await;
        }
        assert_eq!(bed.count_owed(ObligationKind::Inbox).await, 0);
        assert_eq!(bed.count_owed(ObligationKind::Match).await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_query_makes_a_success_of_every_state() {
    on_both(async |bed| {
        for (n, from) in (1..).zip(FROM) {
            bed.reach(number(n), from).await;
            bed.wait(3);
            let (live, mut told) = before(from);
            bed.channel.says(QUERY, paid(FEN, bed.now()));
            let payment = bed.stored(number(n)).await;
            let examined = examine(&bed.gateway.0, payment).await.unwrap();
            assert!(matches!(examined, Examined::Known(_)));
            told.push(PAID_BY_QUERY);
            bed.stands(number(n), PaymentState::Succeeded, (live, &told))
                .await;
            is_paid(bed, n, bed.now()).await;
        }
    })
    .await;
}

#[tokio::test]
async fn query_payment_finds_money_of_whatever_is_open() {
    on_both(async |bed| {
        let open = FROM.into_iter().filter(|state| !state.is_final());
        for (n, from) in (1..).zip(open) {
            bed.reach(number(n), from).await;
            bed.channel.says(QUERY, paid(FEN, bed.now()));
            assert_eq!(bed.query(number(n)).await.state(), Wire::Succeeded);
        }
    })
    .await;
}

#[tokio::test]
async fn the_time_of_payment_is_the_channels() {
    on_both(async |bed| {
        bed.prepay(number(1)).await;
        bed.wait(3600);
        let letter = Letter::paid(number(1), FEN, bed.now()).with("time_end", "20261120120007");
        bed.is_called_back(&letter).await;
        bed.drain(ObligationKind::Inbox).await;
        is_paid(bed, 1, "2026-11-20T04:00:07Z".parse().unwrap()).await;
        // Without a time that can be read, it is that of the arrival.
        bed.prepay(number(2)).await;
        let letter = Letter::paid(number(2), FEN, bed.now()).with("time_end", "yesterday");
        bed.is_called_back(&letter).await;
        let arrived = bed.now();
        bed.wait(30);
        bed.drain(ObligationKind::Inbox).await;
        is_paid(bed, 2, arrived).await;
    })
    .await;
}

#[tokio::test]
async fn success_against_nothing_sent_is_flagged_and_changes_nothing() {
    on_both(async |bed| {
        bed.shops.knows(vec![]);
        bed.prepay(number(1)).await;
        bed.shops
            .knows(vec![super::shops::account(1, super::shops::MCH_ID)]);
        bed.close(number(2)).await;
        let cases: [(u8, PaymentState, Telling); 2] = [
            (1, PaymentState::Declined, vec![DEAD_BY_REPLY]),
            (2, PaymentState::Closed, vec![]),
        ];
        for (n, state, told) in cases {
            bed.is_paid_by_callback(number(n)).await;
            bed.stands(number(n), state, (false, &told)).await;
        }
        assert_eq!(bed.count_owed(ObligationKind::Match).await, 2);
        assert_eq!(bed.drain(ObligationKind::Match).await.failed, 2);
        assert_eq!(bed.count_owed(ObligationKind::Match).await, 2);
        assert!(bed.channel.asked(QUERY).is_empty());
    })
    .await;
}

#[tokio::test]
async fn money_for_what_was_believed_not_sent_is_money() {
    let nobody = Setup {
        is_there: false,
        ..Setup::default()
    };
    on_both_with(nobody, async |bed| {
        bed.prepay(number(1)).await;
        bed.is_paid_by_callback(number(1)).await;
        let told = [DEAD_BY_REPLY, PAID_BY_CALLBACK];
        bed.stands(number(1), PaymentState::Succeeded, (false, &told))
            .await;
    })
    .await;
}

#[tokio::test]
async fn money_that_went_back_at_the_channel_came_first() {
    on_both(async |bed| {
        bed.prepay(number(1)).await;
        bed.channel.says(QUERY, settled("REFUND", FEN, bed.now()));
        assert_eq!(bed.query(number(1)).await.state(), Wire::Succeeded);
        bed.stands(number(1), PaymentState::Succeeded, (true, &[PAID_BY_QUERY]))
            .await;
        assert_eq!(
            bed.events(number(1)).await.last().unwrap(),
            "QUERY_REFUNDED"
        );
    })
    .await;
}

#[tokio::test]
async fn a_stale_query_does_not_undo_a_success() {
    on_both(async |bed| {
        let stale = ["NOTPAY", "CLOSED", "PAYERROR", "REVERSE"].map(state);
        let stale = stale.into_iter().chain([not_found(), Says::Garbage("<")]);
        for (n, says) in (1..).zip(stale) {
            let (one, gate) = (number(n), Gate::shut());
            bed.prepay(one).await;
            bed.wait(20);
            bed.channel.says(QUERY, gate.holds(says));
            let query = bed.query_meanwhile(one);
            bed.channel.was_asked(QUERY, usize::from(n)).await;
            bed.wait(1);
            bed.is_paid_by_callback(one).await;
            gate.open();
            query.await.unwrap();
            bed.stands(one, PaymentState::Succeeded, (true, &[PAID_BY_CALLBACK]))
                .await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_stale_not_found_does_not_undo_pending() {
    on_both(async |bed| {
        let (one, gate) = (number(1), Gate::shut());
        bed.reach(one, PaymentState::Unknown).await;
        bed.channel.says(QUERY, gate.holds(not_found()));
        let stale = bed.query_meanwhile(one);
        bed.channel.was_asked(QUERY, 1).await;
        bed.channel.says(QUERY, state("USERPAYING"));
        assert_eq!(bed.query(one).await.state(), Wire::Pending);
        gate.open();
        stale.await.unwrap();
        bed.stands(one, PaymentState::Pending, (true, &[])).await;
    })
    .await;
}

#[tokio::test]
async fn only_a_later_query_reverses_a_success() {
    on_both(async |bed| {
        let one = number(1);
        bed.prepay(one).await;
        bed.wait(60);
        bed.is_paid_by_callback(one).await;
        bed.channel.says(QUERY, state("REVERSE"));
        let payment = bed.stored(one).await;
        bed.clock.advance(Duration::from_secs(1));
        let examined = examine(&bed.gateway.0, payment).await.unwrap();
        assert!(matches!(examined, Examined::Known(_)));
        let told = [PAID_BY_CALLBACK, (PaymentFact::Reversed, Finder::Query)];
        bed.stands(one, PaymentState::Reversed, (false, &told))
            .await;
        // And only a later one brings it back.
        bed.is_paid_by_callback(one).await;
        let story = bed.story(one).await;
        assert_eq!(story.last().unwrap().event, "CALLBACK_PAID");
        assert_eq!(bed.stored(one).await.state, PaymentState::Reversed);
        assert_eq!(bed.told(one).await, told);
    })
    .await;
}
