//! Fulfilment: goods move one edge at a time while their money is here, a shop rejects what it
//! has not accepted, and a terminal shows it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use futures::future::join_all;
use mesh::reason_of;
use paymesh::cli::Service;
use proto::time::to_proto;
use proto::trade::v1::{
    AcceptOrderRequest, CancelOrderRequest, CancelType, CreateOrderRequest, DeliverOrderRequest,
    DispatchOrderRequest, ExternalPayment, Fulfilment, Order, OrderKind, OrderStatus,
    PickUpOrderRequest, PrepareOrderRequest, QueueOrderRequest, RefundOrigin, RefundState,
    RejectOrderRequest,
};
use scenarios::{Paying, Shop, TestMesh, key_of, left_of, wish_for_refund};
use testkit::ENGINES;
use tonic::{Code, Status};
use tonic_types::StatusExt;

const EDGES: [(Fulfilment, &str); 6] = [
    (Fulfilment::Accepted, "已支付"),
    (Fulfilment::NotPrepared, "已支付"),
    (Fulfilment::Prepared, "已配餐"),
    (Fulfilment::AwaitingPickup, "待配送"),
    (Fulfilment::PickedUp, "配送中"),
    (Fulfilment::Delivered, "已送达"),
];

/// Calls the RPC of the edge that leads to `to`.
async fn advance(mesh: &TestMesh, order_no: &str, to: Fulfilment) -> Result<Order, Status> {
    let (mut trade, order_no) = (mesh.trade(), order_no.to_owned());
    macro_rules! call {
        ($rpc:ident, $request:ident) => {
            trade
                .$rpc($request { order_no })
                .await
                .map(|answer| answer.into_inner().order.unwrap())
        };
    }
    match to {
        Fulfilment::Accepted => call!(accept_order, AcceptOrderRequest),
        Fulfilment::NotPrepared => call!(queue_order, QueueOrderRequest),
        Fulfilment::Prepared => call!(prepare_order, PrepareOrderRequest),
        Fulfilment::AwaitingPickup => call!(dispatch_order, DispatchOrderRequest),
        Fulfilment::PickedUp => call!(pick_up_order, PickUpOrderRequest),
        Fulfilment::Delivered => call!(deliver_order, DeliverOrderRequest),
        Fulfilment::Unspecified | Fulfilment::PendingAccept => panic!("no edge leads there"),
    }
}

async fn reject(mesh: &TestMesh, order_no: &str) -> Result<Order, Status> {
    let request = RejectOrderRequest {
        order_no: order_no.to_owned(),
        reason: "sold out".to_owned(),
    };
    let answer = mesh.trade().reject_order(request).await;
    answer.map(|answer| answer.into_inner().order.unwrap())
}

/// Refused, because what is asked for has no row from this state.
fn is_illegal(status: &Status, from: &str) {
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert_eq!(reason_of(status).unwrap(), "ILLEGAL_TRANSITION");
    let metadata = status.get_details_error_info().unwrap().metadata;
    assert_eq!(metadata["from"], from);
}

async fn takeout(mesh: &TestMesh) -> Paying {
    let shop = mesh.shop().await;
    mesh.paid(takeout_wish(mesh, &shop)).await
}

fn takeout_wish(mesh: &TestMesh, shop: &Shop) -> CreateOrderRequest {
    CreateOrderRequest {
        kind: OrderKind::Official.into(),
        ..mesh.wish(shop)
    }
}

async fn arrived_paid(mesh: &TestMesh) -> Order {
    let wish = takeout_wish(mesh, &mesh.shop().await);
    let external = ExternalPayment {
        platform: "meituan".to_owned(),
        number: wish.merchant_order_no.clone(),
        paid_time: Some(to_proto("2026-11-20T03:59:30Z".parse().unwrap())),
        amount_fen: wish.amount_fen,
    };
    let wish = CreateOrderRequest {
        kind: OrderKind::ThirdParty.into(),
        external_payment: Some(external),
        ..wish
    };
    let answer = mesh.trade().create_order(wish).await.unwrap();
    answer.into_inner().order.unwrap()
}

#[tokio::test]
async fn goods_move_one_edge_after_the_other_and_a_terminal_shows_where_they_are() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let ours = takeout(&mesh).await.order_no;
        let theirs = arrived_paid(&mesh).await.order_no;
        for no in [ours, theirs] {
            let order = mesh.order(&no).await;
            assert_eq!(order.fulfilment(), Fulfilment::PendingAccept);
            assert_eq!(order.terminal_text, "已支付");
            let mut version = order.version;
            for (at, (to, shown)) in EDGES.iter().enumerate() {
                for (later, _) in EDGES.iter().skip(at + 1) {
                    let refused = advance(&mesh, &no, *later).await.unwrap_err();
                    let from = mesh.order(&no).await.fulfilment();
                    is_illegal(
                        &refused,
                        from.as_str_name().trim_start_matches("FULFILMENT_"),
                    );
                }
                let moved = advance(&mesh, &no, *to).await.unwrap();
                version += 1;
                assert_eq!((moved.fulfilment(), moved.version), (*to, version));
                assert_eq!(moved.terminal_text, *shown);
                assert_eq!(moved.status(), OrderStatus::Paid);
                for (achieved, _) in &EDGES[..=at] {
                    let same = advance(&mesh, &no, *achieved).await.unwrap();
                    assert_eq!(same, moved, "what is achieved stays so");
                }
                if at == 0 {
                    is_illegal(&reject(&mesh, &no).await.unwrap_err(), "ACCEPTED");
                }
            }
            let story = mesh.timeline(&no).await;
            let lines = story.entries.iter().rev().take(6).rev();
            let events: Vec<&str> = lines.map(|line| line.event.as_str()).collect();
            let edges = [
                "ACCEPTED",
                "NOT_PREPARED",
                "PREPARED",
                "AWAITING_PICKUP",
                "PICKED_UP",
                "DELIVERED",
            ];
            assert_eq!(events, edges);
        }
        assert!(mesh.forgotten().await.is_empty());
    }
}

#[tokio::test]
async fn the_counters_goods_are_delivered_as_soon_as_they_are_paid() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let shop = mesh.shop().await;
        let paying = mesh.paid(mesh.wish(&shop)).await;
        let order = mesh.order(&paying.order_no).await;
        assert_eq!(order.fulfilment(), Fulfilment::Delivered);
        assert_eq!(order.terminal_text, "已送达");
        is_illegal(
            &reject(&mesh, &order.order_no).await.unwrap_err(),
            "DELIVERED",
        );
        let same = advance(&mesh, &order.order_no, Fulfilment::Delivered).await;
        assert_eq!(same.unwrap(), order);
    }
}

#[tokio::test]
async fn goods_move_only_while_their_money_is_here() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let shop = mesh.shop().await;
        let created = mesh.trade().create_order(takeout_wish(&mesh, &shop)).await;
        let unpaid = created.unwrap().into_inner().order.unwrap();
        assert_eq!(unpaid.terminal_text, "");
        let no = &unpaid.order_no;
        is_illegal(
            &advance(&mesh, no, Fulfilment::Accepted).await.unwrap_err(),
            "PENDING_ACCEPT",
        );
        is_illegal(&reject(&mesh, no).await.unwrap_err(), "PENDING_ACCEPT");
        let cancel = CancelOrderRequest {
            order_no: no.clone(),
            by: CancelType::Customer.into(),
            reason: String::new(),
        };
        mesh.trade().cancel_order(cancel).await.unwrap();
        let order = mesh.order(no).await;
        assert_eq!(order.status(), OrderStatus::Revoked);
        assert_eq!(order.terminal_text, "已取消");
        assert_eq!(order.cancel_type(), CancelType::Customer);
        is_illegal(
            &advance(&mesh, no, Fulfilment::Accepted).await.unwrap_err(),
            "PENDING_ACCEPT",
        );

        let paying = takeout(&mesh).await;
        let no = &paying.order_no;
        advance(&mesh, no, Fulfilment::Accepted).await.unwrap();
        let refund = mesh.requested(no, ("T1", paying.amount_fen)).await;
        assert_eq!(mesh.order(no).await.terminal_text, "退款中");
        // The money is still here.
        advance(&mesh, no, Fulfilment::NotPrepared).await.unwrap();
        mesh.approve(&refund.refund_no).await.unwrap();
        mesh.ended(&refund.refund_no).await;
        let order = mesh.order(no).await;
        assert_eq!(order.terminal_text, "已退单");
        is_illegal(
            &advance(&mesh, no, Fulfilment::Prepared).await.unwrap_err(),
            "NOT_PREPARED",
        );
    }
}

#[tokio::test]
async fn what_the_shop_rejects_goes_back_whole_once_and_cannot_be_accepted_any_more() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let paying = takeout(&mesh).await;
        let no = &paying.order_no;
        let answers = join_all((0..20).map(|_| reject(&mesh, no))).await;
        for answer in answers {
            let order = answer.unwrap();
            assert_eq!(order.status(), OrderStatus::Refunding);
            assert_eq!(order.terminal_text, "退款中");
        }
        let refunds = mesh.timeline(no).await.refunds;
        assert_eq!(refunds.len(), 1, "{refunds:?}");
        assert_eq!(refunds[0].origin(), RefundOrigin::Rejection);
        assert_eq!(refunds[0].reason, "sold out");
        is_illegal(
            &advance(&mesh, no, Fulfilment::Accepted).await.unwrap_err(),
            "REJECTED",
        );
        let refund = mesh.ended(&refunds[0].refund_no).await;
        assert_eq!(refund.state(), RefundState::Succeeded);
        let order = reject(&mesh, no).await.unwrap();
        assert_eq!(order.status(), OrderStatus::Refunded);
        assert_eq!(order.cancel_type(), CancelType::Store);
        assert_eq!(order.fulfilment(), Fulfilment::PendingAccept);
        let story = mesh.timeline(no).await;
        assert_eq!(left_of(&story), (0, 0, 0));
        assert_eq!(mesh.owed(Service::Trade, key_of(no)).await, []);
        assert!(mesh.forgotten().await.is_empty());
    }
}

#[tokio::test]
async fn a_rejection_takes_what_other_refunds_have_left() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let paying = takeout(&mesh).await;
        let no = &paying.order_no;
        let asked = mesh.requested(no, ("T1", 1_000)).await;
        reject(&mesh, no).await.unwrap();
        let refunds = mesh.timeline(no).await.refunds;
        let [_, rejection] = refunds.as_slice() else {
            panic!("{refunds:?}")
        };
        assert_eq!(rejection.amount_fen, paying.amount_fen - 1_000);
        mesh.approve(&asked.refund_no).await.unwrap();
        for refund in [&asked, rejection] {
            mesh.ended(&refund.refund_no).await;
        }
        let order = mesh.order(no).await;
        assert_eq!(order.status(), OrderStatus::Refunded);
        // Where nothing is left there is nothing to reject.
        let all = takeout(&mesh).await;
        mesh.requested(&all.order_no, ("T1", all.amount_fen)).await;
        let refused = reject(&mesh, &all.order_no).await.unwrap_err();
        assert_eq!(reason_of(&refused).unwrap(), "REFUND_TOO_MUCH");
        assert!(mesh.forgotten().await.is_empty());
    }
}

#[tokio::test]
async fn what_a_platform_was_paid_is_rejected_here_and_goes_back_there() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let order = arrived_paid(&mesh).await;
        let no = &order.order_no;
        let rejected = reject(&mesh, no).await.unwrap();
        assert_eq!(rejected.status(), OrderStatus::Refunding);
        let refunds = mesh.timeline(no).await.refunds;
        assert_eq!(refunds[0].merchant_refund_no, format!("reject:{no}"));
        assert_eq!(refunds[0].state(), RefundState::Processing);
        let told = mesh.confirm(&refunds[0].refund_no, "MT-R-1").await.unwrap();
        let order = told.order.unwrap();
        assert_eq!(order.status(), OrderStatus::Refunded);
        assert_eq!(order.cancel_type(), CancelType::Store);
        assert!(mesh.channel_refunds().await.is_empty());
    }
}

#[tokio::test]
async fn of_a_rejection_and_an_acceptance_at_once_one_counts() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        for round in 0..6 {
            let order = arrived_paid(&mesh).await;
            let no = &order.order_no;
            let (first, second) = (
                async || reject(&mesh, no).await,
                async || advance(&mesh, no, Fulfilment::Accepted).await,
            );
            let (rejection, acceptance) = if round % 2 == 0 {
                tokio::join!(first(), second())
            } else {
                let (second, first) = tokio::join!(second(), first());
                (first, second)
            };
            assert_ne!(rejection.is_ok(), acceptance.is_ok(), "one of them");
            let after = mesh.order(no).await;
            let goods = after.fulfilment() == Fulfilment::Accepted;
            assert_eq!(goods, acceptance.is_ok());
        }
        assert!(mesh.forgotten().await.is_empty());
    }
}

#[tokio::test]
async fn an_order_nobody_accepted_and_a_number_that_is_none_are_told_apart() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let nobody = "W261120000000000001";
        for (to, _) in EDGES {
            let refused = advance(&mesh, nobody, to).await.unwrap_err();
            assert_eq!(reason_of(&refused).unwrap(), "ORDER_NOT_ACCEPTED");
            let refused = advance(&mesh, "W1", to).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument);
        }
        let refused = reject(&mesh, nobody).await.unwrap_err();
        assert_eq!(reason_of(&refused).unwrap(), "ORDER_NOT_ACCEPTED");
        let refused = mesh.ask_refund(wish_for_refund(nobody, ("T1", 1))).await;
        let refused = refused.unwrap_err();
        assert_eq!(reason_of(&refused).unwrap(), "ORDER_NOT_ACCEPTED");
    }
}
