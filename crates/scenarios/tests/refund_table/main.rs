//! The refund's transition table, row by row, through the whole mesh: what moves a refund, where
//! to, what its order then shows, and what is owed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod failed;

use std::time::Duration;

use domain::ObligationKind as Kind;
use mesh::reason_of;
use paymesh::cli::Service;
use prost::Message;
use proto::gateway::v1 as gateway;
use proto::sandbox::v1::script::Misbehaviour;
use proto::sandbox::v1::{
    Contradiction, QueryAnswer, RefundEnding, RefundState as Ending, Timeout,
};
use proto::trade::v1::{
    ApproveRefundRequest, CancelOrderRequest, CancelType, ConfirmRefundRequest, CreateOrderRequest,
    Order, OrderKind, OrderStatus, Refund, RefundOrigin, RefundState, RefundStatus,
    RejectOrderRequest, RejectRefundRequest, RetryRefundRequest,
};
use scenarios::{Paying, TestMesh, Workers, refund_key_of, until, wish_for_refund};
use store::Engine;
use store::feed::Sequenced;
use testkit::ENGINES;
use tonic::Request;
use work::Applied;

async fn mesh(engine: Engine) -> TestMesh {
    TestMesh::with(engine, Workers::Off, |_| {}).await
}

async fn paid(mesh: &TestMesh) -> Paying {
    let shop = mesh.shop().await;
    mesh.paid(mesh.wish(&shop)).await
}

/// A refund of the whole order that was approved and is not sent yet.
async fn processing(mesh: &TestMesh) -> (Paying, Refund) {
    let paying = paid(mesh).await;
    let refund = mesh.requested(&paying.order_no, ("T1", paying.amount_fen));
    let refund = refund.await;
    let refund = mesh.approve(&refund.refund_no).await.unwrap().refund;
    (paying, refund.unwrap())
}

/// A refund of the whole order of which the channel said FAIL.
async fn failed(mesh: &TestMesh) -> (Paying, Refund) {
    ending(mesh, Ending::Fail).await;
    let (paying, refund) = processing(mesh).await;
    let refund = mesh.ended(&refund.refund_no).await;
    assert_eq!(refund.state(), RefundState::Failed);
    (paying, refund)
}

/// From now on refunds end so at the channel.
async fn ending(mesh: &TestMesh, state: Ending) {
    let ending = RefundEnding {
        state: state.into(),
        ..RefundEnding::default()
    };
    mesh.script("ending", Misbehaviour::RefundEnding(ending))
        .await;
}

async fn owed(mesh: &TestMesh, refund: &Refund) -> Vec<(Kind, i32)> {
    mesh.owed(Service::Trade, refund_key_of(&refund.refund_no))
        .await
}

async fn stands(mesh: &TestMesh, order_no: &str) -> (OrderStatus, RefundStatus) {
    let order: Order = mesh.order(order_no).await;
    (order.status(), order.refund_status())
}

/// The one refund of the order.
async fn only(mesh: &TestMesh, order_no: &str) -> Refund {
    let mut refunds = mesh.timeline(order_no).await.refunds;
    assert_eq!(refunds.len(), 1, "{refunds:?}");
    refunds.remove(0)
}

async fn too_much(mesh: &TestMesh, order_no: &str) {
    let wish = wish_for_refund(order_no, ("T9", 1));
    let refused = mesh.ask_refund(wish).await.unwrap_err();
    assert_eq!(reason_of(&refused).unwrap(), "REFUND_TOO_MUCH");
}

// (none) | RequestRefund, amount reserved | REQUESTED
#[tokio::test]
async fn what_is_asked_for_is_requested_and_its_amount_reserved() {
    for engine in ENGINES {
        let mesh = mesh(engine).await;
        let paying = paid(&mesh).await;
        let refund = mesh
            .requested(&paying.order_no, ("T1", paying.amount_fen))
            .await;
        assert_eq!(refund.state(), RefundState::Requested);
        assert_eq!(refund.origin(), RefundOrigin::Asked);
        assert_eq!(refund.out_trade_no, paying.out_trade_no);
        assert_eq!(
            stands(&mesh, &paying.order_no).await,
            (OrderStatus::Refunding, RefundStatus::Requested)
        );
        assert_eq!(owed(&mesh, &refund).await, [(Kind::RefundReview, 0)]);
        too_much(&mesh, &paying.order_no).await;
        // Nothing is sent before it is approved.
        mesh.drives_refunds().await;
        mesh.drain_all().await;
        assert!(mesh.channel_refunds().await.is_empty());
        assert!(mesh.forgotten().await.is_empty());
    }
}

// (none) | order rejected by the shop | PROCESSING
#[tokio::test]
async fn what_the_shop_rejects_goes_back_without_approval() {
    for engine in ENGINES {
        let mesh = mesh(engine).await;
        let shop = mesh.shop().await;
        let wish = CreateOrderRequest {
            kind: OrderKind::Official.into(),
            ..mesh.wish(&shop)
        };
        let paying = mesh.paid(wish).await;
        let request = RejectOrderRequest {
            order_no: paying.order_no.clone(),
            reason: "sold out".to_owned(),
        };
        mesh.trade().reject_order(request).await.unwrap();
        let refund = only(&mesh, &paying.order_no).await;
        assert_eq!(refund.state(), RefundState::Processing);
        assert_eq!(refund.origin(), RefundOrigin::Rejection);
        assert_eq!(refund.by(), CancelType::Store);
        assert_eq!(refund.amount_fen, paying.amount_fen);
        let key = format!("reject:{}", paying.out_trade_no);
        assert_eq!(refund.merchant_refund_no, key);
        assert_eq!(owed(&mesh, &refund).await, [(Kind::RefundDrive, 0)]);
        assert_eq!(
            stands(&mesh, &paying.order_no).await,
            (OrderStatus::Refunding, RefundStatus::Processing)
        );
    }
}

// (none) | late money | PROCESSING, keyed late:
#[tokio::test]
async fn late_money_goes_back_without_approval_once() {
    for engine in ENGINES {
        let mesh = mesh(engine).await;
        let shop = mesh.shop().await;
        let paying = mesh.payable(mesh.wish(&shop)).await;
        let cancel = CancelOrderRequest {
            order_no: paying.order_no.clone(),
            by: CancelType::Customer.into(),
            reason: String::new(),
        };
        mesh.trade().cancel_order(cancel).await.unwrap();
        mesh.charge(&paying.out_trade_no).await;
        let told = async || {
            mesh.now(Service::PayGateway, Kind::Inbox).await;
            mesh.drain_all().await;
            let order = mesh.order(&paying.order_no).await;
            (order.status() == OrderStatus::Refunding).then_some(order)
        };
        let order = until("the money comes", told).await;
        assert_eq!(order.cancel_type(), CancelType::Customer);
        assert_eq!(order.refund_status(), RefundStatus::Processing);
        let refund = only(&mesh, &paying.order_no).await;
        assert_eq!(refund.state(), RefundState::Processing);
        assert_eq!(refund.origin(), RefundOrigin::Late);
        assert_eq!(refund.by(), CancelType::Customer);
        let key = format!("late:{}", paying.out_trade_no);
        assert_eq!(refund.merchant_refund_no, key);
        let refund = mesh.ended(&refund.refund_no).await;
        assert_eq!(refund.state(), RefundState::Succeeded);
        let order = mesh.order(&paying.order_no).await;
        assert_eq!(order.status(), OrderStatus::Refunded);
        assert_eq!(order.cancel_type(), CancelType::Customer);
        // Charged and given back: nothing is left, the fee included.
        let story = mesh.timeline(&paying.order_no).await;
        assert_eq!(scenarios::left_of(&story), (0, 0, 0));
        assert_eq!(story.settlements.len(), 2);
        assert!(mesh.forgotten().await.is_empty());
    }
}

// (none) | surplus | PROCESSING, keyed surplus:
#[tokio::test]
async fn surplus_money_goes_back_beside_the_orders_own() {
    for engine in ENGINES {
        let mesh = mesh(engine).await;
        let (paying, surplus) = paid_twice(&mesh).await;
        let order = mesh.order(&paying.order_no).await;
        assert_eq!(order.status(), OrderStatus::Paid);
        assert_eq!(order.refund_status(), RefundStatus::None);
        assert_eq!(surplus.state(), RefundState::Processing);
        assert_eq!(surplus.origin(), RefundOrigin::Surplus);
        let key = format!("surplus:{}", paying.out_trade_no);
        assert_eq!(surplus.merchant_refund_no, key);
        // The order's own money can still go back, all of it.
        let own = mesh.refunded(&paying.order_no, ("T1", paying.amount_fen));
        assert_eq!(own.await.state(), RefundState::Succeeded);
        let surplus = mesh.ended(&surplus.refund_no).await;
        assert_eq!(surplus.state(), RefundState::Succeeded);
        let order = mesh.order(&paying.order_no).await;
        assert_eq!(order.status(), OrderStatus::Refunded);
        let story = mesh.timeline(&paying.order_no).await;
        assert_eq!(story.settlements.len(), 4, "{:?}", story.settlements);
        assert_eq!(scenarios::left_of(&story), (0, 0, 0));
        assert!(mesh.forgotten().await.is_empty());
    }
}

// The same, FAILED: the order does not show it, and a person is told all the same.
#[tokio::test]
async fn surplus_money_that_does_not_go_back_is_no_trouble_of_the_orders() {
    for engine in ENGINES {
        let mesh = mesh(engine).await;
        ending(&mesh, Ending::Fail).await;
        let (paying, surplus) = paid_twice(&mesh).await;
        let surplus = mesh.ended(&surplus.refund_no).await;
        assert_eq!(surplus.state(), RefundState::Failed);
        let paid = (OrderStatus::Paid, RefundStatus::None);
        assert_eq!(stands(&mesh, &paying.order_no).await, paid);
        assert_eq!(owed(&mesh, &surplus).await, [(Kind::RefundReview, 0)]);
        mesh.clear_scripts().await;
        mesh.retry(&surplus.refund_no).await.unwrap();
        assert_eq!(stands(&mesh, &paying.order_no).await, paid);
        let surplus = mesh.ended(&surplus.refund_no).await;
        assert_eq!(surplus.state(), RefundState::Succeeded);
        assert_eq!(stands(&mesh, &paying.order_no).await, paid);
        let story = mesh.timeline(&paying.order_no).await;
        assert_eq!(story.settlements.len(), 3, "{:?}", story.settlements);
        assert!(mesh.forgotten().await.is_empty());
    }
}

/// An order whose first payment was said to be declined, whose second paid, and whose first
/// then paid, too; the surplus refund. `out_trade_no` is the first's.
async fn paid_twice(mesh: &TestMesh) -> (Paying, Refund) {
    let shop = mesh.shop().await;
    let lies = Contradiction {
        answers: vec![QueryAnswer::PayError.into()],
        unpaid_too: true,
    };
    mesh.script("lies", Misbehaviour::Contradicting(lies)).await;
    let paying = mesh.payable(mesh.wish(&shop)).await;
    let declined = async || {
        mesh.now(Service::PayGateway, Kind::Poll).await;
        mesh.drain_all().await;
        let order = mesh.order(&paying.order_no).await;
        (order.status() == OrderStatus::PayFailed).then_some(())
    };
    until("the first is declined", declined).await;
    let second = mesh.pay(&paying.order_no, "r2").await.unwrap();
    for number in [&second.out_trade_no, &paying.out_trade_no] {
        mesh.charge(number).await;
        let told = async || {
            mesh.now(Service::PayGateway, Kind::Inbox).await;
            mesh.drain_all().await;
            let story = mesh.timeline(&paying.order_no).await;
            let settled = story.settlements.iter();
            let of = settled.filter(|row| row.out_trade_no == *number);
            (of.count() > 0).then_some(())
        };
        until("its money is counted", told).await;
    }
    let surplus = only(mesh, &paying.order_no).await;
    (paying, surplus)
}

// REQUESTED | approve | PROCESSING
#[tokio::test]
async fn what_is_approved_is_processing_and_owed_to_be_sent() {
    for engine in ENGINES {
        let mesh = mesh(engine).await;
        let (paying, refund) = processing(&mesh).await;
        assert_eq!(refund.state(), RefundState::Processing);
        assert_eq!(owed(&mesh, &refund).await, [(Kind::RefundDrive, 0)]);
        assert_eq!(
            stands(&mesh, &paying.order_no).await,
            (OrderStatus::Refunding, RefundStatus::Processing)
        );
        let version = mesh.order(&paying.order_no).await.version;
        let again = mesh.approve(&refund.refund_no).await.unwrap();
        assert_eq!(again.order.unwrap().version, version, "nothing changed");
        let refused = mesh.refuse(&refund.refund_no).await.unwrap_err();
        assert_eq!(reason_of(&refused).unwrap(), "ILLEGAL_TRANSITION");
    }
}

// REQUESTED | reject | REJECTED, released
#[tokio::test]
async fn what_is_rejected_may_be_asked_for_again() {
    for engine in ENGINES {
        let mesh = mesh(engine).await;
        let paying = paid(&mesh).await;
        let refund = mesh
            .requested(&paying.order_no, ("T1", paying.amount_fen))
            .await;
        let refused = mesh.refuse(&refund.refund_no).await.unwrap();
        let refund = refused.refund.unwrap();
        assert_eq!(refund.state(), RefundState::Rejected);
        assert_eq!(refund.reason, "eaten already");
        assert_eq!(owed(&mesh, &refund).await, []);
        assert_eq!(
            stands(&mesh, &paying.order_no).await,
            (OrderStatus::Paid, RefundStatus::Rejected)
        );
        let approved = mesh.approve(&refund.refund_no).await.unwrap_err();
        assert_eq!(reason_of(&approved).unwrap(), "ILLEGAL_TRANSITION");
        mesh.refuse(&refund.refund_no).await.unwrap();
        // The same request is still the same refund.
        let wish = wish_for_refund(&paying.order_no, ("T1", paying.amount_fen));
        let repeated = mesh.ask_refund(wish).await.unwrap();
        assert!(!repeated.created);
        let again = mesh
            .requested(&paying.order_no, ("T2", paying.amount_fen))
            .await;
        assert_eq!(again.state(), RefundState::Requested);
        assert!(mesh.forgotten().await.is_empty());
    }
}

// PROCESSING | accepted | PROCESSING
#[tokio::test]
async fn what_the_channel_accepted_is_still_processing() {
    for engine in ENGINES {
        let mesh = mesh(engine).await;
        let (paying, refund) = processing(&mesh).await;
        mesh.drives_refunds().await;
        assert_eq!(mesh.channel_refunds().await.len(), 1);
        still_processing(&mesh, (&paying, &refund)).await;
        let refund = mesh.ended(&refund.refund_no).await;
        assert_eq!(refund.state(), RefundState::Succeeded);
    }
}

// PROCESSING | unknown | PROCESSING
#[tokio::test]
async fn a_refund_without_an_answer_is_still_processing_and_goes_back_once() {
    for engine in ENGINES {
        for was_done in [false, true] {
            let mesh = mesh(engine).await;
            let (paying, refund) = processing(&mesh).await;
            let timeout = Timeout {
                hold: Some(Duration::from_millis(50).try_into().unwrap()),
            };
            let silence = if was_done {
                Misbehaviour::TimeoutAfter(timeout)
            } else {
                Misbehaviour::TimeoutBefore(timeout)
            };
            mesh.script("silence", silence).await;
            mesh.drives_refunds().await;
            still_processing(&mesh, (&paying, &refund)).await;
            mesh.clear_scripts().await;
            let refund = mesh.ended(&refund.refund_no).await;
            assert_eq!(refund.state(), RefundState::Succeeded);
            let charges = mesh.charges_of(&paying.order_no).await;
            assert_eq!(charges[0].refunded_fen, paying.amount_fen, "once");
        }
    }
}

// PROCESSING | NOTSURE | PROCESSING
#[tokio::test]
async fn a_refund_the_channel_is_not_sure_of_is_sent_again_under_its_number() {
    for engine in ENGINES {
        let mesh = mesh(engine).await;
        ending(&mesh, Ending::Notsure).await;
        let (paying, refund) = processing(&mesh).await;
        mesh.drives_refunds().await;
        still_processing(&mesh, (&paying, &refund)).await;
        let refund = mesh.ended(&refund.refund_no).await;
        assert_eq!(refund.state(), RefundState::Succeeded);
        let [at_channel] = mesh.channel_refunds().await.try_into().unwrap();
        assert_eq!(at_channel.out_refund_no, refund.refund_no);
        assert_eq!(at_channel.sent, 2);
    }
}

async fn still_processing(mesh: &TestMesh, (paying, refund): (&Paying, &Refund)) {
    let refund = mesh.refund(&refund.refund_no).await;
    assert_eq!(refund.state(), RefundState::Processing);
    assert_eq!(owed(mesh, &refund).await, [(Kind::RefundDrive, 0)]);
    assert_eq!(
        stands(mesh, &paying.order_no).await,
        (OrderStatus::Refunding, RefundStatus::Processing)
    );
    assert!(mesh.forgotten().await.is_empty());
}

// PROCESSING | a query says SUCCESS | SUCCEEDED
#[tokio::test]
async fn what_went_back_is_refunded_and_settled() {
    for engine in ENGINES {
        let mesh = mesh(engine).await;
        let (paying, refund) = processing(&mesh).await;
        let refund = mesh.ended(&refund.refund_no).await;
        assert_eq!(refund.state(), RefundState::Succeeded);
        let [at_channel] = mesh.channel_refunds().await.try_into().unwrap();
        assert_eq!(at_channel.out_refund_no, refund.refund_no);
        assert_eq!(refund.evidence, at_channel.refund_id);
        assert!(refund.refunded_time.is_some());
        let order = mesh.order(&paying.order_no).await;
        assert_eq!(order.status(), OrderStatus::Refunded);
        assert_eq!(order.refund_status(), RefundStatus::Succeeded);
        assert_eq!(order.cancel_type(), CancelType::Customer);
        assert_eq!(order.refunded_fen, paying.amount_fen);
        assert_eq!(owed(&mesh, &refund).await, []);
        let story = mesh.timeline(&paying.order_no).await;
        let [charge, back] = story.settlements.as_slice() else {
            panic!("{:?}", story.settlements)
        };
        assert_eq!(charge.source, "charge:0");
        assert_eq!(back.source, format!("refund:{}", refund.refund_no));
        assert_eq!(scenarios::left_of(&story), (0, 0, 0));
        assert!(mesh.forgotten().await.is_empty());
    }
}

// PROCESSING | a query says FAIL, CHANGE | FAILED, stays reserved
