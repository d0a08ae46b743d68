//! One merchant's channel answers after 30 s: it hurts nobody else, and its trouble does not
//! look like trouble of our own services.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::ObligationKind as Kind;
use futures::future::join_all;
use mesh::reason_of;
use paymesh::cli::Service;
use proto::gateway::v1::{PaymentState, QueryPaymentRequest};
use proto::sandbox::v1::script::Misbehaviour;
use proto::sandbox::v1::{LostNotice, OrderFilter, Slow};
use proto::trade::v1::OrderStatus;
use scenarios::{SERVICES, Shop, TestMesh, Workers, address_of, get, until};
use store::Engine;
use testkit::ENGINES;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

/// How long another shop's order may take from its creation to its settlement, and any check of a
/// service's health: several times what a busy machine of two cores needs, and less than who waits
/// for one call to the slow channel would.
const BOUND: Duration = Duration::from_millis(1500);
// How many calls an account may have under way.
const ROOM: usize = 4;
const DELAY: Duration = Duration::from_secs(30);
// How long a call to a channel lasts at most.
const TIMEOUT: Duration = Duration::from_secs(2);
const LIVES: usize = 24;

// The metrics are the process's: one test at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

/// The turn of a test.
async fn alone() -> MutexGuard<'static, ()> {
    mesh::install_metrics().unwrap();
    ALONE.lock().await
}

async fn narrow(engine: Engine) -> TestMesh {
    until("calls of the mesh before have ended", async || {
        (in_flight() == 0).then_some(())
    })
    .await;
    let mesh = TestMesh::with(engine, Workers::On, |config| {
        config.pay_gateway.swiftpass.concurrency = ROOM;
        config.pay_gateway.swiftpass.timeout = TIMEOUT;
    });
    mesh.await
}

/// The channel takes its time with all that this shop's account asks.
async fn slow_down(mesh: &TestMesh, shop: &Shop) {
    let slow = Misbehaviour::Slow(Slow {
        delay: Some(prost_types::Duration {
            seconds: DELAY.as_secs().cast_signed(),
            nanos: 0,
        }),
    });
    mesh.script_for(orders_of(shop), "slow", slow).await;
}

fn orders_of(shop: &Shop) -> OrderFilter {
    OrderFilter {
        mch_id: shop.mch_id.clone(),
        ..OrderFilter::default()
    }
}

/// Orders from creation to settlement, a few at a time; how long nineteen in twenty of them took
/// at most.
async fn lives(mesh: &TestMesh, shop: &Shop) -> Duration {
    let mut took = Vec::new();
    for _ in 0..LIVES / 3 {
        let three = join_all((0..3).map(async |_| {
            let begun = Instant::now();
            let paying = mesh.paying(shop).await;
            mesh.charge(&paying.out_trade_no).await;
            let story = mesh.settled(&paying.order_no).await;
            assert_eq!(story.order.unwrap().status(), OrderStatus::Paid);
            assert_eq!(story.settlements[0].gross_fen, paying.amount_fen);
            begun.elapsed()
        }));
        took.extend(three.await);
    }
    took.sort();
    took[(took.len() * 95).div_ceil(100) - 1]
}

/// What the customers of the slow shop were answered.
#[derive(Debug, Default)]
struct Pressed {
    unknown: usize,
    busy: usize,
}

/// Customers come to the slow shop, more than it has room for, until it is over.
async fn press(mesh: &TestMesh, shop: &Shop, over: &AtomicBool) -> Pressed {
    let mut pressed = Pressed::default();
    while !over.load(Ordering::Relaxed) {
        let answers = join_all((0..ROOM * 3).map(async |_| {
            let order = mesh.bound(shop).await;
            mesh.pay(&order.order_no, "r1").await
        }));
        for answer in answers.await {
            match answer {
                Ok(answer) => {
                    assert_eq!(answer.pay_info, "");
                    assert_eq!(answer.order.unwrap().status(), OrderStatus::Paying);
                    pressed.unknown += 1;
                }
                Err(status) => {
                    assert_eq!(reason_of(&status).unwrap(), "PAYMENT_REFUSED");
                    let metadata = status.get_details_error_info().unwrap().metadata;
                    assert_eq!(metadata["payment_reason"], "CHANNEL_BUSY");
                    pressed.busy += 1;
                }
            }
        }
    }
    pressed
}

/// The health checks of a mesh, each timed.
#[derive(Debug, Default)]
struct Checked {
    rounds: usize,
    worst: (Duration, String),
}

impl Checked {
    async fn time(&mut self, what: String, check: impl Future<Output = ()>) {
        let begun = Instant::now();
        let answer = tokio::time::timeout(TIMEOUT, check).await;
        answer.unwrap_or_else(|_| panic!("{what}: no answer"));
        let took = (begun.elapsed(), what);
        if took > self.worst {
            self.worst = took;
        }
    }
}

/// Asks every service for its health in every way until it is over.
async fn all_serve(mesh: &TestMesh, over: &AtomicBool) -> Checked {
    let ports = SERVICES.map(async |service| (service, admin(mesh, service).await));
    let ports = join_all(ports).await;
    let mut checked = Checked::default();
    while !over.load(Ordering::Relaxed) {
        for (service, admin) in &ports {
            let name = service.name();
            checked
                .time(format!("{name}'s health"), serves(mesh, name))
                .await;
            for path in ["/livez", "/readyz"] {
                let what = format!("{name}'s {path}");
                let get = async {
                    let answer = get(mesh.net(), (admin, path)).await;
                    assert_eq!(answer.status, 200, "{name} {answer:?}");
                };
                checked.time(what, get).await;
            }
        }
        checked.rounds += 1;
        sleep(Duration::from_millis(50)).await;
    }
    checked
}

async fn serves(mesh: &TestMesh, service: &str) {
    let mut health = HealthClient::new(mesh.client(service));
    let answer = health.check(HealthCheckRequest::default()).await;
    let status = answer.expect("no error").into_inner().status();
    assert_eq!(status, ServingStatus::Serving, "{service}");
}

/// A service's admin port, opened; where it is.
async fn admin(mesh: &TestMesh, service: Service) -> String {
    let mut ground = mesh.process(service).ground().clone();
    // Another one for each, as if they were on hosts of their own.
    ground.config.listen.admin = address_of(service).replace(":1", ":2");
    ground.admin().await.unwrap().to_string()
}

/// The most calls that were under way to all accounts at once until it is over.
async fn most_in_flight(over: &AtomicBool) -> usize {
    let mut most = 0;
    while !over.load(Ordering::Relaxed) {
        most = most.max(in_flight());
        // All metrics are written out each time: more often, this would be what slows others.
        sleep(Duration::from_millis(50)).await;
    }
    most
}

fn in_flight() -> usize {
    let gauge = "gateway_channel_in_flight{";
    let metrics = mesh::install_metrics().unwrap().render();
    let line = metrics.lines().find(|line| line.starts_with(gauge));
    let value = line.and_then(|line| line.rsplit(' ').next());
    value.map_or(0, |value| value.parse().unwrap())
}

/// Every call of another service to pay-gateway ended well, as that service saw it.
fn no_call_to_pay_gateway_failed() {
    let metrics = mesh::install_metrics().unwrap().render();
    let calls = metrics.lines().filter(|line| {
        line.starts_with("grpc_server_handled_total{")
            && line.contains("\"paymesh.gateway.v1.PaymentService\"")
    });
    let (well, ill): (Vec<_>, Vec<_>) = calls.partition(|line| line.contains("\"OK\""));
    assert!(!well.is_empty(), "{metrics}");
    assert!(ill.is_empty(), "{ill:?}");
}

/// What a breaker or a bulkhead between trade and pay-gateway has refused so far, and that they
/// are there at all.
fn tripped() -> Vec<String> {
    let metrics = mesh::install_metrics().unwrap().render();
    let told = include_str!("../../../docs/metrics.md");
    let mut tripped = Vec::new();
    for (metric, whose) in [
        ("mesh_client_ejections_total", "caller=\"trade\""),
        ("mesh_client_probes_total", "caller=\"trade\""),
        (
            "mesh_bulkhead_refused_total",
            "\"paymesh.gateway.v1.PaymentService\"",
        ),
    ] {
        assert!(
            told.contains(&format!("`{metric}`")),
            "{metric} has another name now"
        );
        let counts = metrics
            .lines()
            .filter(|line| line.split('{').next() == Some(metric) && line.contains(whose));
        tripped.extend(counts.map(str::to_owned));
    }
    let picks = "mesh_client_picks_total{caller=\"trade\"";
    assert!(
        metrics.contains(picks),
        "trade's calls go through no breaker: {metrics}"
    );
    tripped
}

#[tokio::test]
async fn one_channel_at_thirty_seconds_hurts_nobody_else() {
    let _turn = alone().await;
    for engine in ENGINES {
        let mesh = narrow(engine).await;
        let (good, slow) = (mesh.shop().await, mesh.shop().await);
        let quiet = lives(&mesh, &good).await;
        let before = tripped();
        slow_down(&mesh, &slow).await;
        let over = AtomicBool::new(false);
        let (loaded, pressed, checked, most) = tokio::join!(
            async {
                until("the slow account is full", async || {
                    (in_flight() >= ROOM).then_some(())
                })
                .await;
                let took = lives(&mesh, &good).await;
                over.store(true, Ordering::Relaxed);
                took
            },
            press(&mesh, &slow, &over),
            all_serve(&mesh, &over),
            most_in_flight(&over),
        );
        assert!(loaded < BOUND, "{loaded:?}, without the slow one {quiet:?}");
        assert!(checked.worst.0 < BOUND, "{checked:?}");
        // Trouble is a value: both kinds were met.
        assert!(
            pressed.unknown >= ROOM && pressed.busy >= ROOM,
            "{pressed:?}"
        );
        assert!(checked.rounds > 3, "{checked:?}");
        // The others have three at a time, and each may be asked about once.
        assert!((ROOM..=ROOM + 6).contains(&most), "{most} at once");
        no_call_to_pay_gateway_failed();
        assert_eq!(
            tripped(),
            before,
            "the channel's trouble is none of pay-gateway's"
        );
        assert!(mesh.forgotten().await.is_empty());
    }
}

#[tokio::test]
async fn an_account_never_has_more_calls_under_way_than_its_room() {
    let _turn = alone().await;
    for engine in ENGINES {
        let mesh = narrow(engine).await;
        let slow = mesh.shop().await;
        slow_down(&mesh, &slow).await;
        let orders = join_all((0..ROOM * 5).map(|_| mesh.bound(&slow))).await;
        let answers = join_all(orders.iter().map(async |order| {
            let answer = mesh.pay(&order.order_no, "r1").await;
            let number = format!("{}0000", order.order_no);
            let reached = mesh.misbehaved("slow", &number).await;
            (answer.is_ok(), reached)
        }));
        let answers = answers.await;
        let unknown = answers.iter().filter(|(unknown, _)| *unknown).count();
        assert_eq!(unknown, ROOM, "the others were refused at once");
        // By the channel's own count: what was refused had never been sent.
        for (unknown, reached) in answers {
            assert_eq!(reached, i32::from(unknown));
        }
        assert!(mesh.forgotten().await.is_empty());
        no_call_to_pay_gateway_failed();
    }
}

#[tokio::test]
async fn money_of_others_is_found_while_the_slow_ones_polls_hang() {
    let _turn = alone().await;
    for engine in ENGINES {
        let mesh = narrow(engine).await;
        let (good, slow) = (mesh.shop().await, mesh.shop().await);
        let lost = Misbehaviour::Lost(LostNotice {});
        mesh.script_for(orders_of(&good), "lost", lost).await;
        // Prepared in good times, all of them.
        let mut waiting = Vec::new();
        for _ in 0..10 {
            waiting.push(mesh.paying(&slow).await);
        }
        slow_down(&mesh, &slow).await;
        let mut paid = Vec::new();
        for _ in 0..5 {
            let paying = mesh.paying(&good).await;
            mesh.charge(&paying.out_trade_no).await;
            paid.push(paying);
        }
        mesh.falls_due(Service::PayGateway, Kind::Poll).await;
        for paying in &paid {
            let story = mesh.settled(&paying.order_no).await;
            assert_eq!(story.remedies[0].finder, "QUERY");
        }
        // Whoever asks about a slow one is told what is known, not an error.
        let asked = waiting.iter().map(async |paying| {
            let request = QueryPaymentRequest {
                order_no: paying.order_no.clone(),
                attempt: 0,
                refresh: false,
            };
            let answer = mesh.payments().query_payment(request).await;
            let payment = answer.expect("an answer").into_inner().payment.unwrap();
            assert_eq!(payment.state(), PaymentState::Pending);
        });
        join_all(asked).await;
        no_call_to_pay_gateway_failed();
        assert!(mesh.forgotten().await.is_empty());
    }
}
