//! Money that pays nothing: another amount than was asked for, and what comes again after its
//! reversal. It is settled, and goes back once.

use domain::ObligationKind as Kind;
use paymesh::cli::Service;
use proto::gateway::v1::{PaymentFact, RefundState as Ended};
use proto::trade::v1::{
    CancelType, GetTimelineResponse, OrderStatus, Refund, RefundOrigin, RefundState, RefundStatus,
};
use scenarios::left_of;
use work::Applied;

use crate::bed::{Bed, on_both};

/// The last refund of an order.
async fn surplus(bed: &Bed, order: &str) -> Refund {
    bed.refunds(order).await.pop().unwrap()
}

/// It goes back, and all is settled.
async fn goes_back(bed: &Bed, order: &str) -> GetTimelineResponse {
    let refund = surplus(bed, order).await;
    bed.refund_ended(&refund, Ended::Succeeded).await;
    for _ in 0..3 {
        bed.mesh.now(Service::Trade, Kind::Settle).await;
    }
    bed.mesh.timeline(order).await
}

#[tokio::test]
async fn money_of_another_amount_pays_nothing_and_goes_back_with_a_remedy() {
    on_both(async |bed: Bed| {
        use OrderStatus::{Paid, PayFailed, Revoked, Unpaid};
        for (order, attempt, status) in [
            (bed.unpaid().await, 0, Unpaid),
            (bed.paying().await, 0, PayFailed),
            (bed.pay_failed().await, 0, PayFailed),
            (bed.revoke_failed(CancelType::System).await, 0, Revoked),
            (bed.revoking(CancelType::Store).await, 0, Revoked),
            (bed.revoked(CancelType::Customer).await, 0, Revoked),
            (bed.paid().await, 1, Paid),
        ] {
            let before = bed.order(&order).await;
            let paid_fen = before.amount_fen - 1;
            // By a reply and by the feed, and once more by a later version.
            for version in [200, 200, 201] {
                let told = bed.mesh.tell_paid(&order, attempt, (paid_fen, version));
                assert_eq!(told.await, Applied::Done);
            }
            let after = bed.order(&order).await;
            assert_eq!(after.status(), status);
            assert_eq!(after.refund_status(), RefundStatus::None);
            let story = bed.mesh.timeline(&order).await;
            let [remedy] = story.remedies.as_slice() else {
                panic!("{:?}", story.remedies)
            };
            assert_eq!(remedy.finder, "MISPAID");
            assert_eq!(remedy.out_trade_no, format!("{order}{attempt:04}"));
            assert_eq!(remedy.before_status(), before.status());
            assert_eq!(remedy.after_status(), status);
            let [refund] = story.refunds.as_slice() else {
                panic!("{:?}", story.refunds)
            };
            let key = format!("surplus:{order}{attempt:04}");
            assert_eq!(refund.merchant_refund_no, key);
            assert_eq!(refund.origin(), RefundOrigin::Surplus);
            assert_eq!(refund.amount_fen, paid_fen, "what was taken");
            assert_eq!(refund.state(), RefundState::Processing);
            assert!(bed.owed(&order).await.contains(&(Kind::Settle, attempt)));
            let story = goes_back(&bed, &order).await;
            let kept = if status == Paid { after.amount_fen } else { 0 };
            assert_eq!(left_of(&story).0, kept, "{:?}", story.settlements);
            let gross = story.settlements.iter().map(|row| row.gross_fen);
            assert!(gross.into_iter().any(|gross| gross == paid_fen));
            assert_eq!(story.order.unwrap().status(), status);
        }
    })
    .await;
}

#[tokio::test]
async fn an_order_that_was_paid_wrongly_can_be_paid_by_another_payment() {
    on_both(async |bed: Bed| {
        let order = bed.pay_failed().await;
        let amount = bed.order(&order).await.amount_fen;
        let told = bed.mesh.tell_paid(&order, 0, (amount + 1, 200)).await;
        assert_eq!(told, Applied::Done);
        bed.mesh.pay(&order, "r2").await.unwrap();
        let told = bed.mesh.tell_paid(&order, 1, (amount, 100)).await;
        assert_eq!(told, Applied::Done);
        let paid = bed.order(&order).await;
        assert_eq!(paid.status(), OrderStatus::Paid);
        assert_eq!(paid.out_trade_no, format!("{order}0001"));
        // It stays what it was, should its amount be left out once.
        bed.told(&order, (0, PaymentFact::Succeeded), 201).await;
        let story = goes_back(&bed, &order).await;
        assert_eq!(left_of(&story).0, amount);
        assert_eq!((story.refunds.len(), story.remedies.len()), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn money_of_another_amount_that_is_taken_back_goes_back_no_more() {
    on_both(async |bed: Bed| {
        let order = bed.paying().await;
        let amount = bed.order(&order).await.amount_fen;
        let told = bed.mesh.tell_paid(&order, 0, (amount - 1, 200)).await;
        assert_eq!(told, Applied::Done);
        bed.told(&order, (0, PaymentFact::Reversed), 201).await;
        let refund = surplus(&bed, &order).await;
        assert_eq!(refund.state(), RefundState::Failed);
        assert_eq!(refund.failure, "REVERSED");
        assert_eq!(bed.status(&order).await, OrderStatus::PayFailed);
        for _ in 0..3 {
            bed.mesh.now(Service::Trade, Kind::Settle).await;
        }
        let story = bed.mesh.timeline(&order).await;
        assert_eq!(story.settlements.len(), 2);
        assert_eq!(left_of(&story), (0, 0, 0));
    })
    .await;
}

#[tokio::test]
async fn money_that_comes_again_after_its_reversal_goes_back_once() {
    on_both(async |bed: Bed| {
        let order = bed.paid().await;
        bed.told(&order, (0, PaymentFact::Reversed), 102).await;
        let reversed = bed.order(&order).await;
        for version in [103, 103, 104] {
            bed.told(&order, (0, PaymentFact::Succeeded), version).await;
        }
        let after = bed.order(&order).await;
        assert_eq!(after.status(), OrderStatus::Refunded);
        assert_eq!(after.refund_status(), reversed.refund_status());
        let story = bed.mesh.timeline(&order).await;
        let finders: Vec<&str> = story.remedies.iter().map(|it| it.finder.as_str()).collect();
        assert_eq!(finders, ["REVERSED", "REGAINED"]);
        let [refund] = story.refunds.as_slice() else {
            panic!("{:?}", story.refunds)
        };
        assert_eq!(refund.merchant_refund_no, format!("surplus:{order}0000"));
        assert_eq!(refund.amount_fen, after.amount_fen);
        let story = goes_back(&bed, &order).await;
        assert_eq!(left_of(&story), (0, 0, 0));
        assert!(bed.mesh.forgotten().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn of_money_that_comes_again_what_had_gone_back_before_does_not_go_again() {
    on_both(async |bed: Bed| {
        let (order, refund) = bed.refunding(|_| 10).await;
        bed.refund_ended(&refund, Ended::Succeeded).await;
        bed.told(&order, (0, PaymentFact::Reversed), 102).await;
        bed.told(&order, (0, PaymentFact::Succeeded), 103).await;
        let refund = surplus(&bed, &order).await;
        assert_eq!(refund.amount_fen, bed.order(&order).await.amount_fen - 10);
        // And when it leaves as it came, nothing is left to send.
        bed.told(&order, (0, PaymentFact::Reversed), 104).await;
        let refund = surplus(&bed, &order).await;
        assert_eq!(refund.state(), RefundState::Failed);
        assert_eq!(refund.failure, "REVERSED");
    })
    .await;
}
