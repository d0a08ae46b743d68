//! Refunds through the whole mesh: never more than was paid, each one once, whoever is away
//! and whoever asks at once.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod settling;

use std::time::Duration;

use domain::ObligationKind as Kind;
use futures::future::join_all;
use mesh::reason_of;
use paymesh::cli::Service;
use proto::sandbox::v1::script::Misbehaviour;
use proto::sandbox::v1::{RefundEnding, RefundState as Ending};
use proto::time::to_proto;
use proto::trade::v1::get_refund_request::Number;
use proto::trade::v1::{
    CancelType, CreateOrderRequest, ExternalPayment, GetRefundRequest, MerchantRefund, Order,
    OrderKind, OrderStatus, Refund, RefundState, RequestRefundRequest, RequestRefundResponse,
};
use scenarios::{
    Mode, Paying, Relay, TestMesh, Workers, address_of, left_of, refund_key_of, until,
    wish_for_refund,
};
use testkit::ENGINES;
use tonic::{Code, Status};
use tonic_types::StatusExt;

const PEER: &str = "127.0.0.1:1010";

async fn paid(mesh: &TestMesh) -> Paying {
    let shop = mesh.shop().await;
    mesh.paid(mesh.wish(&shop)).await
}

/// A number of ours, as it was asked for and granted.
async fn approved(mesh: &TestMesh, order_no: &str, what: (&str, i64)) -> Refund {
    let refund = mesh.requested(order_no, what).await;
    let answer = mesh.approve(&refund.refund_no).await.unwrap();
    answer.refund.unwrap()
}

fn wrong_fields(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let violations = status.get_details_bad_request().unwrap().field_violations;
    violations.into_iter().map(|wrong| wrong.field).collect()
}

/// What may still go back, as the refusal names it.
fn left_by(status: &Status) -> i64 {
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert_eq!(reason_of(status).unwrap(), "REFUND_TOO_MUCH");
    let metadata = status.get_details_error_info().unwrap().metadata;
    metadata["left_fen"].parse().unwrap()
}

#[tokio::test]
async fn a_request_repeated_is_the_same_refund_and_another_one_is_refused() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let paying = paid(&mesh).await;
        let no = &paying.order_no;
        let first = mesh.requested(no, ("T1", 100)).await;
        let wish = wish_for_refund(no, ("T1", 100));
        let version = mesh.order(no).await.version;
        let repeats = join_all((0..20).map(|_| mesh.ask_refund(wish.clone()))).await;
        for repeat in repeats {
            let repeat = repeat.unwrap();
            assert!(!repeat.created);
            assert_eq!(repeat.refund.as_ref(), Some(&first));
        }
        assert_eq!(mesh.order(no).await.version, version, "nothing changed");
        let but = |change: &dyn Fn(&mut RequestRefundRequest)| {
            let mut other = wish.clone();
            change(&mut other);
            other
        };
        for other in [
            but(&|wish| wish.amount_fen += 1),
            but(&|wish| "warm tea".clone_into(&mut wish.reason)),
            but(&|wish| wish.by = CancelType::Store.into()),
        ] {
            let refused = mesh.ask_refund(other).await.unwrap_err();
            assert_eq!(refused.code(), Code::AlreadyExists, "{refused:?}");
            assert_eq!(reason_of(&refused).unwrap(), "REFUND_DIFFERS");
            let metadata = refused.get_details_error_info().unwrap().metadata;
            assert_eq!(metadata["refund_no"], first.refund_no);
        }
        // The same number on another order is another refund.
        let other = paid(&mesh).await;
        let there = mesh.requested(&other.order_no, ("T1", 100)).await;
        assert_ne!(there.refund_no, first.refund_no);
    }
}

#[tokio::test]
async fn of_a_hundred_refunds_at_once_of_most_of_the_money_one_is_made() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let paying = paid(&mesh).await;
        let no = &paying.order_no;
        let most = paying.amount_fen * 6 / 10;
        let answers = at_once(&mesh, no, (100, most)).await;
        let (given, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!(given.len(), 1, "{refused:?}");
        for refused in refused {
            assert_eq!(left_by(&refused.unwrap_err()), paying.amount_fen - most);
        }
        let refunds = mesh.timeline(no).await.refunds;
        assert_eq!(refunds.len(), 1);
        assert_eq!(refunds[0].amount_fen, most);
        // The rest can still go back.
        mesh.requested(no, ("T-rest", paying.amount_fen - most))
            .await;
        assert!(mesh.forgotten().await.is_empty());
    }
}

#[tokio::test]
async fn of_many_small_refunds_at_once_each_is_made() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let paying = paid(&mesh).await;
        let no = &paying.order_no;
        let answers = at_once(&mesh, no, (40, 1)).await;
        for answer in answers {
            assert!(answer.unwrap().created);
        }
        let story = mesh.timeline(no).await;
        assert_eq!(story.refunds.len(), 40);
        let wish = wish_for_refund(no, ("T-all", paying.amount_fen));
        let refused = mesh.ask_refund(wish).await.unwrap_err();
        assert_eq!(left_by(&refused), paying.amount_fen - 40);
        assert!(mesh.forgotten().await.is_empty());
    }
}

/// So many requests of this amount each, all at once.
async fn at_once(
    mesh: &TestMesh,
    order_no: &str,
    (count, amount_fen): (usize, i64),
) -> Vec<Result<RequestRefundResponse, Status>> {
    let wish = |number| wish_for_refund(order_no, (&format!("T{number}"), amount_fen));
    join_all((0..count).map(|number| mesh.ask_refund(wish(number)))).await
}

#[tokio::test]
async fn every_field_of_a_request_that_is_wrong_is_named() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let order_no = mesh.created(&mesh.shop().await).await.order_no;
        let right = wish_for_refund(&order_no, ("T1", 1));
        let but = |change: &dyn Fn(&mut RequestRefundRequest)| {
            let mut wish = right.clone();
            change(&mut wish);
            wish
        };
        let long = |letters| "茶".repeat(letters);
        for (field, wish) in [
            ("order_no", but(&|wish| "W1".clone_into(&mut wish.order_no))),
            (
                "merchant_refund_no",
                but(&|wish| wish.merchant_refund_no.clear()),
            ),
            (
                "merchant_refund_no",
                but(&|wish| wish.merchant_refund_no = "x".repeat(65)),
            ),
            (
                "merchant_refund_no",
                but(&|wish| "late:1".clone_into(&mut wish.merchant_refund_no)),
            ),
            ("amount_fen", but(&|wish| wish.amount_fen = 0)),
            ("amount_fen", but(&|wish| wish.amount_fen = i64::MIN)),
            ("reason", but(&|wish| wish.reason = long(101))),
            ("reason", but(&|wish| "a\nb".clone_into(&mut wish.reason))),
            ("by", but(&|wish| wish.by = CancelType::System.into())),
            ("by", but(&|wish| wish.by = 99)),
        ] {
            let refused = mesh.ask_refund(wish).await.unwrap_err();
            assert_eq!(wrong_fields(&refused), [field]);
        }
        let nothing = RequestRefundRequest::default();
        let refused = mesh.ask_refund(nothing).await.unwrap_err();
        let named = wrong_fields(&refused);
        assert_eq!(named, ["order_no", "merchant_refund_no", "amount_fen"]);
        // What is right is refused for what the order is.
        let longest = but(&|wish| wish.reason = long(100));
        let refused = mesh.ask_refund(longest).await.unwrap_err();
        assert_eq!(reason_of(&refused).unwrap(), "ILLEGAL_TRANSITION");
        let nobody = but(&|wish| "W261120000000000001".clone_into(&mut wish.order_no));
        let refused = mesh.ask_refund(nobody).await.unwrap_err();
        assert_eq!(reason_of(&refused).unwrap(), "ORDER_NOT_ACCEPTED");
        for wrong in ["", "R1", "W261120000000000001"] {
            let refused = mesh.approve(wrong).await.unwrap_err();
            assert_eq!(wrong_fields(&refused), ["refund_no"]);
        }
        let refused = mesh.confirm("R1", " ").await.unwrap_err();
        assert_eq!(wrong_fields(&refused), ["refund_no", "evidence"]);
    }
}

#[tokio::test]
async fn a_refund_is_found_by_either_number_or_does_not_exist() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let paying = paid(&mesh).await;
        let refund = mesh.requested(&paying.order_no, ("T1", 100)).await;
        assert_eq!(mesh.refund(&refund.refund_no).await, refund);
        let get = async |number| {
            let request = GetRefundRequest {
                number: Some(number),
            };
            let answer = mesh.trade().get_refund(request).await;
            answer.map(|answer| answer.into_inner().refund.unwrap())
        };
        let theirs = |order_no: &str, number: &str| {
            Number::MerchantRefund(MerchantRefund {
                order_no: order_no.to_owned(),
                merchant_refund_no: number.to_owned(),
            })
        };
        assert_eq!(get(theirs(&paying.order_no, "T1")).await.unwrap(), refund);
        for unknown in [
            Number::RefundNo("R261120000000000001".to_owned()),
            // The same digits in another environment are nobody's here.
            Number::RefundNo(format!("{}Z", refund.refund_no)),
            theirs(&paying.order_no, "T2"),
            theirs("W261120000000000001", "T1"),
        ] {
            let refused = get(unknown).await.unwrap_err();
            assert_eq!(refused.code(), Code::NotFound, "{refused:?}");
            assert_eq!(reason_of(&refused).unwrap(), "REFUND_NOT_FOUND");
        }
        let refused = get(theirs("W1", "")).await.unwrap_err();
        let named = [
            "merchant_refund.order_no",
            "merchant_refund.merchant_refund_no",
        ];
        assert_eq!(wrong_fields(&refused), named);
        let refused = mesh.approve("R261120000000000001").await.unwrap_err();
        assert_eq!(reason_of(&refused).unwrap(), "REFUND_NOT_FOUND");
    }
}

#[tokio::test]
async fn what_a_platform_was_paid_goes_back_when_the_platform_says_so_and_is_never_settled() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let shop = mesh.shop().await;
        for kind in [OrderKind::ThirdParty, OrderKind::Official] {
            let order = arrived_paid(&mesh, mesh.wish(&shop), kind).await;
            let no = &order.order_no;
            let first = approved(&mesh, no, ("T1", 1_000)).await;
            assert_eq!(first.out_trade_no, "", "no payment of ours");
            for _ in 0..3 {
                mesh.drives_refunds().await;
                mesh.drain_all().await;
            }
            let refund = mesh.refund(&first.refund_no).await;
            assert_eq!(refund.state(), RefundState::Processing, "nothing to send");
            let key = refund_key_of(&refund.refund_no);
            let owed = mesh.owed(Service::Trade, key).await;
            assert_eq!(owed, [(Kind::RefundDrive, 0)], "somebody is reminded");
            let told = mesh.confirm(&refund.refund_no, "MT-R-1").await.unwrap();
            let refund = told.refund.unwrap();
            assert_eq!(refund.state(), RefundState::Succeeded);
            assert_eq!(refund.evidence, "MT-R-1");
            assert_eq!(told.order.unwrap().status(), OrderStatus::Paid);
            assert_eq!(mesh.owed(Service::Trade, key).await, []);
            let rest = approved(&mesh, no, ("T2", order.amount_fen - 1_000)).await;
            mesh.confirm(&rest.refund_no, "MT-R-2").await.unwrap();
            mesh.drain_all().await;
            let story = mesh.timeline(no).await;
            let order = story.order.unwrap();
            assert_eq!(order.status(), OrderStatus::Refunded);
            assert_eq!(order.refunded_fen, order.amount_fen);
            assert!(story.settlements.is_empty());
        }
        assert!(mesh.channel_refunds().await.is_empty());
        assert!(mesh.forgotten().await.is_empty());
    }
}

async fn arrived_paid(mesh: &TestMesh, wish: CreateOrderRequest, kind: OrderKind) -> Order {
    let external = ExternalPayment {
        platform: "meituan".to_owned(),
        number: format!("MT-{kind:?}"),
        paid_time: Some(to_proto("2026-11-20T03:59:30Z".parse().unwrap())),
        amount_fen: wish.amount_fen,
    };
    let wish = CreateOrderRequest {
        kind: kind.into(),
        external_payment: Some(external),
        ..wish
    };
    let answer = mesh.trade().create_order(wish).await.unwrap();
    answer.into_inner().order.unwrap()
}

#[tokio::test]
async fn what_a_platform_has_not_been_asked_for_cannot_be_confirmed_nor_what_the_channel_has() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let shop = mesh.shop().await;
        let order = arrived_paid(&mesh, mesh.wish(&shop), OrderKind::ThirdParty).await;
        let requested = mesh.requested(&order.order_no, ("T1", 1_000)).await;
        let paying = paid(&mesh).await;
        let ours = approved(&mesh, &paying.order_no, ("T1", 1_000)).await;
        for refund in [requested, ours] {
            let refused = mesh.confirm(&refund.refund_no, "slip").await.unwrap_err();
            assert_eq!(reason_of(&refused).unwrap(), "ILLEGAL_TRANSITION");
            assert_eq!(mesh.refund(&refund.refund_no).await, refund);
        }
    }
}

#[tokio::test]
async fn a_card_that_takes_nothing_is_settled_by_hand_and_the_order_ends_refunded() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let ending = RefundEnding {
            state: Ending::Change.into(),
            ..RefundEnding::default()
        };
        mesh.script("change", Misbehaviour::RefundEnding(ending))
            .await;
        let paying = paid(&mesh).await;
        let no = &paying.order_no;
        let refund = mesh.refunded(no, ("T1", paying.amount_fen)).await;
        assert_eq!(refund.failure, "CHANGE");
        let order = mesh.order(no).await;
        assert_eq!(order.status(), OrderStatus::RefundFailed);
        assert_eq!(order.terminal_text, "已送达", "by fulfilment");
        let told = mesh.confirm(&refund.refund_no, "slip 4711").await.unwrap();
        assert_eq!(told.order.unwrap().status(), OrderStatus::Refunded);
        mesh.now(Service::Trade, Kind::Settle).await;
        let story = mesh.timeline(no).await;
        assert_eq!(left_of(&story), (0, 0, 0));
        assert_eq!(story.refunds[0].evidence, "slip 4711");
        assert!(mesh.forgotten().await.is_empty());
    }
}

#[tokio::test]
async fn a_refund_waits_for_a_pay_gateway_that_is_away() {
    for engine in ENGINES {
        let mesh = TestMesh::with(engine, Workers::Off, |config| {
            PEER.clone_into(&mut config.peers.pay_gateway);
        });
        let mesh = mesh.await;
        let peer = Relay::start(mesh.net(), PEER, address_of(Service::PayGateway)).await;
        let paying = paid(&mesh).await;
        let no = &paying.order_no;
        let refund = approved(&mesh, no, ("T1", paying.amount_fen)).await;
        peer.set(Mode::Refuse);
        mesh.falls_due(Service::Trade, Kind::RefundDrive).await;
        let tally = mesh.work_off(Service::Trade, Kind::RefundDrive).await;
        assert_eq!((tally.done, tally.failed), (0, 1));
        assert!(mesh.channel_refunds().await.is_empty());
        assert!(mesh.forgotten().await.is_empty());
        peer.set(Mode::Pass);
        until("pay-gateway is asked", async || {
            mesh.drives_refunds().await;
            (mesh.channel_refunds().await.len() == 1).then_some(())
        })
        .await;
        let refund = mesh.ended(&refund.refund_no).await;
        assert_eq!(refund.state(), RefundState::Succeeded);
        assert_eq!(mesh.channel_refunds().await.len(), 1);
    }
}

#[tokio::test]
async fn what_pay_gateway_knows_and_its_feed_did_not_tell_the_drive_finds_out() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let paying = paid(&mesh).await;
        let refund = approved(&mesh, &paying.order_no, ("T1", paying.amount_fen)).await;
        mesh.drives_refunds().await;
        let ended = async || {
            mesh.now(Service::PayGateway, Kind::RefundQuery).await;
            let ended = "SELECT COUNT(*) FROM refunds WHERE state = 4";
            let ended = mesh.db(Service::PayGateway).count(ended).await;
            (ended == 1).then_some(())
        };
        until("pay-gateway knows", ended).await;
        let before = mesh.refund(&refund.refund_no).await;
        assert_eq!(before.state(), RefundState::Processing, "nobody told");
        mesh.drives_refunds().await;
        let found = mesh.refund(&refund.refund_no).await;
        assert_eq!(found.state(), RefundState::Succeeded);
        // The feed tells the same later.
        mesh.drain_all().await;
        let story = mesh.timeline(&paying.order_no).await;
        assert_eq!(story.refunds, [found]);
        assert_eq!(left_of(&story), (0, 0, 0));
        let lines = story.entries.iter();
        let lines = lines.filter(|line| line.event == "REFUND_SUCCEEDED");
        let actors: Vec<&str> = lines.map(|line| line.actor.as_str()).collect();
        assert_eq!(actors, ["reply"]);
        assert!(mesh.forgotten().await.is_empty());
    }
}

#[tokio::test]
async fn with_workers_a_refund_goes_back_by_itself_once_it_is_approved() {
    for engine in ENGINES {
        let mesh = TestMesh::with(engine, Workers::On, |config| {
            config.pay_gateway.compression = 100;
            config.pay_gateway.swiftpass.timeout = Duration::from_secs(1);
            config.trade.compression = 100;
        });
        let mesh = mesh.await;
        let paying = paid(&mesh).await;
        let refund = approved(&mesh, &paying.order_no, ("T1", paying.amount_fen)).await;
        until("it has gone back and is settled", async || {
            let story = mesh.timeline(&paying.order_no).await;
            (left_of(&story) == (0, 0, 0)).then_some(())
        })
        .await;
        let refund = mesh.refund(&refund.refund_no).await;
        assert_eq!(refund.state(), RefundState::Succeeded);
        let order = mesh.order(&paying.order_no).await;
        assert_eq!(order.status(), OrderStatus::Refunded);
        assert!(mesh.forgotten().await.is_empty());
    }
}
