//! Redis is optional: absent, frozen, flushed or lying, it loses no order, changes no answer and
//! makes nobody wait; sound, it tells one process at once of what another has changed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use mesh::{Client, ClientSettings, reason_of};
use paymesh::cli::Service;
use paymesh::config::RedisConfig;
use paymesh::ground;
use proto::gateway::v1::QueryPaymentRequest;
use proto::shop::v1::ShopStatus;
use proto::trade::v1::trade_service_client::TradeServiceClient;
use proto::trade::v1::{
    BindPayerRequest, Order, OrderStatus, WatchOrderRequest, WatchOrderResponse,
};
use scenarios::{Process, SERVICES, Shop, TestMesh, Workers, address_of, until};
use seam::net::Memory;
use store::Engine;
use store::cache::NEAR;
use testkit::ENGINES;
use testkit::redis::{TestRedis, nowhere};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep, timeout};
use tonic::Streaming;

/// How long any call may take, whatever Redis does: it is waited for 50 ms at a time.
const SOON: Duration = Duration::from_secs(2);
/// How long it may take from the payer's money to the settlement.
const SETTLED: Duration = Duration::from_secs(5);
/// Longer than these tests: what Redis has is asked for, and counts.
const BELIEVED: Duration = Duration::from_mins(1);

// The metrics are the process's: one test at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

/// The turn of a test.
async fn alone() -> MutexGuard<'static, ()> {
    mesh::install_metrics().unwrap();
    ALONE.lock().await
}

/// A mesh on a Redis that is sound, and waited for: a busy machine makes no bad Redis of it.
async fn on_sound(engine: Engine, redis: &TestRedis) -> TestMesh {
    on(engine, redis, (redis.url(), Duration::from_millis(500))).await
}

/// A mesh on the Redis at this address, waited for as long as by default.
async fn on_bad(engine: Engine, redis: &TestRedis, address: impl Display) -> TestMesh {
    let budget = RedisConfig::default().budget;
    on(engine, redis, (redis.at(address), budget)).await
}

async fn on(engine: Engine, redis: &TestRedis, (url, budget): (String, Duration)) -> TestMesh {
    let mesh = TestMesh::with(engine, Workers::On, |config| {
        config.redis.url = Some(url.into());
        config.redis.budget = budget;
        redis.prefix().clone_into(&mut config.redis.prefix);
        config.trade.shop_cache = BELIEVED;
        config.pay_gateway.account_cache = BELIEVED;
        config.shop_center.cache_ttl = BELIEVED;
    });
    mesh.await
}

async fn soon<T>(what: &str, call: impl Future<Output = T>) -> T {
    let answer = timeout(SOON, call).await;
    answer.unwrap_or_else(|_| panic!("{what}: no answer within {SOON:?}"))
}

/// What all counters of this name and these labels have counted.
fn counted(name: &str, labels: &[&str]) -> u64 {
    let metrics = mesh::install_metrics().unwrap().render();
    let lines = metrics.lines().filter(|line| {
        let named = line.split(['{', ' ']).next() == Some(name);
        named && labels.iter().all(|label| line.contains(label))
    });
    let counts = lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap());
    counts.sum()
}

fn failures() -> u64 {
    counted("redis_failures_total", &[])
}

async fn created(mesh: &TestMesh, shop: &Shop) -> Order {
    let order = soon("CreateOrder", mesh.created(shop)).await;
    let whose = (order.shop_id, order.merchant_id);
    assert_eq!(whose, (shop.shop_id, shop.merchant_id), "{order:?}");
    order
}

async fn prepared(mesh: &TestMesh, order: &Order) {
    let bind = BindPayerRequest {
        order_no: order.order_no.clone(),
        payer_id: "payer-1".to_owned(),
    };
    let mut trade = mesh.trade();
    soon("BindPayer", trade.bind_payer(bind)).await.unwrap();
    let answer = soon("PayOrder", mesh.pay(&order.order_no, "r1")).await;
    assert!(!answer.unwrap().pay_info.is_empty());
}

async fn charged(mesh: &TestMesh, order: &Order) {
    let number = format!("{}0000", order.order_no);
    soon("PayCharge", mesh.charge(&number)).await;
}

/// The order is PAID by its callback and settled, with its shop's merchant and account and to
/// the fen.
async fn is_settled(mesh: &TestMesh, shop: &Shop, order: &Order) {
    let settled = timeout(SETTLED, mesh.settled(&order.order_no)).await;
    let story = settled.unwrap_or_else(|_| panic!("not within {SETTLED:?}: {order:?}"));
    let paid = soon("GetOrder", mesh.order(&order.order_no)).await;
    assert_eq!(paid.status(), OrderStatus::Paid);
    let what = |order: &Order| (order.shop_id, order.merchant_id, order.amount_fen);
    assert_eq!(what(&paid), what(order));
    assert!(story.remedies.is_empty(), "{:?}", story.remedies);
    let [settlement] = story.settlements.as_slice() else {
        panic!("{:?}", story.settlements)
    };
    let fee = (order.amount_fen * 6000 + 500_000) / 1_000_000;
    let sums = [settlement.gross_fen, settlement.fee_fen, settlement.net_fen];
    assert_eq!(sums, [order.amount_fen, fee, order.amount_fen - fee]);
    let charges = mesh.charges_of(&order.order_no).await;
    let [charge] = charges.as_slice() else {
        panic!("{charges:?}")
    };
    let taken = (charge.mch_id.as_str(), charge.amount_fen);
    assert_eq!(taken, (shop.mch_id.as_str(), order.amount_fen));
    assert_eq!(account_of(mesh, order).await, own_account(mesh, shop).await);
}

async fn account_of(mesh: &TestMesh, order: &Order) -> i64 {
    let request = QueryPaymentRequest {
        order_no: order.order_no.clone(),
        attempt: 0,
        refresh: false,
    };
    let mut payments = mesh.payments();
    let answer = soon("QueryPayment", payments.query_payment(request)).await;
    answer.unwrap().into_inner().payment.unwrap().account_id
}

async fn own_account(mesh: &TestMesh, shop: &Shop) -> i64 {
    let sql = format!(
        "SELECT account_id FROM merchant_accounts WHERE shop_id = {}",
        shop.shop_id
    );
    let rows = mesh.db(Service::ShopCenter).rows(&sql).await;
    rows[0][0].parse().unwrap()
}

/// An order from creation to settlement.
async fn sells(mesh: &TestMesh, shop: &Shop) {
    let order = created(mesh, shop).await;
    prepared(mesh, &order).await;
    charged(mesh, &order).await;
    is_settled(mesh, shop, &order).await;
}

/// Orders at every point of their lives: created, prepared, and paid a moment ago.
async fn begun(mesh: &TestMesh, shop: &Shop) -> [Order; 3] {
    let mut orders = Vec::new();
    for _ in 0..3 {
        orders.push(created(mesh, shop).await);
    }
    for order in &orders[1..] {
        prepared(mesh, order).await;
    }
    charged(mesh, &orders[2]).await;
    orders.try_into().unwrap()
}

/// What was begun comes to its end.
async fn go_on(mesh: &TestMesh, shop: &Shop, [new, unpaid, paid]: &[Order; 3]) {
    is_settled(mesh, shop, paid).await;
    charged(mesh, unpaid).await;
    prepared(mesh, new).await;
    charged(mesh, new).await;
    for order in [unpaid, new] {
        is_settled(mesh, shop, order).await;
    }
}

/// What the channel took is what was settled, and nothing is left undone.
async fn nothing_is_lost(mesh: &TestMesh) {
    let sql = "SELECT COUNT(*) FROM settlements";
    let settled = mesh.db(Service::Trade).count(sql).await;
    let charges = mesh.charges().await;
    assert_eq!(charges.len(), usize::try_from(settled).unwrap());
    assert!(mesh.forgotten().await.is_empty());
    let drained = async || mesh.feed_is_drained().await.then_some(());
    until("the feed's cursors are at its end", drained).await;
}

#[tokio::test]
async fn orders_are_paid_where_redis_is_absent_or_never_answers() {
    let _turn = alone().await;
    for engine in ENGINES {
        let redis = TestRedis::create().await;
        let frozen = redis.proxy().await;
        frozen.silent(true);
        for address in [nowhere().await, frozen.address().to_string()] {
            let before = failures();
            let mut mesh = on_bad(engine, &redis, address).await;
            let shops = [mesh.shop().await, mesh.other_merchant().await];
            for shop in shops.iter().chain(&shops) {
                sells(&mesh, shop).await;
            }
            let orders = begun(&mesh, &shops[0]).await;
            go_on(&mesh, &shops[0], &orders).await;
            nothing_is_lost(&mesh).await;
            assert!(failures() > before, "it was asked, and did not answer");
            assert!(redis.keys().await.is_empty());
            mesh.end().await;
        }
    }
}

#[tokio::test]
async fn a_redis_that_freezes_in_mid_run_loses_nothing_and_is_used_again() {
    let _turn = alone().await;
    for engine in ENGINES {
        let redis = TestRedis::create().await;
        let proxy = redis.proxy().await;
        let mesh = on_bad(engine, &redis, proxy.address()).await;
        let shop = mesh.shop().await;
        sells(&mesh, &shop).await;
        assert!(!redis.keys().await.is_empty(), "it is used");
        let orders = begun(&mesh, &shop).await;
        let before = failures();
        proxy.silent(true);
        go_on(&mesh, &shop, &orders).await;
        let new = mesh.other_merchant().await;
        for shop in [&new, &shop, &new] {
            sells(&mesh, shop).await;
        }
        assert!(failures() > before, "it was asked, and did not answer");
        let orders = begun(&mesh, &new).await;
        proxy.silent(false);
        go_on(&mesh, &new, &orders).await;
        until("it is used again", async || {
            let newest = mesh.shop().await;
            sells(&mesh, &newest).await;
            let own = format!("{}:shops:{}", redis.prefix(), newest.shop_id);
            let keys = redis.keys().await;
            keys.iter().any(|(key, _)| *key == own).then_some(())
        })
        .await;
        nothing_is_lost(&mesh).await;
    }
}

#[tokio::test]
async fn a_redis_flushed_in_mid_run_loses_nothing() {
    let _turn = alone().await;
    for engine in ENGINES {
        let redis = TestRedis::to_flush().await;
        let mesh = on_sound(engine, &redis).await;
        let shops = [mesh.shop().await, mesh.other_merchant().await];
        for shop in &shops {
            sells(&mesh, shop).await;
            let orders = begun(&mesh, shop).await;
            assert!(!redis.keys().await.is_empty(), "it is used");
            redis.flush().await;
            // What was remembered here of what it said is forgotten, too.
            sleep(NEAR).await;
            go_on(&mesh, shop, &orders).await;
            redis.flush().await;
            sells(&mesh, shop).await;
        }
        nothing_is_lost(&mesh).await;
    }
}

/// Everything Redis has of one shop stands under the other's keys; the names of what that is.
async fn stands_for(redis: &TestRedis, one: &Shop, other: &Shop) -> BTreeSet<String> {
    let ids = |shop: &Shop| {
        let [shop_id, merchant_id] = [shop.shop_id, shop.merchant_id].map(|id| id.to_string());
        [shop_id, merchant_id, shop.mch_id.clone()]
    };
    let (own, others) = (ids(one), ids(other));
    let mut names = BTreeSet::new();
    for (key, _) in redis.keys().await {
        let key = key[redis.prefix().len() + 1..].to_owned();
        let (path, id) = key.rsplit_once(':').unwrap();
        if let Some(nth) = own.iter().position(|own| own == id) {
            redis.copy(&key, &format!("{path}:{}", others[nth])).await;
            names.insert(path.split(':').next().unwrap().to_owned());
        }
    }
    names
}

#[tokio::test]
async fn a_redis_that_answers_with_anothers_value_sells_for_nobody_else() {
    let _turn = alone().await;
    let told = [
        "accounts",
        "selling",
        "shop_center_accounts",
        "shop_center_shops",
        "shops",
    ];
    let found_out = || told.map(|name| counted("cache_reads_total", &[name, "mismatch"]));
    for engine in ENGINES {
        let redis = TestRedis::create().await;
        let mesh = on_sound(engine, &redis).await;
        let [one, other] = [mesh.shop().await, mesh.other_merchant().await];
        let closed = mesh.bare_shop(ShopStatus::Closed).await;
        sells(&mesh, &one).await;
        let before = found_out();
        let names = stands_for(&redis, &one, &other).await;
        assert!(told.iter().all(|name| names.contains(*name)), "{names:?}");
        stands_for(&redis, &one, &closed).await;
        // Nobody has asked for these two before: what is known of them is what Redis says.
        sells(&mesh, &other).await;
        let refused = mesh.trade().create_order(mesh.wish(&closed)).await;
        let why = reason_of(&refused.unwrap_err());
        assert_eq!(why.as_deref(), Some("SHOP_NOT_OPEN"));
        let now = found_out();
        assert!(
            before.iter().zip(now).all(|(b, n)| *b < n),
            "{before:?} {now:?}"
        );
        // And the other way round, with orders under way.
        let orders = begun(&mesh, &one).await;
        stands_for(&redis, &other, &one).await;
        sleep(NEAR).await;
        go_on(&mesh, &one, &orders).await;
        sells(&mesh, &one).await;
        sells(&mesh, &other).await;
        nothing_is_lost(&mesh).await;
    }
}

async fn watch(mesh: &TestMesh, order_no: &str) -> Streaming<WatchOrderResponse> {
    let request = WatchOrderRequest {
        order_no: order_no.to_owned(),
        min_version: 0,
    };
    let watching = mesh.trade().watch_order(request).await;
    watching.unwrap().into_inner()
}

async fn told(watching: &mut Streaming<WatchOrderResponse>) -> Order {
    let told = soon("WatchOrder", watching.message()).await.unwrap();
    told.unwrap().order.unwrap()
}

async fn bind(mut trade: TradeServiceClient<Client>, order: &Order) -> Order {
    let request = BindPayerRequest {
        order_no: order.order_no.clone(),
        payer_id: "payer-1".to_owned(),
    };
    let bound = trade.bind_payer(request).await.unwrap();
    bound.into_inner().order.unwrap()
}

/// Another process of trade on the same databases, and a client of it.
async fn another_trade(mesh: &TestMesh) -> (Process, TradeServiceClient<Client>) {
    // Its own network: the same address, and nobody else there.
    let elsewhere = Arc::new(Memory::default());
    let what = (Service::Trade, Workers::Off);
    let process = Process::start(mesh.config(), &elsewhere, what).await;
    let settings = ClientSettings::new("test", address_of(Service::Trade));
    let client = Client::new(settings, elsewhere, ground::policies().unwrap()).unwrap();
    (process, TradeServiceClient::new(client))
}

// Every service and the channel listen.
fn listeners() -> i64 {
    i64::try_from(SERVICES.len()).unwrap() + 1
}

#[tokio::test]
async fn what_another_process_changes_rings_here_and_is_told_before_anybody_looks_again() {
    // A watcher that nothing wakes is told half a second after it was told before.
    const RUNG_FOR: Duration = Duration::from_millis(250);
    let _turn = alone().await;
    let redis = TestRedis::create().await;
    // A SQLite file belongs to one process.
    let mesh = on_sound(Engine::MySql, &redis).await;
    let shop = mesh.shop().await;
    let (other, there) = another_trade(&mesh).await;
    redis.listened_to(listeners() + 1).await;
    let mut rings = mesh
        .process(Service::Trade)
        .ground()
        .bell
        .subscribe("orders");
    let mut took = Vec::new();
    for _ in 0..9 {
        let order = created(&mesh, &shop).await;
        let mut watching = watch(&mesh, &order.order_no).await;
        assert_eq!(told(&mut watching).await, order);
        while rings.try_recv().is_ok() {}
        let bound = bind(there.clone(), &order).await;
        let begun = Instant::now();
        assert_eq!(told(&mut watching).await, bound);
        took.push(begun.elapsed());
        let rung = soon("a ring", rings.recv()).await.unwrap();
        assert_eq!(*rung, *order.order_no);
    }
    took.sort();
    assert!(took[took.len() / 2] < RUNG_FOR, "{took:?}");
    other.stop().await;
}

#[tokio::test]
async fn a_bell_that_rings_falsely_shows_nothing_that_is_not_so() {
    // Longer than a watcher waits before it looks by itself.
    const A_LOOK: Duration = Duration::from_millis(1200);
    let _turn = alone().await;
    let redis = TestRedis::create().await;
    let mesh = on_sound(Engine::Sqlite, &redis).await;
    redis.listened_to(listeners()).await;
    let shop = mesh.shop().await;
    let [order, other] = [created(&mesh, &shop).await, created(&mesh, &shop).await];
    let mut watching = watch(&mesh, &order.order_no).await;
    assert_eq!(told(&mut watching).await, order);
    let bound = bind(mesh.trade(), &other).await;
    for garbled in [
        &b""[..],
        b"x",
        b"x ",
        b"x W1",
        b"\xff \xff",
        b"x \xff",
        &[b' '; 9999],
    ] {
        assert_eq!(redis.say("orders", garbled).await, listeners());
    }
    for order in [&order, &bound] {
        let message = format!("x {}", order.order_no);
        for _ in 0..100 {
            redis.say("orders", message.as_bytes()).await;
        }
    }
    let silent = timeout(A_LOOK, watching.message()).await;
    assert!(silent.is_err(), "nothing has changed: {silent:?}");
    let bound = bind(mesh.trade(), &order).await;
    assert_eq!(told(&mut watching).await, bound);
}
