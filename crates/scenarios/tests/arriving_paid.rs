//! Orders that arrive paid: a platform has the money, it pays one order, and nothing here
//! waits for it or settles it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use futures::future::join_all;
use mesh::reason_of;
use paymesh::cli::Service;
use paymesh::config::Config;
use proto::shop::v1::{SetShopStatusRequest, ShopStatus};
use proto::time::to_proto;
use proto::trade::v1::{
    BindPayerRequest, CreateOrderRequest, CreateOrderResponse, ExternalPayment, Fulfilment,
    OrderKind, OrderStatus,
};
use scenarios::{Shop, TestMesh, Workers, key_of};
use testkit::ENGINES;
use tonic::{Code, Status};
use tonic_types::StatusExt;

const PAID_AT: &str = "2026-11-20T03:59:30.123456Z";

fn external(number: &str, amount_fen: i64) -> ExternalPayment {
    ExternalPayment {
        platform: "meituan".to_owned(),
        number: number.to_owned(),
        paid_time: Some(to_proto(PAID_AT.parse().unwrap())),
        amount_fen,
    }
}

/// A wish for an order of this kind that the platform's payment of this number has paid.
fn paid_wish(
    mesh: &TestMesh,
    shop: &Shop,
    (kind, number): (OrderKind, &str),
) -> CreateOrderRequest {
    let wish = mesh.wish(shop);
    CreateOrderRequest {
        kind: kind.into(),
        external_payment: Some(external(number, wish.amount_fen)),
        ..wish
    }
}

async fn create(mesh: &TestMesh, wish: &CreateOrderRequest) -> Result<CreateOrderResponse, Status> {
    let answer = mesh.trade().create_order(wish.clone()).await;
    answer.map(tonic::Response::into_inner)
}

fn wrong_fields(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let violations = status.get_details_bad_request().unwrap().field_violations;
    violations.into_iter().map(|wrong| wrong.field).collect()
}

/// Refused because the payment paid the order of this number.
fn is_taken_by(status: &Status, order_no: &str) {
    assert_eq!(status.code(), Code::AlreadyExists, "{status:?}");
    assert_eq!(reason_of(status).unwrap(), "EXTERNAL_PAYMENT_TAKEN");
    let metadata = status.get_details_error_info().unwrap().metadata;
    assert_eq!(metadata["order_no"], order_no);
}

#[tokio::test]
async fn an_order_that_arrives_paid_is_paid_from_the_start_owes_nothing_and_is_never_settled() {
    for engine in ENGINES {
        let mesh = TestMesh::start(engine).await;
        let shop = mesh.shop().await;
        for kind in [OrderKind::ThirdParty, OrderKind::Official] {
            let wish = paid_wish(&mesh, &shop, (kind, &format!("MT-{kind:?}")));
            let answer = create(&mesh, &wish).await.unwrap();
            assert!(answer.created);
            let order = answer.order.unwrap();
            assert_eq!((order.status(), order.version), (OrderStatus::Paid, 1));
            assert_eq!(order.kind(), kind);
            assert_eq!(order.fulfilment(), Fulfilment::PendingAccept);
            assert_eq!(order.external_payment, wish.external_payment);
            assert_eq!(order.paid_time, Some(to_proto(PAID_AT.parse().unwrap())));
            assert_eq!(order.out_trade_no, "", "no payment of ours");

            let key = key_of(&order.order_no);
            assert_eq!(mesh.owed(Service::Trade, key).await, []);
            assert_eq!(mesh.owed(Service::PayGateway, key).await, []);
            mesh.drain_all().await;
            let story = mesh.timeline(&order.order_no).await;
            assert_eq!(story.order.as_ref(), Some(&order));
            let [line] = story.entries.as_slice() else {
                panic!("{:?}", story.entries)
            };
            assert_eq!((line.version, line.event.as_str()), (1, "CREATE_PAID"));
            assert_eq!(line.to_status(), OrderStatus::Paid);
            assert!(story.settlements.is_empty() && story.remedies.is_empty());
        }
        assert!(mesh.forgotten().await.is_empty());
        assert!(mesh.charges().await.is_empty());
    }
}

#[tokio::test]
async fn a_platforms_order_must_arrive_paid_our_takeout_may_and_the_counters_must_not() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let shop = mesh.shop().await;
        let unpaid = |kind: OrderKind| CreateOrderRequest {
            kind: kind.into(),
            ..mesh.wish(&shop)
        };
        let paid = |kind: OrderKind| paid_wish(&mesh, &shop, (kind, "MT-1"));
        for wrong in [
            unpaid(OrderKind::ThirdParty),
            paid(OrderKind::Store),
            // Unset stands for the counter.
            paid(OrderKind::Unspecified),
        ] {
            let status = create(&mesh, &wrong).await.unwrap_err();
            assert_eq!(wrong_fields(&status), ["external_payment"]);
        }
        for kind in [OrderKind::Official, OrderKind::Store] {
            let order = create(&mesh, &unpaid(kind)).await.unwrap().order.unwrap();
            assert_eq!(order.status(), OrderStatus::Unpaid);
            assert_eq!(order.external_payment, None);
            let owed = mesh.owed(Service::Trade, key_of(&order.order_no)).await;
            assert_eq!(owed.len(), 2, "the limits of an order not paid");
        }
        // What was refused took nothing.
        let order = create(&mesh, &paid(OrderKind::ThirdParty)).await.unwrap();
        assert!(order.created);
    }
}

#[tokio::test]
async fn a_platforms_payment_pays_one_order() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let (shop, neighbour) = (mesh.shop().await, mesh.shop().await);
        let third = OrderKind::ThirdParty;
        let wish = paid_wish(&mesh, &shop, (third, "MT-1"));
        let first = create(&mesh, &wish).await.unwrap();
        let again = create(&mesh, &wish).await.unwrap();
        assert_eq!((again.created, &again.order), (false, &first.order));
        let no = &first.order.as_ref().unwrap().order_no;
        let official = OrderKind::Official;
        for other in [
            paid_wish(&mesh, &shop, (third, "MT-1")),
            paid_wish(&mesh, &shop, (official, "MT-1")),
            paid_wish(&mesh, &neighbour, (third, "MT-1")),
        ] {
            is_taken_by(&create(&mesh, &other).await.unwrap_err(), no);
            // Nothing was kept of it: the merchant's number is free.
            let mut right = other;
            right.external_payment.as_mut().unwrap().number = mesh.created(&shop).await.order_no;
            assert!(create(&mesh, &right).await.unwrap().created);
        }
        // The same merchant's number under another payment is another content.
        let mut differs = wish.clone();
        differs.external_payment = Some(external("MT-9", wish.amount_fen));
        let status = create(&mesh, &differs).await.unwrap_err();
        assert_eq!(reason_of(&status).unwrap(), "ORDER_DIFFERS");
        // Each platform counts by itself, and letters are told apart.
        for (platform, number) in [("eleme", "MT-1"), ("meituan", "mt-1")] {
            let mut other = paid_wish(&mesh, &shop, (third, number));
            other.external_payment.as_mut().unwrap().platform = platform.to_owned();
            assert!(create(&mesh, &other).await.unwrap().created);
        }
    }
}

#[tokio::test]
async fn of_orders_at_once_with_one_payment_one_is_paid_and_the_others_are_told_which() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let shop = mesh.shop().await;
        for round in 0..5 {
            let number = format!("MT-{round}");
            let wishes: Vec<_> = (0..20)
                .map(|_| paid_wish(&mesh, &shop, (OrderKind::ThirdParty, &number)))
                .collect();
            // Each twice: repeats of the one that wins are answered with it.
            let all = wishes.iter().chain(&wishes);
            let answers = join_all(all.map(|wish| create(&mesh, wish))).await;
            let taken: Vec<_> = answers.iter().filter_map(|a| a.as_ref().err()).collect();
            let given: Vec<_> = answers.iter().filter_map(|a| a.as_ref().ok()).collect();
            assert_eq!((given.len(), taken.len()), (2, 38), "{taken:?}");
            assert_eq!(given.iter().filter(|answer| answer.created).count(), 1);
            assert_eq!(given[0].order, given[1].order);
            let no = &given[0].order.as_ref().unwrap().order_no;
            for status in taken {
                is_taken_by(status, no);
            }
        }
        let counted = async |table: &str| {
            let sql = format!("SELECT COUNT(*) FROM {table}");
            mesh.db(Service::Trade).count(&sql).await
        };
        assert_eq!(counted("orders").await, 5);
        assert_eq!(counted("order_log").await, 5, "losers leave no line");
        assert_eq!(counted("obligations").await, 0);
    }
}

#[tokio::test]
async fn nobody_pays_again_for_what_arrived_paid() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let shop = mesh.shop().await;
        let wish = paid_wish(&mesh, &shop, (OrderKind::ThirdParty, "MT-1"));
        let order = create(&mesh, &wish).await.unwrap().order.unwrap();
        let is_illegal = |status: Status| {
            assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
            assert_eq!(reason_of(&status).unwrap(), "ILLEGAL_TRANSITION");
            let metadata = status.get_details_error_info().unwrap().metadata;
            assert_eq!(metadata["from"], "PAID");
        };
        is_illegal(mesh.pay(&order.order_no, "r1").await.unwrap_err());
        // Whoever it was for may be known; that changes nothing.
        let bind = BindPayerRequest {
            order_no: order.order_no.clone(),
            payer_id: "payer-1".to_owned(),
        };
        mesh.trade().bind_payer(bind).await.unwrap();
        is_illegal(mesh.pay(&order.order_no, "r1").await.unwrap_err());
        assert_eq!(
            mesh.order(&order.order_no).await.status(),
            OrderStatus::Paid
        );
        assert_eq!(mesh.owed(Service::Trade, key_of(&order.order_no)).await, []);
        assert!(mesh.charges().await.is_empty());
    }
}

#[tokio::test]
async fn every_field_of_an_external_payment_that_is_wrong_is_named() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let shop = mesh.shop().await;
        let wish = paid_wish(&mesh, &shop, (OrderKind::ThirdParty, "MT-1"));
        let right = wish.external_payment.clone().unwrap();
        let long = |letters| "x".repeat(letters);
        let but = |change: &dyn Fn(&mut ExternalPayment)| {
            let mut external = right.clone();
            change(&mut external);
            external
        };
        let cases = [
            ("platform", but(&|paid| paid.platform = String::new())),
            ("platform", but(&|paid| paid.platform = long(33))),
            ("number", but(&|paid| paid.number = String::new())),
            ("number", but(&|paid| paid.number = long(65))),
            ("number", but(&|paid| "a b".clone_into(&mut paid.number))),
            ("paid_time", but(&|paid| paid.paid_time = None)),
            ("amount_fen", but(&|paid| paid.amount_fen += 1)),
            ("amount_fen", but(&|paid| paid.amount_fen = 0)),
        ];
        for (field, external) in cases {
            let wrong = CreateOrderRequest {
                external_payment: Some(external),
                ..wish.clone()
            };
            let status = create(&mesh, &wrong).await.unwrap_err();
            assert_eq!(wrong_fields(&status), [format!("external_payment.{field}")]);
        }
        let nothing = CreateOrderRequest {
            external_payment: Some(ExternalPayment::default()),
            ..wish.clone()
        };
        let status = create(&mesh, &nothing).await.unwrap_err();
        let all = ["platform", "number", "paid_time", "amount_fen"];
        assert_eq!(
            wrong_fields(&status),
            all.map(|field| format!("external_payment.{field}"))
        );
        let longest = but(&|paid| (paid.platform, paid.number) = (long(32), long(64)));
        let right = CreateOrderRequest {
            external_payment: Some(longest),
            ..wish
        };
        assert!(create(&mesh, &right).await.unwrap().created);
    }
}

#[tokio::test]
async fn what_was_taken_is_answered_as_ever_when_its_shop_does_not_sell_any_more() {
    for engine in ENGINES {
        // A shop's status is asked for each time.
        let change = |config: &mut Config| {
            config.trade.shop_cache = Duration::ZERO;
        };
        let mesh = TestMesh::with(engine, Workers::Off, change).await;
        let shop = mesh.shop().await;
        let wishes = [
            mesh.wish(&shop),
            paid_wish(&mesh, &shop, (OrderKind::ThirdParty, "T1")),
        ];
        let taken = join_all(wishes.iter().map(|wish| create(&mesh, wish))).await;
        let suspend = SetShopStatusRequest {
            shop_id: shop.shop_id,
            status: ShopStatus::Suspended.into(),
            expected_version: 0,
        };
        mesh.shops().set_shop_status(suspend).await.unwrap();
        // The answer was lost: whoever is told "not open" would give the payer his money back.
        for (wish, before) in wishes.iter().zip(taken) {
            let again = create(&mesh, wish).await.unwrap();
            assert!(!again.created);
            assert_eq!(again.order, before.unwrap().order);
            let other = CreateOrderRequest {
                description: "something else".to_owned(),
                ..wish.clone()
            };
            let refused = create(&mesh, &other).await.unwrap_err();
            assert_eq!(reason_of(&refused).unwrap(), "ORDER_DIFFERS");
        }
        let refused = create(&mesh, &mesh.wish(&shop)).await.unwrap_err();
        assert_eq!(reason_of(&refused).unwrap(), "SHOP_NOT_OPEN");
    }
}
