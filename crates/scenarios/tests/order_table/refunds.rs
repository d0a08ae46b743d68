//! The rows of refunds.

use proto::gateway::v1::RefundState as Ended;
use proto::trade::v1::{
    CancelType, OrderStatus, RefundStatus, RejectRefundRequest, RetryRefundRequest,
};

use crate::bed::{Bed, on_both, refused};

#[tokio::test]
async fn request_refund_makes_a_paid_order_refunding() {
    on_both(async |bed: Bed| {
        let order = bed.paid().await;
        bed.refund(&order, ("F1", 100)).await.unwrap();
        let refunding = bed.order(&order).await;
        assert_eq!(refunding.status(), OrderStatus::Refunding);
        assert_eq!(refunding.refund_status(), RefundStatus::Requested);
        assert_eq!(refunding.cancel_type(), CancelType::Unspecified);
        // And again while one is open.
        bed.refund(&order, ("F2", 100)).await.unwrap();
        assert_eq!(bed.status(&order).await, OrderStatus::Refunding);
    })
    .await;
}

#[tokio::test]
async fn a_refund_that_is_retried_makes_a_refund_failed_order_refunding() {
    on_both(async |bed: Bed| {
        let (order, refund) = bed.refund_failed().await;
        let request = RetryRefundRequest {
            refund_no: refund.refund_no,
        };
        bed.mesh.trade().retry_refund(request).await.unwrap();
        let order = bed.order(&order).await;
        assert_eq!(order.status(), OrderStatus::Refunding);
        assert_eq!(order.refund_status(), RefundStatus::Processing);
    })
    .await;
}

#[tokio::test]
async fn a_new_refund_makes_a_refund_failed_order_refunding() {
    on_both(async |bed: Bed| {
        let (order, refund) = bed.refunding(|all| all - 10).await;
        bed.refund_ended(&refund, Ended::Failed).await;
        assert_eq!(bed.status(&order).await, OrderStatus::RefundFailed);
        // What failed stays reserved.
        let status = bed.refund(&order, ("F2", 11)).await.unwrap_err();
        refused(&status, "REFUND_TOO_MUCH");
        let other = bed.refund(&order, ("F2", 10)).await.unwrap();
        let refunding = bed.order(&order).await;
        assert_eq!(refunding.status(), OrderStatus::Refunding);
        assert_eq!(refunding.refund_status(), RefundStatus::Requested);
        let other = bed.approve(&other).await;
        bed.refund_ended(&other, Ended::Succeeded).await;
        let failed = bed.order(&order).await;
        assert_eq!(failed.status(), OrderStatus::RefundFailed);
        assert_eq!(failed.refunded_fen, 10);
    })
    .await;
}

#[tokio::test]
async fn an_order_that_is_not_paid_takes_no_refund() {
    on_both(async |bed: Bed| {
        for order in [bed.paying().await, bed.refunded().await] {
            let status = bed.refund(&order, ("F9", 1)).await.unwrap_err();
            refused(&status, "ILLEGAL_TRANSITION");
        }
    })
    .await;
}

#[tokio::test]
async fn with_no_refund_open_and_one_failed_it_is_refund_failed() {
    on_both(async |bed: Bed| {
        let (order, refund) = bed.refunding(|all| all - 10).await;
        let other = bed.refund(&order, ("F2", 10)).await.unwrap();
        let other = bed.approve(&other).await;
        bed.refund_ended(&refund, Ended::Failed).await;
        assert_eq!(
            bed.status(&order).await,
            OrderStatus::Refunding,
            "one is open"
        );
        bed.refund_ended(&other, Ended::Succeeded).await;
        let order = bed.order(&order).await;
        assert_eq!(order.status(), OrderStatus::RefundFailed);
        assert_eq!(order.refund_status(), RefundStatus::Failed);
        assert_eq!(order.refunded_fen, 10);
    })
    .await;
}

#[tokio::test]
async fn with_all_refunded_it_is_refunded() {
    on_both(async |bed: Bed| {
        let (order, refund) = bed.refunding(|all| all).await;
        bed.refund_ended(&refund, Ended::Succeeded).await;
        let order = bed.order(&order).await;
        assert_eq!(order.status(), OrderStatus::Refunded);
        assert_eq!(order.cancel_type(), CancelType::Customer);
        assert_eq!(order.refund_status(), RefundStatus::Succeeded);
        assert_eq!(order.refunded_fen, order.amount_fen);
    })
    .await;
}

#[tokio::test]
async fn with_a_part_refunded_or_none_it_is_paid_again() {
    on_both(async |bed: Bed| {
        let (order, refund) = bed.refunding(|all| all - 1).await;
        bed.refund_ended(&refund, Ended::Succeeded).await;
        let paid = bed.order(&order).await;
        assert_eq!(paid.status(), OrderStatus::Paid);
        assert_eq!(paid.refund_status(), RefundStatus::Succeeded);
        assert_eq!(paid.refunded_fen, paid.amount_fen - 1);

        let order = bed.paid().await;
        let refund = bed.refund(&order, ("F1", 1)).await.unwrap();
        let request = RejectRefundRequest {
            refund_no: refund.refund_no,
            reason: String::new(),
        };
        bed.mesh.trade().reject_refund(request).await.unwrap();
        let paid = bed.order(&order).await;
        assert_eq!(paid.status(), OrderStatus::Paid);
        assert_eq!(paid.refund_status(), RefundStatus::Rejected);
    })
    .await;
}
