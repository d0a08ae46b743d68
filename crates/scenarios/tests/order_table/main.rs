//! The transition table of an order, a test a row, on both engines. What payments and refunds
//! did is told as pay-gateway would tell it; everything else is asked for as a client would.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alarms;
mod bed;
mod mispaid;
mod money;
mod refunds;
mod revoking;

use domain::ObligationKind as Kind;
use paymesh::cli::Service;
use proto::gateway::v1::PaymentFact;
use proto::sandbox::v1::Decline;
use proto::sandbox::v1::script::Misbehaviour;
use proto::time::to_proto;
use proto::trade::v1::{
    Binding, CancelType, CreateOrderRequest, ExternalPayment, Fulfilment, OrderKind, OrderStatus,
};
use scenarios::key_of;

use bed::{Bed, on_both, refused};

#[tokio::test]
async fn create_makes_an_unpaid_order() {
    on_both(async |bed: Bed| {
        let order = bed.mesh.created(&bed.shop).await;
        assert_eq!(order.status(), OrderStatus::Unpaid);
        assert_eq!(order.fulfilment(), Fulfilment::PendingAccept);
        assert_eq!((order.out_trade_no.as_str(), order.version), ("", 1));
        let owed = bed.owed(&order.order_no).await;
        assert_eq!(owed, [(Kind::BindLimit, 0), (Kind::PayLimit, 0)]);
    })
    .await;
}

#[tokio::test]
async fn create_with_an_external_payment_makes_a_paid_order() {
    on_both(async |bed: Bed| {
        let wish = bed.mesh.wish(&bed.shop);
        let external = ExternalPayment {
            platform: "meituan".to_owned(),
            number: "MT-1".to_owned(),
            paid_time: Some(to_proto(scenarios::TOLD_PAID_AT.parse().unwrap())),
            amount_fen: wish.amount_fen,
        };
        let wish = CreateOrderRequest {
            kind: OrderKind::ThirdParty.into(),
            external_payment: Some(external),
            ..wish
        };
        let answer = bed.mesh.trade().create_order(wish).await.unwrap();
        let order = answer.into_inner().order.unwrap();
        assert_eq!(order.status(), OrderStatus::Paid);
        assert_eq!(order.out_trade_no, "", "no payment of ours");
        assert_eq!(bed.owed(&order.order_no).await, []);
    })
    .await;
}

#[tokio::test]
async fn pay_with_no_live_payment_makes_an_unpaid_or_failed_order_paying() {
    on_both(async |bed: Bed| {
        let order = bed.paying().await;
        let paying = bed.order(&order).await;
        assert_eq!(paying.status(), OrderStatus::Paying);
        assert_eq!(paying.out_trade_no, format!("{order}0000"));
        let owed = bed.owed(&order).await;
        assert_eq!(owed, [(Kind::PayLimit, 0), (Kind::PayConfirm, 0)]);

        bed.told(&order, (0, PaymentFact::Dead), 100).await;
        assert_eq!(bed.status(&order).await, OrderStatus::PayFailed);
        let answer = bed.mesh.pay(&order, "r2").await.unwrap();
        assert_eq!(answer.out_trade_no, format!("{order}0001"));
        assert_eq!(bed.status(&order).await, OrderStatus::Paying);
        let owed = bed.owed(&order).await;
        assert_eq!(owed, [(Kind::PayLimit, 0), (Kind::PayConfirm, 1)]);
    })
    .await;
}

#[tokio::test]
async fn a_dead_payment_makes_a_paying_order_pay_failed() {
    on_both(async |bed: Bed| {
        let order = bed.pay_failed().await;
        assert_eq!(bed.owed(&order).await, [(Kind::PayLimit, 0)]);
        // Facts about a payment that is not the current one say nothing of the order.
        bed.mesh.pay(&order, "r2").await.unwrap();
        bed.told(&order, (0, PaymentFact::Dead), 101).await;
        assert_eq!(bed.status(&order).await, OrderStatus::Paying);
        bed.told(&order, (1, PaymentFact::Dead), 100).await;
        assert_eq!(bed.status(&order).await, OrderStatus::PayFailed);
    })
    .await;
}

#[tokio::test]
async fn a_payment_that_is_refused_at_once_makes_the_order_pay_failed() {
    on_both(async |bed: Bed| {
        let bare = bed.mesh.bare_shop(proto::shop::v1::ShopStatus::Open).await;
        let order = bed.mesh.bound(&bare).await.order_no;
        let status = bed.mesh.pay(&order, "r1").await.unwrap_err();
        refused(&status, "PAYMENT_REFUSED");
        assert_eq!(bed.status(&order).await, OrderStatus::PayFailed);
    })
    .await;
}

#[tokio::test]
async fn cancel_revokes_an_unpaid_or_failed_order_at_once() {
    on_both(async |bed: Bed| {
        for by in [CancelType::Customer, CancelType::Store] {
            for order in [bed.unpaid().await, bed.pay_failed().await] {
                let revoked = bed.cancel(&order, by).await.unwrap();
                assert_eq!(revoked.status(), OrderStatus::Revoked);
                assert_eq!(revoked.cancel_type(), by);
                assert_eq!(bed.owed(&order).await, []);
                let story = bed.mesh.timeline(&order).await;
                let line = story.entries.last().unwrap();
                assert_eq!(
                    (line.event.as_str(), line.actor.as_str()),
                    ("CANCEL", "rpc")
                );
                assert!(line.detail.ends_with("changed my mind"), "{line:?}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn the_pay_limit_revokes_an_unpaid_or_failed_order_at_once() {
    on_both(async |bed: Bed| {
        for order in [bed.unpaid().await, bed.pay_failed().await] {
            bed.mesh.limit_passes(&order, Kind::PayLimit).await;
            let revoked = bed.order(&order).await;
            assert_eq!(revoked.status(), OrderStatus::Revoked);
            assert_eq!(revoked.cancel_type(), CancelType::System);
            assert_eq!(bed.owed(&order).await, []);
        }
    })
    .await;
}

#[tokio::test]
async fn the_bind_limit_revokes_an_order_that_nobody_was_bound_to() {
    on_both(async |bed: Bed| {
        let order = bed.mesh.created(&bed.shop).await.order_no;
        bed.mesh.limit_passes(&order, Kind::BindLimit).await;
        let revoked = bed.order(&order).await;
        assert_eq!(revoked.status(), OrderStatus::Revoked);
        assert_eq!(revoked.cancel_type(), CancelType::System);
        assert_eq!(revoked.binding(), Binding::BindExpired);
        assert_eq!(bed.owed(&order).await, []);
    })
    .await;
}

#[tokio::test]
async fn the_bind_limit_revokes_a_failed_order_that_nobody_was_bound_to() {
    on_both(async |bed: Bed| {
        bed.mesh.scans(&bed.shop).await;
        let declines = Misbehaviour::Decline(Decline::default());
        bed.mesh.script("declines", declines).await;
        let order = bed.mesh.created(&bed.shop).await.order_no;
        refused(
            &bed.mesh.scan(&order, "r1").await.unwrap_err(),
            "PAYMENT_REFUSED",
        );
        let failed = bed.order(&order).await;
        assert_eq!(failed.status(), OrderStatus::PayFailed);
        assert_eq!(failed.binding(), Binding::Unbound);
        let owed = bed.owed(&order).await;
        assert_eq!(owed, [(Kind::BindLimit, 0), (Kind::PayLimit, 0)]);
        bed.mesh.limit_passes(&order, Kind::BindLimit).await;
        let revoked = bed.order(&order).await;
        assert_eq!(revoked.status(), OrderStatus::Revoked);
        assert_eq!(revoked.cancel_type(), CancelType::System);
        assert_eq!(revoked.binding(), Binding::BindExpired);
        assert_eq!(revoked.out_trade_no, format!("{order}0000"));
        assert_eq!(bed.owed(&order).await, []);
    })
    .await;
}

#[tokio::test]
async fn nobody_begins_to_pay_once_the_pay_limit_has_passed() {
    on_both(async |bed: Bed| {
        let paying = bed.mesh.paying(&bed.shop).await;
        let orders = [
            bed.unpaid().await,
            bed.pay_failed().await,
            paying.order_no.clone(),
        ];
        // It has passed, and its job has not come yet.
        let pass = "UPDATE orders SET pay_limit_at = 1";
        bed.mesh.db(Service::Trade).run(pass).await;
        for order in orders {
            let (before, lines) = (bed.order(&order).await, bed.lines(&order).await);
            for _ in 0..2 {
                let status = bed.mesh.pay(&order, "late").await.unwrap_err();
                refused(&status, "PAY_LIMIT_PASSED");
                let status = bed.mesh.scan(&order, "later").await.unwrap_err();
                refused(&status, "PAY_LIMIT_PASSED");
            }
            assert_eq!(bed.order(&order).await, before);
            assert_eq!(bed.lines(&order).await, lines);
            let key = key_of(&order);
            let written = format!(
                "SELECT COUNT(*) FROM pay_requests WHERE order_no = {key} \
                 AND request_id LIKE 'late%'"
            );
            assert_eq!(bed.mesh.db(Service::Trade).count(&written).await, 0);
        }
        // What was asked for in time is answered as before; its limit was never another.
        let pass = "UPDATE payments SET expires_at = 1";
        bed.mesh.db(Service::PayGateway).run(pass).await;
        let again = bed.mesh.pay(&paying.order_no, "r1").await.unwrap();
        assert_eq!(again.pay_info, paying.pay_info);
    })
    .await;
}

#[tokio::test]
async fn the_bind_limit_acts_on_no_order_that_is_bound_or_being_paid() {
    on_both(async |bed: Bed| {
        let (bound, paying) = (bed.unpaid().await, bed.paying().await);
        // A payer who shows a code need not be bound.
        let key = key_of(&paying);
        let sql = format!("UPDATE orders SET binding = 1, payer_id = NULL WHERE order_no = {key}");
        bed.mesh.db(Service::Trade).run(&sql).await;
        for order in [bound, paying] {
            let before = bed.order(&order).await;
            // As if it had been claimed just before it was bound, or paid.
            bed.owes(&order, (Kind::BindLimit, 0)).await;
            bed.mesh.limit_passes(&order, Kind::BindLimit).await;
            assert_eq!(bed.order(&order).await, unlimited(before));
            assert!(!bed.owed(&order).await.contains(&(Kind::BindLimit, 0)));
        }
    })
    .await;
}

// The test moves an order's limits; nothing else may have changed.
fn unlimited(order: proto::trade::v1::Order) -> proto::trade::v1::Order {
    let long_ago = Some(to_proto("1970-01-01T00:00:00.000001Z".parse().unwrap()));
    proto::trade::v1::Order {
        bind_limit_time: long_ago,
        pay_limit_time: long_ago,
        ..order
    }
}

#[tokio::test]
async fn a_limit_that_has_not_passed_is_waited_for() {
    on_both(async |bed: Bed| {
        let order = bed.mesh.created(&bed.shop).await.order_no;
        for kind in [Kind::BindLimit, Kind::PayLimit] {
            bed.mesh.falls_due(Service::Trade, kind).await;
            bed.mesh.work_off(Service::Trade, kind).await;
        }
        assert_eq!(bed.status(&order).await, OrderStatus::Unpaid);
        let dues = bed.mesh.dues(Service::Trade, key_of(&order)).await;
        let minutes: Vec<i64> = dues.iter().map(|due| due.in_micros / 60_000_000).collect();
        assert_eq!(
            minutes,
            [14, 119],
            "at the limits, to the microsecond: {dues:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_command_without_a_row_is_refused_and_one_that_is_achieved_answers_the_order() {
    on_both(async |bed: Bed| {
        let paid = bed.paid().await;
        refused(
            &bed.cancel(&paid, CancelType::Customer).await.unwrap_err(),
            "ILLEGAL_TRANSITION",
        );
        let revoked = bed.revoked(CancelType::Store).await;
        refused(
            &bed.mesh.pay(&revoked, "late").await.unwrap_err(),
            "ILLEGAL_TRANSITION",
        );
        for order in [revoked, bed.revoking(CancelType::Customer).await] {
            let before = bed.order(&order).await;
            // Whoever comes second finds it done.
            for by in [CancelType::Customer, CancelType::Store] {
                assert_eq!(bed.cancel(&order, by).await.unwrap(), before);
            }
        }
    })
    .await;
}
