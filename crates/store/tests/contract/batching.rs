//! Writes that wait together are committed together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::join_all;
use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use seam::SystemIds;
use store::{Db, Engine};
use testkit::proxy::COMMIT;
use testkit::{ENGINES, Proxy, TestDb};

use crate::schema::{MIGRATIONS, World, accounts, change, open, world};

const WRITERS: i64 = 64;
const EACH: i64 = 20;

#[derive(Default)]
struct Batches {
    count: AtomicU64,
    writes: AtomicU64,
}

impl HistogramFn for Batches {
    fn record(&self, size: f64) {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.writes
            .fetch_add(format!("{size}").parse().unwrap(), Ordering::SeqCst);
    }
}

struct Sizes(Arc<Batches>);

impl Recorder for Sizes {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        match key.name() {
            "store_batch_size" => Histogram::from_arc(Arc::clone(&self.0)),
            _ => Histogram::noop(),
        }
    }
}

async fn write_together(db: &Db) {
    let writers = (0..WRITERS).map(|account| async move {
        db.submit(open(account)).await.unwrap();
        for version in 2..=EACH {
            db.submit(change(account, version, 1)).await.unwrap();
        }
    });
    join_all(writers).await;
}

#[tokio::test]
async fn sixty_four_writers_share_their_batches_and_the_metric_says_so() {
    for engine in ENGINES {
        let batches = Arc::new(Batches::default());
        let sizes = Sizes(Arc::clone(&batches));
        // The committer's task runs on this thread: the test's runtime has no other.
        let _recording = metrics::set_default_local_recorder(&sizes);
        let World {
            db, test: _test, ..
        } = world(engine).await;
        write_together(&db).await;
        assert_eq!(accounts(&db).await.len(), 64);
        let (count, writes) = (
            batches.count.load(Ordering::SeqCst),
            batches.writes.load(Ordering::SeqCst),
        );
        assert_eq!(writes, (WRITERS * EACH).unsigned_abs());
        assert!(
            writes / count >= 16,
            "{writes} writes in {count} batches on {engine:?}"
        );
    }
}

#[tokio::test]
async fn the_server_sees_a_commit_a_batch() {
    let test = TestDb::create(Engine::MySql).await;
    test.open(MIGRATIONS, testkit::clock()).await.close().await;
    let proxy = Proxy::start(test.server(), COMMIT).await;
    let settings = test.through(&proxy);
    let opened = Db::open(&settings, MIGRATIONS, testkit::clock(), Arc::new(SystemIds)).await;
    let db = opened.unwrap();
    write_together(&db).await;
    let commits = i64::from(proxy.passed());
    assert!(commits * 16 <= WRITERS * EACH, "{commits} commits");
}

#[tokio::test]
async fn a_lone_write_waits_for_nobody() {
    for engine in ENGINES {
        let World {
            db, test: _test, ..
        } = world(engine).await;
        let begun = std::time::Instant::now();
        for account in 0..50 {
            db.submit(open(account)).await.unwrap();
        }
        // No timer gathers: 50 in a row take far less than 50 waits of any length would.
        assert!(
            begun.elapsed() < std::time::Duration::from_secs(2),
            "{:?}",
            begun.elapsed()
        );
    }
}
