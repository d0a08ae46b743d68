//! The rows of money: success, late, once more, by another payment, and taken back.

use domain::ObligationKind as Kind;
use paymesh::cli::Service;
use proto::gateway::v1::{PaymentFact, RefundState as Ended};
use proto::shop::v1::{LateMoney, LateMoneyPolicy, Merchant, PayType, UpdateMerchantRequest};
use proto::time::to_proto;
use proto::trade::v1::{
    CancelType, Fulfilment, Order, OrderStatus, RefundOrigin, RefundState, RefundStatus,
};
use scenarios::TOLD_PAID_AT;

use crate::bed::{Bed, on_both};

const BY: [CancelType; 3] = [CancelType::System, CancelType::Customer, CancelType::Store];

/// The digits of a refund's number, by which its obligations are kept.
fn digits(refund_no: &str) -> i64 {
    refund_no.strip_prefix('R').unwrap().parse().unwrap()
}

#[tokio::test]
async fn success_makes_an_unpaid_paying_or_failed_order_paid() {
    on_both(async |bed: Bed| {
        // An order that nobody was asked to pay, and is paid: money is never lost.
        let orders = [
            bed.unpaid().await,
            bed.paying().await,
            bed.pay_failed().await,
        ];
        for order in orders {
            bed.told(&order, (0, PaymentFact::Succeeded), 200).await;
            let paid = bed.order(&order).await;
            assert_eq!(paid.status(), OrderStatus::Paid);
            assert_eq!(paid.out_trade_no, format!("{order}0000"));
            assert_eq!(paid.pay_type(), PayType::SwiftpassWechat);
            assert_eq!(paid.fulfilment(), Fulfilment::Delivered, "at the counter");
            let at = to_proto(TOLD_PAID_AT.parse().unwrap());
            assert_eq!(paid.paid_time, Some(at), "the channel's time");
            assert_eq!(bed.owed(&order).await, [(Kind::Settle, 0)]);
            bed.mesh.work_off(Service::Trade, Kind::Settle).await;
            let story = bed.mesh.timeline(&order).await;
            assert_eq!(story.settlements.len(), 1);
            assert_eq!(story.settlements[0].paid_time, Some(at));
        }
    })
    .await;
}

#[tokio::test]
async fn late_money_follows_the_policy_for_whoever_revoked_the_order() {
    on_both(async |bed: Bed| {
        for by in BY {
            let orders = [
                // First: what makes one fail makes all that are revoking fail.
                bed.revoke_failed(by).await,
                bed.revoking(by).await,
                bed.revoked(by).await,
            ];
            for order in orders {
                // By default the limits keep it, and people who cancelled get it back.
                let keeps = by == CancelType::System;
                late_money(&bed, &order, by, keeps).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn late_money_follows_the_merchants_own_policy() {
    on_both(async |bed: Bed| {
        let contrary = LateMoneyPolicy {
            after_system: LateMoney::Refund.into(),
            after_customer: LateMoney::Keep.into(),
            after_store: LateMoney::Keep.into(),
        };
        let merchant = Merchant {
            merchant_id: bed.shop.merchant_id,
            late_money: Some(contrary),
            ..Merchant::default()
        };
        let request = UpdateMerchantRequest {
            merchant: Some(merchant),
            update_mask: Some(prost_types::FieldMask {
                paths: vec!["late_money".to_owned()],
            }),
            expected_version: 1,
        };
        bed.mesh.shops().update_merchant(request).await.unwrap();
        for by in BY {
            let order = bed.revoked(by).await;
            late_money(&bed, &order, by, by != CancelType::System).await;
        }
    })
    .await;
}

async fn late_money(bed: &Bed, order: &str, by: CancelType, keeps: bool) {
    let before = bed.status(order).await;
    bed.told(order, (0, PaymentFact::Succeeded), 200).await;
    let after = bed.order(order).await;
    assert_eq!(
        bed.owed(order).await,
        [(Kind::Settle, 0)],
        "its charge is settled"
    );
    let story = bed.mesh.timeline(order).await;
    let [remedy] = story.remedies.as_slice() else {
        panic!("always a remedy: {:?}", story.remedies)
    };
    assert_eq!(remedy.finder, "LATE");
    assert_eq!(remedy.evidence, format!("tx{order}0000"));
    assert_eq!(
        (remedy.before_status(), remedy.after_status()),
        (before, after.status())
    );
    if keeps {
        assert_eq!(after.status(), OrderStatus::Paid);
        assert_eq!(after.cancel_type(), CancelType::Unspecified);
        assert!(story.refunds.is_empty());
        return;
    }
    assert_eq!(after.status(), OrderStatus::Refunding);
    assert_eq!(after.cancel_type(), by);
    assert_eq!(after.refund_status(), RefundStatus::Processing);
    let [refund] = story.refunds.as_slice() else {
        panic!("{:?}", story.refunds)
    };
    assert_eq!(refund.merchant_refund_no, format!("late:{order}0000"));
    assert_eq!(refund.origin(), RefundOrigin::Late);
    assert_eq!((refund.by(), refund.amount_fen), (by, after.amount_fen));
    let owed = bed
        .mesh
        .owed(Service::Trade, digits(&refund.refund_no))
        .await;
    assert_eq!(owed, [(Kind::RefundDrive, 0)]);
}

#[tokio::test]
async fn late_money_that_went_back_leaves_an_order_refunded_for_whoever_revoked_it() {
    on_both(async |bed: Bed| {
        let order = bed.revoked(CancelType::Store).await;
        bed.told(&order, (0, PaymentFact::Succeeded), 200).await;
        let refund = bed.refunds(&order).await.remove(0);
        bed.refund_ended(&refund, Ended::Succeeded).await;
        let order = bed.order(&order).await;
        assert_eq!(order.status(), OrderStatus::Refunded);
        assert_eq!(order.cancel_type(), CancelType::Store);
        assert_eq!(order.refunded_fen, order.amount_fen);
    })
    .await;
}

async fn paid_or_later(bed: &Bed) -> [String; 4] {
    [
        bed.paid().await,
        bed.refunding(|all| all - 1).await.0,
        bed.refunded().await,
        bed.refund_failed().await.0,
    ]
}

// An order but for its version.
fn same(order: Order) -> Order {
    Order {
        version: 0,
        ..order
    }
}

#[tokio::test]
async fn the_same_success_again_changes_nothing() {
    on_both(async |bed: Bed| {
        for order in paid_or_later(&bed).await {
            let (before, owed) = (bed.order(&order).await, bed.owed(&order).await);
            // As it was told before, or as a later version says once more.
            for (told, version) in [(1, 100), (2, 200)] {
                bed.told(&order, (0, PaymentFact::Succeeded), version).await;
                let after = bed.order(&order).await;
                let lines = after.version - before.version;
                assert_eq!(lines, told, "acknowledged with a line");
                assert_eq!(same(after), same(before.clone()));
            }
            assert_eq!(bed.owed(&order).await, owed);
        }
    })
    .await;
}

#[tokio::test]
async fn money_of_another_payment_is_refunded_once_and_leaves_the_order_as_it_is() {
    on_both(async |bed: Bed| {
        for order in paid_or_later(&bed).await {
            let before = bed.order(&order).await;
            let refunds = bed.refunds(&order).await.len();
            for version in [100, 100, 101] {
                bed.told(&order, (1, PaymentFact::Succeeded), version).await;
            }
            assert_eq!(same(bed.order(&order).await), same(before));
            let now = bed.refunds(&order).await;
            let [surplus] = &now[refunds..] else {
                panic!("{now:?}")
            };
            assert_eq!(surplus.merchant_refund_no, format!("surplus:{order}0001"));
            assert_eq!(surplus.origin(), RefundOrigin::Surplus);
            assert_eq!(surplus.by(), CancelType::System);
            assert_eq!(surplus.state(), RefundState::Processing);
            assert!(bed.owed(&order).await.contains(&(Kind::Settle, 1)));
        }
    })
    .await;
}

#[tokio::test]
async fn a_payment_that_is_live_while_another_paid_is_asked_to_close() {
    on_both(async |bed: Bed| {
        let order = bed.pay_failed().await;
        bed.mesh.pay(&order, "r2").await.unwrap();
        bed.told(&order, (0, PaymentFact::Succeeded), 200).await;
        let paid = bed.order(&order).await;
        assert_eq!(paid.status(), OrderStatus::Paid);
        assert_eq!(paid.out_trade_no, format!("{order}0000"));
        let owed = bed.owed(&order).await;
        assert_eq!(owed, [(Kind::Revoke, 10_001), (Kind::Settle, 0)]);
        // Without pay-gateway it stays owed; once closing is on record there it is not.
        bed.peer.set(scenarios::Mode::Refuse);
        bed.try_to_revoke().await;
        assert!(bed.owed(&order).await.contains(&(Kind::Revoke, 10_001)));
        bed.peer.set(scenarios::Mode::Pass);
        bed.try_to_revoke().await;
        assert_eq!(bed.owed(&order).await, [(Kind::Settle, 0)]);
        let key = scenarios::key_of(&order);
        let gateway = bed.mesh.owed(Service::PayGateway, key).await;
        assert!(gateway.contains(&(Kind::Close, 1)), "{gateway:?}");
    })
    .await;
}

#[tokio::test]
async fn a_reversal_of_its_payment_makes_a_paid_order_refunded_by_the_system() {
    on_both(async |bed: Bed| {
        for order in paid_or_later(&bed).await {
            let before = bed.order(&order).await;
            bed.told(&order, (0, PaymentFact::Reversed), 200).await;
            let after = bed.order(&order).await;
            assert_eq!(
                after.status(),
                OrderStatus::Refunded,
                "from {:?}",
                before.status()
            );
            assert_eq!(after.cancel_type(), CancelType::System);
            assert_eq!(after.refund_status(), RefundStatus::Succeeded);
            assert!(bed.owed(&order).await.contains(&(Kind::Settle, 10_000)));
            let story = bed.mesh.timeline(&order).await;
            let remedy = story.remedies.last().unwrap();
            assert_eq!(remedy.finder, "REVERSED");
            assert_eq!(
                (remedy.before_status(), remedy.after_status()),
                (before.status(), after.status())
            );
            let open = |state| matches!(state, RefundState::Requested | RefundState::Processing);
            assert!(!story.refunds.iter().any(|refund| open(refund.state())));
        }
    })
    .await;
}

#[tokio::test]
async fn a_reversal_ends_the_open_refunds_of_its_payment_as_failed() {
    on_both(async |bed: Bed| {
        let (order, refund) = bed.refunding(|all| all - 10).await;
        bed.refund(&order, ("F2", 10)).await.unwrap();
        bed.told(&order, (1, PaymentFact::Succeeded), 100).await;
        bed.told(&order, (0, PaymentFact::Reversed), 200).await;
        let refunds = bed.refunds(&order).await;
        let failed: Vec<&str> = refunds.iter().map(|each| each.failure.as_str()).collect();
        assert_eq!(
            failed,
            ["REVERSED", "REVERSED", ""],
            "but not surplus money's"
        );
        assert_eq!(refunds[2].state(), RefundState::Processing);
        let owed = bed
            .mesh
            .owed(Service::Trade, digits(&refund.refund_no))
            .await;
        assert_eq!(owed, [(Kind::RefundReview, 0)]);
        // There is nothing to decide: the job sees that, and nobody is told.
        bed.mesh.now(Service::Trade, Kind::RefundReview).await;
        let owed = bed
            .mesh
            .owed(Service::Trade, digits(&refund.refund_no))
            .await;
        assert_eq!(owed, []);
    })
    .await;
}

#[tokio::test]
async fn a_stale_success_after_a_reversal_is_no_news() {
    on_both(async |bed: Bed| {
        let order = bed.paid().await;
        bed.told(&order, (0, PaymentFact::Reversed), 102).await;
        let refunded = bed.order(&order).await;
        for version in [100, 101] {
            bed.told(&order, (0, PaymentFact::Succeeded), version).await;
        }
        assert_eq!(bed.order(&order).await, refunded);
    })
    .await;
}

#[tokio::test]
async fn a_reversal_of_money_that_was_never_counted_owes_nothing() {
    on_both(async |bed: Bed| {
        let order = bed.paying().await;
        bed.told(&order, (0, PaymentFact::Reversed), 100).await;
        assert_eq!(bed.status(&order).await, OrderStatus::PayFailed);
        assert_eq!(bed.owed(&order).await, [(Kind::PayLimit, 0)]);
        // Told late that there had been some: it is gone.
        bed.told(&order, (0, PaymentFact::Succeeded), 99).await;
        assert_eq!(bed.status(&order).await, OrderStatus::PayFailed);
    })
    .await;
}
