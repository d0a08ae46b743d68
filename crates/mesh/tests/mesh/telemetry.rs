//! What operators count of a call's way, as it is scraped; and that labels stay few.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mesh::{
    BulkheadLimits, Client, ClientSettings, Context, Criticality, Lifecycle, Limits, ServerSettings,
};
use tokio::time::sleep;
use tonic::{Request, Status};

use crate::admin::{admin, get};
use crate::fleet::client;
use crate::probe::{Probe, World, ask, ask_with, ask_within};
use crate::retry::Named;

// All tests of a process count in one place: who counts calls of this method does so alone.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
/// Idempotent, three attempts; tests elsewhere never call it.
const TIMELINE: &str = "/paymesh.trade.v1.TradeService/GetTimeline";
const PAY: &str = "/paymesh.trade.v1.TradeService/PayOrder";
const OF_TIMELINE: &str = "grpc_method=\"GetTimeline\"";

/// All of them; docs/metrics.md says what each may be.
const LABELS: &[&str] = &[
    "at",
    "caller",
    "cause",
    "criticality",
    "grpc_code",
    "grpc_method",
    "grpc_service",
    "grpc_type",
    "kind",
    "le",
    "limit",
    "reason",
    "result",
    "side",
    "state",
    "target",
    "task",
    "then",
];

/// What `/metrics` said.
struct Scraped(String);

impl Scraped {
    /// What labels the mesh's metrics have.
    fn labels(&self) -> BTreeSet<String> {
        let ours = self.0.lines().filter(|line| line.starts_with(['g', 'm']));
        let labels = ours.flat_map(|line| line.split("=\"").map(str::to_owned));
        let keys = labels.filter_map(|text| {
            let key = text.rsplit(['{', ',']).next()?;
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
            (!key.is_empty() && key.bytes().all(plain)).then(|| key.to_owned())
        });
        keys.collect()
    }

    /// All that a metric counted under labels like these.
    fn sum(&self, name: &str, labels: &[&str]) -> i64 {
        let lines = self.0.lines().filter(|line| {
            let named = line
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('{'));
            named && labels.iter().all(|label| line.contains(label))
        });
        lines
            .map(|line| line.rsplit(' ').next().unwrap().parse::<i64>().unwrap())
            .sum()
    }
}

struct Operator {
    world: World,
    address: String,
}

impl Operator {
    // First of all, so that no gauge misses a change.
    async fn of(world: &World) -> Self {
        Self {
            world: world.clone(),
            address: admin(world, &Lifecycle::new()).await,
        }
    }

    async fn scrape(&self) -> Scraped {
        Scraped(get(&self.world, &self.address, "/metrics").await)
    }
}

async fn served(world: &World, settings: ServerSettings, probe: Probe) -> String {
    let lifecycle = Lifecycle::new();
    lifecycle.ready();
    let server = world.server(settings, &lifecycle).add(Named(probe));
    world.listen(server).await.0
}

/// Unavailable to the first `failures` calls.
fn failing(failures: usize) -> Probe {
    let calls = Arc::new(AtomicUsize::new(0));
    Probe::new(move |text| {
        let failed = calls.fetch_add(1, Ordering::SeqCst) < failures;
        std::future::ready(if failed {
            Err(Status::unavailable("not yet"))
        } else {
            Ok(text)
        })
    })
}

async fn timeline(client: &Client, timeout: Duration) -> Result<String, Status> {
    let mut request = Request::new("x".to_owned());
    request.set_timeout(timeout);
    ask_with(client, TIMELINE, request).await
}

#[tokio::test(start_paused = true)]
async fn a_call_is_counted_once_and_each_attempt_too() {
    let _alone = ALONE.lock().await;
    let world = World::memory();
    let operator = Operator::of(&world).await;
    let address = served(&world, ServerSettings::new("probe"), failing(2)).await;
    let client = world.client(&address);
    let before = operator.scrape().await;
    timeline(&client, Duration::from_secs(5)).await.unwrap();
    let after = operator.scrape().await;
    let more = |name, labels: &[&str]| {
        let labels = [labels, &[OF_TIMELINE]].concat();
        after.sum(name, &labels) - before.sum(name, &labels)
    };
    let (ok, failed) = ("grpc_code=\"OK\"", "grpc_code=\"Unavailable\"");
    assert_eq!(more("grpc_client_started_total", &[]), 1);
    assert_eq!(more("grpc_client_handled_total", &[ok]), 1);
    assert_eq!(more("grpc_client_attempts_started_total", &[]), 3);
    assert_eq!(more("grpc_client_attempts_handled_total", &[ok]), 1);
    assert_eq!(more("grpc_client_attempts_handled_total", &[failed]), 2);
    assert_eq!(more("grpc_client_attempt_seconds_count", &[]), 3);
    assert_eq!(more("grpc_server_handled_total", &[failed]), 2);
    let retried = [failed, "cause=\"code\"", "then=\"retried\""];
    assert_eq!(more("mesh_attempts_failed_total", &retried), 2);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_ran_out_of_time_was_not_cancelled() {
    let _alone = ALONE.lock().await;
    let world = World::memory();
    let operator = Operator::of(&world).await;
    let silent = Probe::new(async |_| pending().await);
    let address = served(&world, ServerSettings::new("probe"), silent).await;
    let before = operator.scrape().await;
    let client = world.client(&address);
    timeline(&client, Duration::from_millis(50))
        .await
        .unwrap_err();
    sleep(Duration::from_millis(50)).await;
    let after = operator.scrape().await;
    let more = |name, labels: &[&str]| {
        let labels = [labels, &[OF_TIMELINE]].concat();
        after.sum(name, &labels) - before.sum(name, &labels)
    };
    let late = "grpc_code=\"DeadlineExceeded\"";
    assert_eq!(more("grpc_client_handled_total", &[late]), 1);
    assert_eq!(more("grpc_client_attempts_handled_total", &[late]), 1);
    let expired = more("mesh_deadlines_expired_total", &["at=\"unanswered\""]);
    assert!(expired >= 1, "at either end, or at both: {expired}");
}

#[tokio::test(start_paused = true)]
async fn endpoints_are_counted_by_state_and_never_named() {
    let world = World::memory();
    let operator = Operator::of(&world).await;
    let (address, lifecycle, _) = world.serve(Probe::echo()).await;
    let target = format!("static:///{address},127.0.0.1:9");
    let mut settings = ClientSettings::new("counted-endpoints", target);
    settings.resolver = Arc::new(mesh::SystemResolver);
    let client = client(&world, settings);
    ask(&client, "x").await.unwrap();
    sleep(Duration::from_secs(1)).await;

    let mine = "caller=\"counted-endpoints\"";
    let shown = operator.scrape().await;
    let endpoints = |state| shown.sum("mesh_client_endpoints", &[mine, state]);
    assert_eq!(endpoints("state=\"ready\""), 1);
    assert_eq!(endpoints("state=\"connecting\""), 1);
    assert_eq!(endpoints("state=\"ejected\""), 0);
    assert_eq!(shown.sum("mesh_client_connections", &[mine]), 1);
    assert_eq!(
        shown.sum("mesh_client_picks_total", &[mine, "kind=\"fit\""]),
        1
    );
    assert!(shown.sum("mesh_client_dials_total", &[mine, "result=\"ok\""]) == 1);
    assert!(shown.sum("mesh_client_dials_total", &[mine, "result=\"failed\""]) >= 1);
    assert!(shown.sum("mesh_client_discoveries_total", &[mine, "result=\"ok\""]) >= 1);
    assert!(!shown.0.contains("endpoint=\""), "addresses come and go");

    lifecycle.stop();
    sleep(Duration::from_secs(3)).await;
    let shown = operator.scrape().await;
    assert_eq!(shown.sum("mesh_client_connections", &[mine]), 0);
    assert!(shown.sum("mesh_client_disconnects_total", &[mine, "reason=\"lost\""]) >= 1);
    drop(client);
    sleep(Duration::from_secs(1)).await;
    let left = operator
        .scrape()
        .await
        .sum("mesh_client_endpoints", &[mine]);
    assert_eq!(left, 0, "a client that has ended has no endpoints");
}

#[tokio::test(start_paused = true)]
async fn an_ejection_and_the_probe_that_ends_it_are_counted() {
    let world = World::memory();
    let operator = Operator::of(&world).await;
    let (address, ..) = world.serve(failing(5)).await;
    let client = client(&world, ClientSettings::new("counted-breaker", address));
    for _ in 0..5 {
        ask(&client, "x").await.unwrap_err();
    }
    let mine = "caller=\"counted-breaker\"";
    let shown = operator.scrape().await;
    assert_eq!(shown.sum("mesh_client_ejections_total", &[mine]), 1);
    let ejected = [mine, "state=\"ejected\""];
    assert_eq!(shown.sum("mesh_client_endpoints", &ejected), 1);

    // One endpoint is better than none.
    ask(&client, "x").await.unwrap();
    sleep(Duration::from_secs(2)).await;
    ask(&client, "x").await.unwrap();
    let shown = operator.scrape().await;
    let picks = |kind| shown.sum("mesh_client_picks_total", &[mine, kind]);
    assert_eq!((picks("kind=\"ejected\""), picks("kind=\"probe\"")), (1, 1));
    assert_eq!(
        shown.sum("mesh_client_probes_total", &[mine, "result=\"ok\""]),
        1
    );
    assert_eq!(shown.sum("mesh_client_endpoints", &ejected), 0);
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_vain_is_counted_by_why() {
    let world = World::memory();
    let operator = Operator::of(&world).await;
    let client = client(&world, ClientSettings::new("counted-queue", "127.0.0.1:9"));
    ask(&client, "x").await.unwrap_err();
    let mine = "caller=\"counted-queue\"";
    let shown = operator.scrape().await;
    let unsent = [mine, "reason=\"unreachable\""];
    assert!(shown.sum("mesh_client_unsent_total", &unsent) >= 1);
    let queued = shown.sum("mesh_client_queued_total", &[mine]);
    assert!(queued >= 1);
    assert_eq!(
        shown.sum("mesh_client_queue_wait_seconds_count", &[mine]),
        queued
    );
}

#[tokio::test(start_paused = true)]
async fn a_critical_call_that_found_no_place_is_counted_with_its_wait() {
    let _alone = ALONE.lock().await;
    let world = World::memory();
    let operator = Operator::of(&world).await;
    let limits = Limits {
        in_flight: 1,
        queue: 1,
        ..Limits::default()
    };
    let settings = ServerSettings {
        limits,
        ..ServerSettings::new("probe")
    };
    let address = served(&world, settings, Probe::new(async |_| pending().await)).await;
    let client = world.client(&address);
    let held = tokio::spawn({
        let client = client.clone();
        async move { timeline(&client, Duration::from_secs(2)).await }
    });
    sleep(Duration::from_millis(10)).await;
    let before = operator.scrape().await;
    let context = Context::background(Duration::from_secs(1));
    let context = context.with_criticality(Criticality::Critical);
    context
        .scope(timeline(&client, Duration::from_secs(1)))
        .await
        .unwrap_err();
    let after = operator.scrape().await;
    let more = |name, labels: &[&str]| after.sum(name, labels) - before.sum(name, labels);
    let waited = ["limit=\"work\"", "result=\"refused\""];
    assert!(more("mesh_server_queue_wait_seconds_count", &waited) >= 1);
    let shed = [
        OF_TIMELINE,
        "criticality=\"critical\"",
        "reason=\"OVERLOADED\"",
    ];
    assert!(more("mesh_server_shed_total", &shed) >= 1);
    assert!(after.0.contains("mesh_server_places{limit=\"work\"} "));
    held.abort();
}

#[tokio::test(start_paused = true)]
async fn a_wait_in_the_bulkhead_is_counted_also_when_it_is_given_up() {
    let _alone = ALONE.lock().await;
    let world = World::memory();
    let operator = Operator::of(&world).await;
    let silent = Probe::new(async |_| pending().await);
    let address = served(&world, ServerSettings::new("probe"), silent).await;
    let settings = ClientSettings {
        bulkhead: BulkheadLimits {
            at_once: 1,
            waiting: 1,
        },
        ..ClientSettings::new("test", address)
    };
    let client = client(&world, settings);
    let before = operator.scrape().await;
    let calls = (0..3).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { timeline(&client, Duration::from_millis(100)).await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap_err();
    }
    let after = operator.scrape().await;
    let more = |name| after.sum(name, &[OF_TIMELINE]) - before.sum(name, &[OF_TIMELINE]);
    assert_eq!(more("mesh_bulkhead_wait_seconds_count"), 1);
    assert_eq!(more("mesh_bulkhead_refused_total"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_strangers_ask_for_makes_no_labels() {
    let world = World::memory();
    let operator = Operator::of(&world).await;
    let (address, ..) = world.serve(Probe::echo()).await;
    let client = world.client(&address);
    let asked = Request::new(String::new());
    let path = "/some.Stranger/Invents";
    ask_with(&client, path, asked).await.unwrap_err();
    ask_within(&client, "x", Duration::from_secs(1))
        .await
        .unwrap();
    let shown = operator.scrape().await;
    assert!(!shown.0.contains("Stranger"));
    for label in shown.labels() {
        assert!(LABELS.contains(&label.as_str()), "{label}");
    }
}

#[tokio::test]
async fn how_much_a_call_matters_is_its_methods_word_unless_somebody_says() {
    let world = World::memory();
    let told = async |_| Ok(Context::current().criticality().name().to_owned());
    let address = served(&world, ServerSettings::new("probe"), Probe::new(told)).await;
    let client = world.client(&address);
    let asked = async |path| {
        ask_with(&client, path, Request::new(String::new()))
            .await
            .unwrap()
    };
    assert_eq!(asked(PAY).await, "critical");
    assert_eq!(
        asked("/paymesh.trade.v1.TradeService/GetOrder").await,
        "default"
    );
    assert_eq!(
        asked("/paymesh.trade.v1.TradeService/ListOrders").await,
        "sheddable"
    );
    let context = Context::background(Duration::from_secs(5));
    let context = context.with_criticality(Criticality::Sheddable);
    assert_eq!(context.scope(asked(PAY)).await, "sheddable");
}

#[tokio::test(start_paused = true)]
async fn all_attempts_of_a_call_are_of_one_trace_also_where_nobody_began_one() {
    let _alone = ALONE.lock().await;
    let world = World::memory();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = seen.clone();
    let probe = Probe::new(move |text| {
        let context = Context::current();
        let mut seen = noted.lock().unwrap();
        seen.push((context.trace_id(), context.request_id().into_owned()));
        let answer = match seen.len() {
            1 | 2 => Err(Status::unavailable("not yet")),
            _ => Ok(text),
        };
        std::future::ready(answer)
    });
    let address = served(&world, ServerSettings::new("probe"), probe).await;
    let client = world.client(&address);
    timeline(&client, Duration::from_secs(5)).await.unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|one| one == &seen[0]), "{seen:?}");
}
