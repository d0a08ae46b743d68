//! Other ways of paying: the payer shows a code (b→c), and one way takes another's place.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use domain::ObligationKind as Kind;
use mesh::{reason_of, retry_after_of};
use paymesh::cli::Service;
use proto::gateway::v1::list_payment_events_request::Number;
use proto::gateway::v1::{ListPaymentEventsRequest, Payment, PaymentState};
use proto::sandbox::v1::script::Misbehaviour;
use proto::sandbox::v1::{ChargeState, Decline, PasswordOutcome, PasswordWait, PayChargeRequest};
use proto::shop::v1::PayType;
use proto::trade::v1::{
    CancelOrderRequest, CancelType, OrderStatus, PayOrderRequest, PayOrderResponse,
};
use scenarios::{Mode, Relay, Shop, TestMesh, Workers, address_of, key_of, until, wish_to_pay};
use store::Engine;
use testkit::ENGINES;
use tonic::{Code, Status};
use tonic_types::StatusExt;

const PEER: &str = "127.0.0.1:1010";

/// A mesh whose work waits for the test, a shop that takes codes too, and a relay between trade
/// and pay-gateway. The channel closes what is as new as can be.
async fn bed(engine: Engine) -> (TestMesh, Shop, Relay) {
    let mesh = TestMesh::with(engine, Workers::Off, |config| {
        config.sandbox.close_after = Duration::ZERO;
        PEER.clone_into(&mut config.peers.pay_gateway);
        config.pay_gateway.swiftpass.timeout = Duration::from_millis(500);
    })
    .await;
    let peer = Relay::start(mesh.net(), PEER, address_of(Service::PayGateway)).await;
    let shop = mesh.shop().await;
    mesh.scans(&shop).await;
    (mesh, shop, peer)
}

/// A code like no other in this mesh, as WeChat shows it.
fn code_for(order_no: &str) -> String {
    let digits = key_of(order_no).to_string();
    format!("13{}", &digits[2..])
}

fn wish(order_no: &str, request_id: &str) -> PayOrderRequest {
    PayOrderRequest {
        pay_type: PayType::SwiftpassScan.into(),
        auth_code: code_for(order_no),
        ..wish_to_pay(order_no, request_id)
    }
}

async fn pay(mesh: &TestMesh, wish: PayOrderRequest) -> Result<PayOrderResponse, Status> {
    let answer = mesh.trade().pay_order(wish).await;
    answer.map(tonic::Response::into_inner)
}

async fn payments(mesh: &TestMesh, order_no: &str) -> Vec<Payment> {
    let request = ListPaymentEventsRequest {
        number: Some(Number::OrderNo(order_no.to_owned())),
    };
    let events = mesh.payments().list_payment_events(request).await.unwrap();
    events.into_inner().payments
}

fn refused(status: &Status, reason: &str) {
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert_eq!(reason_of(status).as_deref(), Some(reason), "{status:?}");
}

#[tokio::test]
async fn a_code_pays_at_once_without_a_payer_and_a_repeat_pays_nothing() {
    for engine in ENGINES {
        let (mesh, shop, _peer) = bed(engine).await;
        let order = mesh.created(&shop).await.order_no;
        for _ in 0..3 {
            let paid = pay(&mesh, wish(&order, "r1")).await.unwrap();
            assert_eq!(paid.out_trade_no, format!("{order}0000"));
            assert_eq!(paid.pay_info, "");
            assert_eq!(paid.order.unwrap().status(), OrderStatus::Paid);
        }
        let story = mesh.timeline(&order).await;
        let order = story.order.unwrap();
        assert_eq!(order.pay_type(), PayType::SwiftpassScan);
        let [charge] = <[_; 1]>::try_from(mesh.charges_of(&order.order_no).await).unwrap();
        assert_eq!(
            charge.paid_time.unwrap().seconds,
            order.paid_time.unwrap().seconds
        );
        assert!(story.remedies.is_empty(), "the reply told of it");
        // The feed tells it once more: a line, and nothing else.
        mesh.drain_all().await;
        let after = mesh.timeline(&order.order_no).await;
        assert_eq!(after.entries.len(), story.entries.len() + 1);
        assert_eq!(after.settlements.len(), 1);
    }
}

#[tokio::test]
async fn a_code_is_kept_nowhere() {
    for engine in ENGINES {
        let (mesh, shop, _peer) = bed(engine).await;
        let order = mesh.created(&shop).await.order_no;
        pay(&mesh, wish(&order, "r1")).await.unwrap();
        mesh.drain_all().await;
        let code = code_for(&order);
        for service in [Service::Trade, Service::PayGateway] {
            let tables: &[&str] = match service {
                Service::Trade => &["orders", "order_log", "attempts", "pay_requests"],
                _ => &["payments", "payment_log", "outbox", "feed"],
            };
            for table in tables {
                let rows = mesh
                    .db(service)
                    .rows(&format!("SELECT * FROM {table}"))
                    .await;
                assert!(!rows.is_empty(), "{table}");
                let (text, bytes) = (rows.concat().join(" "), hex::encode(&code));
                assert!(!text.contains(&code) && !text.contains(&bytes), "{table}");
            }
        }
    }
}

/// The payer is asked for a password, and does nothing.
fn never() -> Misbehaviour {
    let delay = prost_types::Duration {
        seconds: 60,
        nanos: 0,
    };
    Misbehaviour::Password(PasswordWait {
        delay: Some(delay),
        outcome: PasswordOutcome::Never.into(),
    })
}

#[tokio::test]
async fn a_payer_who_types_a_password_leaves_the_order_paying() {
    for engine in ENGINES {
        let (mesh, shop, _peer) = bed(engine).await;
        mesh.script("password", never()).await;
        let order = mesh.created(&shop).await.order_no;
        for request in ["r1", "r1", "r2"] {
            let paying = pay(&mesh, wish(&order, request)).await.unwrap();
            assert_eq!(paying.pay_info, "");
            assert_eq!(paying.out_trade_no, format!("{order}0000"));
            assert_eq!(paying.order.unwrap().status(), OrderStatus::Paying);
        }
        assert_eq!(mesh.charges_of(&order).await.len(), 1);
        let owed = mesh.owed(Service::Trade, key_of(&order)).await;
        assert_eq!(
            owed,
            [(Kind::PayLimit, 0), (Kind::PayConfirm, 0)],
            "nobody need be bound"
        );
    }
}

#[tokio::test]
async fn a_cancelled_order_is_revoked_once_its_payment_is_reversed() {
    for engine in ENGINES {
        let (mesh, shop, _peer) = bed(engine).await;
        mesh.script("password", never()).await;
        let order = mesh.created(&shop).await.order_no;
        pay(&mesh, wish(&order, "r1")).await.unwrap();
        let request = CancelOrderRequest {
            order_no: order.clone(),
            by: CancelType::Store.into(),
            reason: String::new(),
        };
        let revoking = mesh.trade().cancel_order(request).await.unwrap();
        let revoking = revoking.into_inner().order.unwrap();
        assert_eq!(revoking.status(), OrderStatus::Revoking);
        mesh.work_off(Service::Trade, Kind::Revoke).await;
        assert_eq!(payments(&mesh, &order).await[0].reason, "REVOKE");
        until("the channel reverses it", async || {
            mesh.falls_due(Service::PayGateway, Kind::Close).await;
            mesh.work_off(Service::PayGateway, Kind::Close).await;
            let state = payments(&mesh, &order).await[0].state();
            (state == PaymentState::Reversed).then_some(())
        })
        .await;
        mesh.drain_all().await;
        let revoked = mesh.order(&order).await;
        assert_eq!(revoked.status(), OrderStatus::Revoked);
        assert_eq!(revoked.cancel_type(), CancelType::Store);
        assert_eq!(mesh.owed(Service::Trade, key_of(&order)).await, []);
        assert!(mesh.forgotten().await.is_empty());
    }
}

#[tokio::test]
async fn a_code_that_is_declined_fails_with_the_reason_and_another_may_be_shown() {
    for engine in ENGINES {
        let (mesh, shop, _peer) = bed(engine).await;
        mesh.script("decline", Misbehaviour::Decline(Decline::default()))
            .await;
        let order = mesh.created(&shop).await.order_no;
        let status = pay(&mesh, wish(&order, "r1")).await.unwrap_err();
        refused(&status, "PAYMENT_REFUSED");
        let metadata = status.get_details_error_info().unwrap().metadata;
        assert!(!metadata["payment_reason"].is_empty());
        assert_eq!(mesh.order(&order).await.status(), OrderStatus::PayFailed);
        mesh.clear_scripts().await;
        let paid = pay(&mesh, wish(&order, "r2")).await.unwrap();
        assert_eq!(paid.out_trade_no, format!("{order}0001"));
        assert_eq!(paid.order.unwrap().status(), OrderStatus::Paid);
    }
}

#[tokio::test]
async fn a_code_whose_answer_is_lost_is_never_charged_twice() {
    for engine in ENGINES {
        let (mesh, shop, _peer) = bed(engine).await;
        let order = mesh.created(&shop).await.order_no;
        mesh.channel.set(Mode::LoseReplies);
        // Unknown is an answer.
        let paying = pay(&mesh, wish(&order, "r1")).await.unwrap();
        assert_eq!(paying.order.unwrap().status(), OrderStatus::Paying);
        mesh.channel.set(Mode::Pass);
        let again = pay(&mesh, wish(&order, "r1")).await.unwrap();
        assert_eq!(again.out_trade_no, format!("{order}0000"));
        mesh.falls_due(Service::PayGateway, Kind::Poll).await;
        mesh.drain_all().await;
        let story = mesh.timeline(&order).await;
        assert_eq!(story.order.unwrap().status(), OrderStatus::Paid);
        assert!(story.remedies.is_empty(), "there is no callback to be lost");
        assert_eq!(mesh.charges_of(&order).await.len(), 1);
    }
}

#[tokio::test]
async fn money_of_a_code_that_is_found_late_is_a_remedy() {
    for engine in ENGINES {
        let (mesh, shop, _peer) = bed(engine).await;
        let order = mesh.created(&shop).await.order_no;
        mesh.channel.set(Mode::LoseReplies);
        pay(&mesh, wish(&order, "r1")).await.unwrap();
        mesh.channel.set(Mode::Pass);
        mesh.cancel(&order).await.unwrap();
        mesh.now(Service::PayGateway, Kind::Poll).await;
        mesh.drain_all().await;
        let story = mesh.timeline(&order).await;
        let [remedy] = story.remedies.as_slice() else {
            panic!("{:?}", story.remedies)
        };
        assert_eq!(remedy.before_status(), OrderStatus::Revoking);
        assert_eq!(remedy.after_status(), OrderStatus::Refunding);
    }
}

#[tokio::test]
async fn a_code_goes_with_the_scan_alone_and_is_never_repeated_in_an_error() {
    for engine in ENGINES {
        let (mesh, shop, _peer) = bed(engine).await;
        let order = mesh.bound(&shop).await.order_no;
        let code = code_for(&order);
        let without = PayOrderRequest {
            auth_code: String::new(),
            ..wish(&order, "r1")
        };
        let short = PayOrderRequest {
            auth_code: code[..15].to_owned(),
            ..wish(&order, "r1")
        };
        let beside = PayOrderRequest {
            auth_code: code.clone(),
            ..wish_to_pay(&order, "r1")
        };
        for wrong in [without, short, beside] {
            let status = pay(&mesh, wrong).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument);
            let fields = status.get_details_bad_request().unwrap().field_violations;
            assert_eq!(fields.len(), 1);
            assert_eq!(fields[0].field, "auth_code");
            assert!(!format!("{status:?}").contains(&code[..15]));
        }
        assert_eq!(mesh.order(&order).await.status(), OrderStatus::Unpaid);
    }
}

#[tokio::test]
async fn another_way_of_paying_waits_until_the_live_payment_is_closed() {
    for engine in ENGINES {
        let (mesh, shop, _peer) = bed(engine).await;
        let live = mesh.paying(&shop).await;
        let order = &live.order_no;
        // The first way is over, too: nobody is shown what is about to be closed.
        for wish in [
            wish(order, "r2"),
            wish(order, "r2"),
            wish_to_pay(order, "r1"),
            wish_to_pay(order, "r3"),
        ] {
            let scans = wish.pay_type() == PayType::SwiftpassScan;
            let status = pay(&mesh, wish).await.unwrap_err();
            refused(&status, "PAYMENT_IN_PROGRESS");
            let wait = retry_after_of(&status).unwrap().as_secs();
            // Swiftpass closes what is 5 minutes old.
            assert!(!scans || (280..=300).contains(&wait), "{wait}");
        }
        let [payment] = <[_; 1]>::try_from(payments(&mesh, order).await).unwrap();
        assert_eq!(payment.state(), PaymentState::Closing);
        assert_eq!(payment.reason, "REPLACED");
        assert_eq!(mesh.order(order).await.status(), OrderStatus::Paying);
        // Until it is old enough it is not closed, however often that is tried.
        mesh.now(Service::PayGateway, Kind::Close).await;
        mesh.drain_all().await;
        assert_eq!(
            payments(&mesh, order).await[0].state(),
            PaymentState::Closing
        );
        ages(&mesh).await;
        until("the channel closes it", async || {
            mesh.now(Service::PayGateway, Kind::Close).await;
            let state = payments(&mesh, order).await[0].state();
            (state == PaymentState::Closed).then_some(())
        })
        .await;
        assert_eq!(mesh.charges_of(order).await[0].state(), ChargeState::Closed);
        // As the feed tells, the other way is free.
        mesh.drain_all().await;
        assert_eq!(mesh.order(order).await.status(), OrderStatus::PayFailed);
        let paid = pay(&mesh, wish(order, "r2")).await.unwrap();
        assert_eq!(paid.out_trade_no, format!("{order}0001"));
        assert_eq!(paid.order.unwrap().status(), OrderStatus::Paid);
        // Whoever still holds the first cannot pay it.
        let request = PayChargeRequest {
            out_trade_no: live.out_trade_no.clone(),
        };
        mesh.payers().pay_charge(request).await.unwrap_err();
        let story = mesh.timeline(order).await;
        let events: Vec<&str> = story.entries.iter().map(|it| it.event.as_str()).collect();
        let lived = ["CREATE", "BIND", "PAY", "DEAD", "PAY", "SUCCEEDED"];
        assert_eq!(events, lived);
        assert!(mesh.forgotten().await.is_empty());
    }
}

/// The payments are older than the channel's earliest close, and what there was of time to send
/// and to close them is over.
async fn ages(mesh: &TestMesh) {
    let columns = [
        "created_at",
        "changed_at",
        "send_before",
        "close_sent_at",
        "close_ended_at",
    ];
    let older = columns.map(|column| format!("{column} = {column} - 600000000"));
    let sql = format!("UPDATE payments SET {}", older.join(", "));
    mesh.db(Service::PayGateway).run(&sql).await;
}

#[tokio::test]
async fn without_pay_gateway_another_way_of_paying_is_asked_to_come_back_soon() {
    for engine in ENGINES {
        let (mesh, shop, peer) = bed(engine).await;
        let live = mesh.paying(&shop).await;
        peer.set(Mode::Refuse);
        let status = pay(&mesh, wish(&live.order_no, "r2")).await.unwrap_err();
        refused(&status, "PAYMENT_IN_PROGRESS");
        assert_eq!(retry_after_of(&status), Some(Duration::from_secs(1)));
        peer.set(Mode::Pass);
        let [payment] = <[_; 1]>::try_from(payments(&mesh, &live.order_no).await).unwrap();
        assert_eq!(payment.state(), PaymentState::Pending, "nothing was closed");
    }
}

#[tokio::test]
async fn a_live_payment_that_turns_out_to_be_over_makes_way_at_once() {
    for engine in ENGINES {
        let (mesh, shop, peer) = bed(engine).await;
        // It never reached pay-gateway, so asking to close it fences it off.
        let order = mesh.bound(&shop).await.order_no;
        peer.set(Mode::Refuse);
        drop(mesh.pay(&order, "r1").await.unwrap_err());
        peer.set(Mode::Pass);
        let paid = pay(&mesh, wish(&order, "r2")).await.unwrap();
        assert_eq!(paid.out_trade_no, format!("{order}0001"));
        assert_eq!(paid.order.unwrap().status(), OrderStatus::Paid);
        // Paid already: the other way is too late.
        let live = mesh.paying(&shop).await;
        mesh.script(
            "lost",
            Misbehaviour::Lost(proto::sandbox::v1::LostNotice {}),
        )
        .await;
        mesh.charge(&live.out_trade_no).await;
        mesh.falls_due(Service::PayGateway, Kind::Poll).await;
        mesh.work_off(Service::PayGateway, Kind::Poll).await;
        let status = pay(&mesh, wish(&live.order_no, "r2")).await.unwrap_err();
        refused(&status, "ILLEGAL_TRANSITION");
        assert_eq!(mesh.order(&live.order_no).await.status(), OrderStatus::Paid);
    }
}
