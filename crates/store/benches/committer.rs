//! The committer against a transaction per write: the same statements, the same rows, both
//! engines, alternating. `make bench-store` runs it; it takes about two minutes.

#[path = "committer/per_write.rs"]
mod per_write;
#[path = "committer/report.rs"]
mod report;
#[path = "committer/workload.rs"]
mod workload;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use store::{Db, Engine};
use testkit::{ENGINES, TestDb};

use per_write::PerWrite;
use report::{Line, Run};
use workload::{Account, Change};

const REPETITIONS: usize = 7;
const LASTS: Duration = Duration::from_millis(800);

/// The two ways to write.
#[derive(Clone)]
enum Way {
    Committer(Db),
    PerWrite(PerWrite),
}

impl Way {
    // False: somebody else had the version.
    async fn write(&self, change: Change) -> bool {
        match self {
            Self::Committer(db) => workload::submit(db, change).await,
            Self::PerWrite(pool) => pool.write(change).await,
        }
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let mut lines = Vec::new();
        for engine in ENGINES {
            lines.extend(on(engine).await);
        }
        report::print(&lines);
    });
}

async fn on(engine: Engine) -> Vec<Line> {
    let test = TestDb::create(engine).await;
    let db = test.open(workload::MIGRATIONS, testkit::clock()).await;
    let per_write = PerWrite::open(engine, test.url()).await;
    let ways = [Way::Committer(db.clone()), Way::PerWrite(per_write.clone())];
    let mut accounts = 0;
    let mut lines = Vec::new();
    for in_flight in [64, 256] {
        for stale in [0, 5] {
            let mut line = Line::new(engine, in_flight, stale);
            // The first round warms up: prepared statements, pages, connections.
            for round in 0..=REPETITIONS {
                for (way, runs) in ways.iter().zip([&mut line.committer, &mut line.per_write]) {
                    let made = workload::accounts(&db, accounts, in_flight).await;
                    accounts += in_flight;
                    let run = run(way, made, stale).await;
                    if round > 0 {
                        runs.push(run);
                    }
                }
            }
            eprintln!("{}", line.text());
            lines.push(line);
        }
    }
    per_write.close().await;
    db.close().await;
    lines
}

// Each account has one writer, and all of them write for as long as the run lasts.
async fn run(way: &Way, accounts: Vec<Account>, stale: u32) -> Run {
    let begun = Instant::now();
    let way = Arc::new(way.clone());
    let writers = accounts.into_iter().map(|mut account| {
        let way = Arc::clone(&way);
        tokio::spawn(async move {
            let mut answered = Vec::new();
            while begun.elapsed() < LASTS {
                let (change, is_stale) = account.next(stale);
                let asked = Instant::now();
                let done = way.write(change).await;
                assert_eq!(
                    done, !is_stale,
                    "a conflict where there is none, or none where there is"
                );
                answered.push(asked.elapsed());
            }
            answered
        })
    });
    let answered = join_all(writers)
        .await
        .into_iter()
        .flat_map(|made| made.expect("it ends"));
    let answered = answered.collect();
    Run::new(answered, begun.elapsed())
}
