//! What goes back is settled once, after its charge, so that nothing is left of it, the fee
//! included; and what a reversal takes back is what the refunds before it have left.

use domain::ObligationKind as Kind;
use mesh::reason_of;
use paymesh::cli::Service;
use proto::gateway::v1::{PaymentState, QueryPaymentRequest};
use proto::sandbox::v1::ReverseChargeRequest;
use proto::shop::v1::ShopStatus;
use proto::trade::v1::{CancelType, Order, OrderStatus, RefundState, RefundStatus, Settlement};
use scenarios::{Paying, TestMesh, key_of, left_of, refund_key_of, until, wish_for_refund};
use testkit::ENGINES;

use crate::{approved, left_by, paid};

/// Each row adds up, and what went back comes after its charge.
fn adds_up(rows: &[Settlement]) {
    for row in rows {
        assert_eq!(row.gross_fen, row.fee_fen + row.net_fen, "{row:?}");
        let back = !row.source.starts_with("charge:");
        assert_eq!(row.gross_fen < 0, back, "{row:?}");
    }
}

#[tokio::test]
async fn parts_go_back_one_after_the_other_until_nothing_is_left_the_fee_included() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let paying = paid(&mesh).await;
        let (no, amount) = (&paying.order_no, paying.amount_fen);
        let mut left = amount;
        for (number, part) in [("T1", 3_333), ("T2", 1), ("T3", 4_000)] {
            let refund = mesh.refunded(no, (number, part)).await;
            assert_eq!(refund.state(), RefundState::Succeeded);
            left -= part;
            let order = mesh.order(no).await;
            assert_eq!(order.status(), OrderStatus::Paid, "in part");
            assert_eq!(order.refund_status(), RefundStatus::Succeeded);
            assert_eq!(order.refunded_fen, amount - left);
            assert_eq!(order.cancel_type(), CancelType::Unspecified);
            let wish = wish_for_refund(no, ("T9", left + 1));
            assert_eq!(left_by(&mesh.ask_refund(wish).await.unwrap_err()), left);
        }
        mesh.refunded(no, ("T4", left)).await;
        let story = mesh.timeline(no).await;
        assert_eq!(story.settlements.len(), 5);
        adds_up(&story.settlements);
        assert_eq!(left_of(&story), (0, 0, 0));
        assert_eq!(story.order.unwrap().status(), OrderStatus::Refunded);
        assert_eq!(story.refunds.len(), 4);
        let charges = mesh.charges_of(no).await;
        assert_eq!(charges[0].refunded_fen, amount);
        let refused = mesh.ask_refund(wish_for_refund(no, ("T5", 1))).await;
        assert_eq!(
            reason_of(&refused.unwrap_err()).unwrap(),
            "ILLEGAL_TRANSITION"
        );
        assert_eq!(mesh.owed(Service::Trade, key_of(no)).await, []);
        assert!(mesh.forgotten().await.is_empty());
    }
}

#[tokio::test]
async fn refunds_that_end_together_share_the_fee_between_them() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let paying = paid(&mesh).await;
        let no = &paying.order_no;
        let mut refunds = Vec::new();
        // Sevenths of the fee do not come out even.
        let parts = 7;
        for part in 0..parts {
            let share = paying.amount_fen / parts;
            let amount = match part {
                0 => paying.amount_fen - share * (parts - 1),
                _ => share,
            };
            refunds.push(approved(&mesh, no, (&format!("T{part}"), amount)).await);
        }
        mesh.drives_refunds().await;
        // All end before any is settled, and then all are settled at once.
        until("all have ended", async || {
            mesh.now(Service::PayGateway, Kind::RefundQuery).await;
            let open = "SELECT COUNT(*) FROM refunds WHERE state = 2";
            let open = mesh.db(Service::PayGateway).count(open).await;
            (open == 0).then_some(())
        })
        .await;
        mesh.drain_all().await;
        mesh.now(Service::Trade, Kind::Settle).await;
        let story = mesh.timeline(no).await;
        assert_eq!(story.settlements.len(), 8, "{:?}", story.settlements);
        adds_up(&story.settlements);
        assert_eq!(left_of(&story), (0, 0, 0));
        let seq = "SELECT DISTINCT seq FROM settlements ORDER BY seq";
        assert_eq!(mesh.db(Service::Trade).rows(seq).await.len(), 8);
        assert_eq!(story.order.unwrap().status(), OrderStatus::Refunded);
        assert!(mesh.forgotten().await.is_empty());
    }
}

#[tokio::test]
async fn what_goes_back_before_there_is_a_rate_is_settled_after_its_charge() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let shop = mesh.bare_shop(ShopStatus::Open).await;
        mesh.account(&shop, "sandbox").await;
        let paying = mesh.payable(mesh.wish(&shop)).await;
        let no = &paying.order_no;
        is_paid(&mesh, &paying).await;
        let refund = mesh.refunded(no, ("T1", paying.amount_fen)).await;
        assert_eq!(refund.state(), RefundState::Succeeded);
        mesh.now(Service::Trade, Kind::Settle).await;
        assert!(mesh.timeline(no).await.settlements.is_empty());
        let key = refund_key_of(&refund.refund_no);
        let owed = mesh.owed(Service::Trade, key).await;
        assert_eq!(owed, [(Kind::Settle, -1)], "it waits");
        mesh.rate(&shop, 1, 6_000).await;
        until("both are settled", async || {
            mesh.now(Service::Trade, Kind::Settle).await;
            let story = mesh.timeline(no).await;
            (story.settlements.len() == 2).then_some(story)
        })
        .await;
        assert_eq!(left_of(&mesh.timeline(no).await), (0, 0, 0));
        assert!(mesh.forgotten().await.is_empty());
    }
}

/// The channel takes the payment back by itself, and we are told to look.
async fn reversed(mesh: &TestMesh, paying: &Paying) -> Order {
    let request = ReverseChargeRequest {
        out_trade_no: paying.out_trade_no.clone(),
    };
    mesh.payers().reverse_charge(request).await.unwrap();
    let request = QueryPaymentRequest {
        order_no: paying.order_no.clone(),
        attempt: 0,
        refresh: true,
    };
    until("pay-gateway sees it", async || {
        let answer = mesh.payments().query_payment(request.clone()).await;
        let payment = answer.unwrap().into_inner().payment.unwrap();
        (payment.state() == PaymentState::Reversed).then_some(())
    })
    .await;
    mesh.drain_all().await;
    mesh.order(&paying.order_no).await
}

#[tokio::test]
async fn a_reversal_takes_back_what_the_refunds_before_it_left() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let paying = paid(&mesh).await;
        let no = &paying.order_no;
        let part = mesh.refunded(no, ("T1", 3_333)).await;
        assert_eq!(part.state(), RefundState::Succeeded);
        let open = [
            mesh.requested(no, ("T2", 1_000)).await,
            approved(&mesh, no, ("T3", 2_000)).await,
        ];
        let order = reversed(&mesh, &paying).await;
        assert_eq!(order.status(), OrderStatus::Refunded);
        assert_eq!(order.cancel_type(), CancelType::System);
        assert_eq!(order.refunded_fen, paying.amount_fen);
        for open in open {
            let open = mesh.refund(&open.refund_no).await;
            assert_eq!(open.state(), RefundState::Failed);
            assert_eq!(open.failure, "REVERSED");
        }
        mesh.now(Service::Trade, Kind::Settle).await;
        let story = mesh.timeline(no).await;
        assert_eq!(story.settlements.len(), 3, "{:?}", story.settlements);
        adds_up(&story.settlements);
        assert_eq!(left_of(&story), (0, 0, 0));
        let last = story.settlements.iter();
        let reversal = last.filter(|row| row.source == "reversal:0");
        let gross: Vec<i64> = reversal.map(|row| row.gross_fen).collect();
        assert_eq!(gross, [3_333 - paying.amount_fen]);
        assert!(mesh.forgotten().await.is_empty());
    }
}

#[tokio::test]
async fn a_reversal_is_settled_after_what_went_back_before_it() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let shop = mesh.bare_shop(ShopStatus::Open).await;
        mesh.account(&shop, "sandbox").await;
        let paying = mesh.payable(mesh.wish(&shop)).await;
        let no = &paying.order_no;
        is_paid(&mesh, &paying).await;
        let parts = ["T1", "T2", "T3"];
        for number in parts {
            mesh.refunded(no, (number, 1_111)).await;
        }
        let order = reversed(&mesh, &paying).await;
        assert_eq!(order.status(), OrderStatus::Refunded);
        // Nothing is settled without a rate; then all of it is due at once.
        assert!(mesh.timeline(no).await.settlements.is_empty());
        mesh.rate(&shop, 1, 6_000).await;
        let story = until("all is settled", async || {
            mesh.now(Service::Trade, Kind::Settle).await;
            let story = mesh.timeline(no).await;
            (story.settlements.len() == 5).then_some(story)
        })
        .await;
        adds_up(&story.settlements);
        assert_eq!(left_of(&story), (0, 0, 0));
        let back = |gross| {
            let rows = story.settlements.iter();
            rows.filter(|row| row.gross_fen == gross).count()
        };
        assert_eq!(back(-1_111), 3);
        assert_eq!(back(3 * 1_111 - paying.amount_fen), 1);
        assert!(mesh.forgotten().await.is_empty());
    }
}

/// The payer pays, and the order knows.
async fn is_paid(mesh: &TestMesh, paying: &Paying) {
    mesh.charge(&paying.out_trade_no).await;
    until("it is paid", async || {
        mesh.drain_all().await;
        let order = mesh.order(&paying.order_no).await;
        (order.status() == OrderStatus::Paid).then_some(())
    })
    .await;
}

#[tokio::test]
async fn nothing_goes_back_again_after_a_reversal_and_nobody_need_look_at_it() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let paying = paid(&mesh).await;
        let no = &paying.order_no;
        let refund = approved(&mesh, no, ("T1", paying.amount_fen)).await;
        reversed(&mesh, &paying).await;
        let refund = mesh.refund(&refund.refund_no).await;
        assert_eq!(refund.failure, "REVERSED");
        for refused in [
            mesh.ask_refund(wish_for_refund(no, ("T2", 1))).await.err(),
            mesh.retry(&refund.refund_no).await.err(),
        ] {
            let reason = refused.and_then(|refused| reason_of(&refused));
            assert_eq!(reason.unwrap(), "ILLEGAL_TRANSITION");
        }
        mesh.drives_refunds().await;
        mesh.drain_all().await;
        assert!(mesh.channel_refunds().await.is_empty());
        let key = refund_key_of(&refund.refund_no);
        let owed = mesh.owed(Service::Trade, key).await;
        assert_eq!(owed, [], "there is nothing to decide");
        // Whoever has a slip may still show it.
        mesh.confirm(&refund.refund_no, "reversed by the channel")
            .await
            .unwrap();
        mesh.now(Service::Trade, Kind::Settle).await;
        assert_eq!(mesh.owed(Service::Trade, key).await, []);
        let story = mesh.timeline(no).await;
        assert_eq!(story.settlements.len(), 2, "the reversal's row is enough");
        assert_eq!(left_of(&story), (0, 0, 0));
        assert_eq!(story.order.unwrap().status(), OrderStatus::Refunded);
        assert!(mesh.forgotten().await.is_empty());
    }
}
