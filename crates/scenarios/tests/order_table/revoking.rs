//! The rows of an order that is being revoked.

use domain::ObligationKind as Kind;
use paymesh::cli::Service;
use proto::gateway::v1::PaymentFact;
use proto::trade::v1::{CancelType, OrderStatus};
use scenarios::{Mode, key_of, until};

use crate::bed::{Bed, TRIES, on_both};

const SECOND: i64 = 1_000_000;

#[tokio::test]
async fn cancel_or_the_pay_limit_makes_a_paying_order_revoking() {
    on_both(async |bed: Bed| {
        for by in [CancelType::System, CancelType::Customer, CancelType::Store] {
            let order = bed.revoking(by).await;
            let revoking = bed.order(&order).await;
            assert_eq!(revoking.out_trade_no, format!("{order}0000"));
            // Nobody has cancelled it until its payment is dead.
            assert_eq!(revoking.cancel_type(), CancelType::Unspecified);
            assert_eq!(bed.owed(&order).await, [(Kind::Revoke, 0)]);
            let dues = bed.mesh.dues(Service::Trade, key_of(&order)).await;
            assert!(dues[0].in_micros <= 0, "at once: {dues:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_dead_payment_makes_a_revoking_order_revoked() {
    on_both(async |bed: Bed| {
        for by in [CancelType::System, CancelType::Customer, CancelType::Store] {
            // In this order: what makes one fail makes all that are revoking fail.
            let orders = [bed.revoke_failed(by).await, bed.revoking(by).await];
            for order in orders {
                bed.told(&order, (0, PaymentFact::Dead), 100).await;
                let revoked = bed.order(&order).await;
                assert_eq!(revoked.status(), OrderStatus::Revoked);
                assert_eq!(revoked.cancel_type(), by);
                assert_eq!(bed.owed(&order).await, []);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn tries_that_fail_make_a_revoking_order_revoke_failed_and_it_stays_owed() {
    on_both(async |bed: Bed| {
        let order = bed.revoking(CancelType::Customer).await;
        bed.peer.set(Mode::Refuse);
        for tried in 1..=TRIES {
            assert_eq!(bed.status(&order).await, OrderStatus::Revoking);
            bed.try_to_revoke().await;
            let dues = bed.mesh.dues(Service::Trade, key_of(&order)).await;
            let pause = 5 * i64::from(1 << (tried - 1)) * SECOND;
            let wait = pause - 2 * SECOND..=pause;
            assert!(wait.contains(&dues[0].in_micros), "{tried}: {dues:?}");
        }
        let failed = bed.order(&order).await;
        assert_eq!(failed.status(), OrderStatus::RevokeFailed);
        assert_eq!(failed.cancel_type(), CancelType::Unspecified);
        assert_eq!(bed.owed(&order).await, [(Kind::Revoke, 0)]);
        let story = bed.mesh.timeline(&order).await;
        let events: Vec<&str> = story
            .entries
            .iter()
            .map(|line| line.event.as_str())
            .collect();
        let last = [
            "CANCEL",
            "REVOKE_TRIED",
            "REVOKE_TRIED",
            "REVOKE_TRIES_EXHAUSTED",
        ];
        assert!(events.ends_with(&last), "{events:?}");
    })
    .await;
}

#[tokio::test]
async fn a_retry_makes_a_revoke_failed_order_revoking_again() {
    on_both(async |bed: Bed| {
        let order = bed.revoke_failed(CancelType::Store).await;
        let lines = bed.lines(&order).await;
        // It fails once more: revoking in between, and failed again with the next alarm.
        bed.peer.set(Mode::Refuse);
        bed.try_to_revoke().await;
        bed.peer.set(Mode::Pass);
        let story = bed.mesh.timeline(&order).await;
        let [retry, failed] = &story.entries[lines..] else {
            panic!("{:?}", story.entries)
        };
        assert_eq!(retry.event, "RETRY_REVOKE");
        assert_eq!(retry.to_status(), OrderStatus::Revoking);
        assert_eq!(failed.event, "REVOKE_TRIES_EXHAUSTED");
        assert_eq!(failed.to_status(), OrderStatus::RevokeFailed);
        // And with pay-gateway back it goes on.
        bed.try_to_revoke().await;
        assert_eq!(bed.status(&order).await, OrderStatus::Revoking);
        assert_eq!(bed.owed(&order).await, [(Kind::Revoke, 0)]);
    })
    .await;
}

#[tokio::test]
async fn waiting_for_the_channels_earliest_close_is_no_failed_try() {
    on_both(async |bed: Bed| {
        let order = bed.revoking(CancelType::Customer).await;
        let lines = bed.lines(&order).await;
        for _ in 0..=TRIES {
            bed.try_to_revoke().await;
            assert_eq!(bed.status(&order).await, OrderStatus::Revoking);
        }
        assert_eq!(bed.lines(&order).await, lines, "nothing has failed");
        let dues = bed.mesh.dues(Service::Trade, key_of(&order)).await;
        // Swiftpass closes what is 5 minutes old, counted from when it was told at the latest.
        let wait = 290 * SECOND..=310 * SECOND;
        assert!(wait.contains(&dues[0].in_micros), "{dues:?}");
    })
    .await;
}

#[tokio::test]
async fn a_payment_that_is_over_already_is_learned_by_asking_to_close_it() {
    on_both(async |bed: Bed| {
        // pay-gateway never heard of it: fenced off, and so it is dead.
        let order = bed.unpaid().await;
        bed.peer.set(Mode::Refuse);
        drop(bed.mesh.pay(&order, "r1").await.unwrap_err());
        bed.cancel(&order, CancelType::Customer).await.unwrap();
        assert_eq!(bed.status(&order).await, OrderStatus::Revoking);
        bed.peer.set(Mode::Pass);
        bed.try_to_revoke().await;
        assert_eq!(bed.status(&order).await, OrderStatus::Revoked);
        assert_eq!(bed.owed(&order).await, []);
        // It was paid, and trade had not heard of that yet.
        let paying = bed.mesh.paying(&bed.shop).await;
        bed.mesh.charge(&paying.out_trade_no).await;
        until("the callback is here", async || {
            let inbox = bed.mesh.db(Service::PayGateway);
            let stored = inbox.count("SELECT COUNT(*) FROM inbox").await;
            (stored > 0).then_some(())
        })
        .await;
        bed.mesh.drain(Service::PayGateway).await;
        bed.cancel(&paying.order_no, CancelType::Customer)
            .await
            .unwrap();
        bed.try_to_revoke().await;
        let order = bed.order(&paying.order_no).await;
        assert_eq!(order.status(), OrderStatus::Refunding, "late money");
    })
    .await;
}
