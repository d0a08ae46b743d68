//! Who watches an order is told what becomes of it, and nobody who has seen a version is shown
//! an older one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use mesh::{Client, ClientSettings, reason_of, retry_after_of};
use paymesh::cli::Service;
use paymesh::ground;
use proto::trade::v1::get_order_request::Number;
use proto::trade::v1::trade_service_client::TradeServiceClient;
use proto::trade::v1::{
    BindPayerRequest, GetOrderRequest, MerchantOrder, Order, OrderStatus, WatchOrderRequest,
    WatchOrderResponse,
};
use scenarios::{Mode, Process, TestMesh, Workers, address_of, key_of, until, wish_to_see};
use seam::net::Memory;
use store::Engine;
use testkit::ENGINES;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt;

/// Whatever changes an order, and wherever, is seen within this.
const SEEN: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(20);
// Longer than a watcher waits before it looks by itself.
const A_LOOK: Duration = Duration::from_millis(1200);

async fn watch(mesh: &TestMesh, order_no: &str, min_version: i64) -> Streaming<WatchOrderResponse> {
    let request = WatchOrderRequest {
        order_no: order_no.to_owned(),
        min_version,
    };
    let watching = mesh.trade().watch_order(request).await;
    watching.expect("it can be watched").into_inner()
}

async fn told_within(watching: &mut Streaming<WatchOrderResponse>, time: Duration) -> Order {
    let told = timeout(time, watching.message()).await;
    let told = told.expect("told in time").expect("no error");
    told.expect("the stream goes on").order.expect("an order")
}

async fn told(watching: &mut Streaming<WatchOrderResponse>) -> Order {
    told_within(watching, PATIENCE).await
}

/// A change from outside: whoever wrote it rang no bell here.
async fn changed_elsewhere(mesh: &TestMesh, order_no: &str) {
    let key = key_of(order_no);
    let sql = format!("UPDATE orders SET version = version + 1 WHERE order_no = {key}");
    mesh.db(Service::Trade).run(&sql).await;
}

async fn refused(mesh: &TestMesh, request: GetOrderRequest) -> Status {
    mesh.trade().get_order(request).await.unwrap_err()
}

fn wrong_field(status: &Status) -> String {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let violations = status.get_details_bad_request().unwrap().field_violations;
    assert_eq!(violations.len(), 1, "{violations:?}");
    violations[0].field.clone()
}

fn is_not_accepted(status: &Status) {
    assert_eq!(status.code(), Code::NotFound, "{status:?}");
    assert_eq!(reason_of(status).as_deref(), Some("ORDER_NOT_ACCEPTED"));
    assert!(retry_after_of(status).is_some());
}

#[tokio::test]
async fn a_watcher_is_told_every_version_at_once_until_paid_and_beyond() {
    for engine in ENGINES {
        let mesh = TestMesh::start(engine).await;
        let created = mesh.created(&mesh.shop().await).await;
        let no = &created.order_no;
        let mut watching = watch(&mesh, no, 0).await;
        assert_eq!(told(&mut watching).await, created);
        let bind = BindPayerRequest {
            order_no: no.clone(),
            payer_id: "payer-1".to_owned(),
        };
        let bound = mesh.trade().bind_payer(bind).await.unwrap().into_inner();
        assert_eq!(Some(told(&mut watching).await), bound.order);
        // The channel's answer to the prepay comes last: the money is there before it.
        mesh.channel.set(Mode::HoldReplies);
        let (answer, versions) = tokio::join!(mesh.pay(no, "r1"), async {
            let paying = told(&mut watching).await;
            assert_eq!(paying.status(), OrderStatus::Paying);
            mesh_is_asked(&mesh, no).await;
            mesh.charge(&paying.out_trade_no).await;
            let paid = told(&mut watching).await;
            assert_eq!(paid.status(), OrderStatus::Paid);
            mesh.channel.set(Mode::Pass);
            // What the reply says again is a line of the story.
            let beyond = told(&mut watching).await;
            assert_eq!(beyond.status(), OrderStatus::Paid);
            [paying.version, paid.version, beyond.version]
        });
        assert_eq!(versions, [3, 4, 5]);
        assert_eq!(answer.unwrap().order.unwrap().version, 5);
    }
}

async fn mesh_is_asked(mesh: &TestMesh, order_no: &str) {
    let charges = async || {
        let charges = mesh.charges_of(order_no).await;
        (!charges.is_empty()).then_some(())
    };
    until("the channel is asked", charges).await;
}

#[tokio::test]
async fn no_watcher_of_many_is_ever_shown_an_older_version() {
    for engine in ENGINES {
        let mesh = TestMesh::start(engine).await;
        let shop = mesh.shop().await;
        let orders = join_all((0..10).map(|_| mesh.created(&shop))).await;
        let watchers = orders.iter().flat_map(|order| [&order.order_no; 4]);
        let watchers = join_all(watchers.map(async |no| {
            let mut watching = watch(&mesh, no, 0).await;
            let mut seen = vec![told(&mut watching).await];
            while seen.last().unwrap().status() != OrderStatus::Paid {
                seen.push(told(&mut watching).await);
            }
            seen
        }));
        let lives = join_all(orders.iter().map(async |order| {
            let bind = BindPayerRequest {
                order_no: order.order_no.clone(),
                payer_id: "payer-1".to_owned(),
            };
            mesh.trade().bind_payer(bind).await.unwrap();
            let paying = mesh.pay(&order.order_no, "r1").await.unwrap();
            mesh.charge(&paying.out_trade_no).await;
        }));
        let (seen, _) = tokio::join!(watchers, lives);
        for seen in seen {
            let versions: Vec<_> = seen.iter().map(|order| order.version).collect();
            assert!(
                versions.windows(2).all(|two| two[0] < two[1]),
                "{versions:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_a_watcher_has_seen_is_not_shown_again() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let bound = mesh.bound(&mesh.shop().await).await;
        let (no, seen) = (&bound.order_no, bound.version);
        let mut of_the_last = watch(&mesh, no, seen - 1).await;
        assert_eq!(told(&mut of_the_last).await, bound);
        let mut of_the_next = watch(&mesh, no, seen).await;
        let mut of_one_more = watch(&mesh, no, seen + 1).await;
        let silent = timeout(A_LOOK, of_the_next.message()).await;
        assert!(silent.is_err(), "there is nothing new: {silent:?}");
        mesh.pay(no, "r1").await.unwrap();
        assert_eq!(told(&mut of_the_next).await.version, seen + 1);
        assert_eq!(told(&mut of_the_last).await.version, seen + 1);
        changed_elsewhere(&mesh, no).await;
        assert_eq!(told(&mut of_one_more).await.version, seen + 2);
    }
}

#[tokio::test]
async fn watchers_that_leave_are_forgotten() {
    const MANY: usize = 100;
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let order = mesh.created(&mesh.shop().await).await;
        let tasks = || Handle::current().metrics().num_alive_tasks();
        let before = tasks();
        let mut watching = Vec::new();
        for _ in 0..MANY {
            let mut one = watch(&mesh, &order.order_no, 0).await;
            told(&mut one).await;
            watching.push(one);
        }
        assert!(tasks() >= before + MANY, "each has somebody who looks");
        drop(watching);
        // Nothing changes any more: they are not told, they have gone.
        until("nobody looks for them", async || {
            (tasks() < before + MANY / 4).then_some(())
        })
        .await;
        // And the order is there for those who come.
        let mut late = watch(&mesh, &order.order_no, 0).await;
        assert_eq!(told(&mut late).await.version, order.version);
    }
}

#[tokio::test]
async fn watchers_of_a_server_that_goes_away_are_told_to_watch_again() {
    for engine in ENGINES {
        let mut mesh = TestMesh::idle(engine).await;
        let created = mesh.created(&mesh.shop().await).await;
        let mut watching = Vec::new();
        for _ in 0..20 {
            let mut watch = watch(&mesh, &created.order_no, 0).await;
            told(&mut watch).await;
            watching.push(watch);
        }
        let ends = watching.iter_mut().map(async |watch| {
            let end = timeout(PATIENCE, watch.message()).await;
            end.expect("it ends").expect_err("with an error")
        });
        let (ends, ()) = tokio::join!(join_all(ends), mesh.stop(Service::Trade));
        for status in ends {
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
            assert_eq!(reason_of(&status).as_deref(), Some("DRAINING"));
        }
    }
}

#[tokio::test]
async fn a_number_nobody_accepted_cannot_be_watched() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let watch = async |order_no: &str| {
            let request = WatchOrderRequest {
                order_no: order_no.to_owned(),
                min_version: 0,
            };
            mesh.trade().watch_order(request).await.err().unwrap()
        };
        is_not_accepted(&watch("W261120000000000000").await);
        assert_eq!(wrong_field(&watch("261120").await), "order_no");
        assert_eq!(wrong_field(&watch("").await), "order_no");
    }
}

#[tokio::test]
async fn a_change_that_nobody_rang_for_is_seen_soon() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let created = mesh.created(&mesh.shop().await).await;
        let mut watching = watch(&mesh, &created.order_no, 0).await;
        told(&mut watching).await;
        for version in 2..5 {
            changed_elsewhere(&mesh, &created.order_no).await;
            let seen = told_within(&mut watching, SEEN).await;
            assert_eq!(seen.version, version);
        }
    }
}

#[tokio::test]
async fn what_another_process_changes_is_seen_soon_and_never_taken_back() {
    // A SQLite file belongs to one process.
    let mesh = TestMesh::start(Engine::MySql).await;
    let shop = mesh.shop().await;
    // Its own network: the same address, and nobody else there.
    let elsewhere = Arc::new(Memory::default());
    let what = (Service::Trade, Workers::Off);
    let other = Process::start(mesh.config(), &elsewhere, what).await;
    let settings = ClientSettings::new("test", address_of(Service::Trade));
    let client = Client::new(settings, elsewhere, ground::policies().unwrap()).unwrap();
    let mut there = TradeServiceClient::new(client);
    for _ in 0..5 {
        let created = mesh.created(&shop).await;
        let mut watching = watch(&mesh, &created.order_no, 1).await;
        let bind = BindPayerRequest {
            order_no: created.order_no.clone(),
            payer_id: "payer-1".to_owned(),
        };
        let bound = there.bind_payer(bind).await.unwrap().into_inner().order;
        assert_eq!(told_within(&mut watching, SEEN).await.version, 2);
        // What one process has acknowledged the other one shows to whoever saw it.
        let seen = GetOrderRequest {
            min_version: 2,
            ..wish_to_see(&created.order_no)
        };
        let here = mesh.trade().get_order(seen).await.unwrap().into_inner();
        assert_eq!(here.order, bound);
        let paying = mesh.pay(&created.order_no, "r1").await.unwrap();
        let seen = GetOrderRequest {
            min_version: paying.order.unwrap().version,
            ..wish_to_see(&created.order_no)
        };
        let shown = there.get_order(seen).await.unwrap().into_inner().order;
        assert_eq!(shown.unwrap().status(), OrderStatus::Paying);
    }
    other.stop().await;
}

#[tokio::test]
async fn a_version_that_is_not_visible_is_waited_for_a_moment_and_then_refused() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let created = mesh.created(&mesh.shop().await).await;
        let at_least = |min_version| GetOrderRequest {
            min_version,
            ..wish_to_see(&created.order_no)
        };
        for seen in [0, 1] {
            let found = mesh.trade().get_order(at_least(seen)).await.unwrap();
            assert_eq!(found.into_inner().order.as_ref(), Some(&created));
        }
        let status = refused(&mesh, at_least(2)).await;
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert_eq!(reason_of(&status).unwrap(), "VERSION_NOT_VISIBLE");
        assert!(retry_after_of(&status).is_some());
        // It becomes visible while somebody waits for it.
        let mut trade = mesh.trade();
        let (found, ()) = tokio::join!(trade.get_order(at_least(2)), async {
            changed_elsewhere(&mesh, &created.order_no).await;
        });
        assert_eq!(found.unwrap().into_inner().order.unwrap().version, 2);
    }
}

#[tokio::test]
async fn an_order_is_found_by_its_merchants_number_among_that_merchants_only() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        let (shop, neighbour) = (mesh.shop().await, mesh.shop().await);
        let order = mesh.created(&shop).await;
        let by = |merchant_id, number: &str| GetOrderRequest {
            number: Some(Number::MerchantOrder(MerchantOrder {
                merchant_id,
                merchant_order_no: number.to_owned(),
            })),
            min_version: 0,
        };
        let own = by(shop.merchant_id, &order.merchant_order_no);
        let found = mesh.trade().get_order(own.clone()).await.unwrap();
        assert_eq!(found.into_inner().order.as_ref(), Some(&order));
        for other in [
            by(neighbour.merchant_id, &order.merchant_order_no),
            by(shop.merchant_id, &order.merchant_order_no.to_lowercase()),
        ] {
            is_not_accepted(&refused(&mesh, other).await);
        }
        let number = "merchant_order.merchant_order_no";
        // MySQL would find "M1" by "M1 ", and a long text would not even fit in the answer.
        for (wrong, field) in [
            (
                by(0, &order.merchant_order_no),
                "merchant_order.merchant_id",
            ),
            (by(shop.merchant_id, ""), number),
            (
                by(shop.merchant_id, &format!("{} ", order.merchant_order_no)),
                number,
            ),
            (by(shop.merchant_id, &"M".repeat(100_000)), number),
        ] {
            assert_eq!(wrong_field(&refused(&mesh, wrong).await), field);
        }
        let later = GetOrderRequest {
            min_version: 7,
            ..own
        };
        let status = refused(&mesh, later).await;
        assert_eq!(reason_of(&status).unwrap(), "VERSION_NOT_VISIBLE");
        let nothing = refused(&mesh, GetOrderRequest::default()).await;
        assert_eq!(wrong_field(&nothing), "number");
    }
}
