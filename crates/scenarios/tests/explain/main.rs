//! No query looks at more than it needs, with a million rows in every table that grows: each
//! finds its rows by an index, on both engines, and the hot ones touch as many as they answer.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod million;

use million::{Filled, Service};
use store::{Engine, Query};
use testkit::ENGINES;

/// Read whole on purpose, and why that is no harm.
const SMALL: [(&str, &str); 3] = [
    (
        "obligations/forget",
        "once, when a SQLite file is opened: only what is unfinished",
    ),
    (
        "feed_cursors/forget",
        "once, when a SQLite file is opened: a row a shard",
    ),
    (
        "leases/forget",
        "once, when a SQLite file is opened: a hundred rows",
    ),
];

/// How many rows a query may be expected to look at; what is due, or one shop's, may be many.
const MOST: i64 = 2_000;
const PROPORTIONAL: [&str; 1] = ["obligations/backlog"];

fn inserts(sql: &str) -> bool {
    sql.lines().any(|line| line.starts_with("INSERT"))
}

fn queries(service: Service) -> impl Iterator<Item = &'static Query> {
    let all = store::query::ALL.iter().chain(service.queries());
    all.copied()
        .filter(|query| SMALL.iter().all(|(name, _)| *name != query.name()))
}

/// The statement with plain values in the place of parameters.
fn literal(query: &Query, engine: Engine) -> String {
    let sql = query.repeated(engine, 3);
    let sql = sql.unwrap_or_else(|| query.sql(engine).to_owned());
    let sql = sql.replace("LIMIT ?", "LIMIT 50");
    let lines = sql.lines().filter(|line| !line.starts_with("--"));
    // In quotes, a value is a number to a number and a text to a text.
    lines.collect::<Vec<_>>().join(" ").replace('?', "'3'")
}

async fn sqlite(filled: &Filled, query: &Query) -> Vec<String> {
    let sql = literal(query, Engine::Sqlite);
    let plan = filled.db.rows(&format!("EXPLAIN QUERY PLAN {sql}")).await;
    let steps = || plan.iter().filter_map(|row| row.last());
    // The first rows of a table in the order of its key.
    let first = sql.contains("LIMIT") && !sql.contains("WHERE");
    let first = first && !steps().any(|step| step.contains("TEMP B-TREE"));
    let whole = |step: &&String| step.starts_with("SCAN") && filled.grows(step) && !first;
    steps().filter(whole).cloned().collect()
}

async fn mysql(filled: &Filled, query: &Query) -> Vec<String> {
    let sql = literal(query, Engine::MySql);
    let plan = filled.db.rows(&format!("EXPLAIN {sql}")).await;
    let mut wrong = Vec::new();
    for step in plan {
        let [_, _, table, kind, _, key, _, _, rows, _] = step.as_slice() else {
            panic!("{}: {step:?}", query.name())
        };
        if !filled.grows(table) {
            continue;
        }
        let rows: i64 = rows.parse().unwrap_or(0);
        let bounded = rows <= MOST || PROPORTIONAL.contains(&query.name());
        if key == "NULL" || kind == "ALL" || !bounded {
            wrong.push(step.join(" | "));
        }
    }
    wrong
}

#[tokio::test]
async fn every_query_finds_its_rows_by_an_index_among_a_million() {
    let mut wrong = Vec::new();
    for engine in ENGINES {
        for service in Service::ALL {
            let filled = Filled::with(engine, service, million::ROWS).await;
            for query in queries(service) {
                if inserts(query.sql(engine)) {
                    continue;
                }
                let steps = match engine {
                    Engine::Sqlite => sqlite(&filled, query).await,
                    Engine::MySql => mysql(&filled, query).await,
                };
                let told = |step| format!("{} {}: {step}", engine.name(), query.name());
                wrong.extend(steps.into_iter().map(told));
            }
            if engine == Engine::MySql {
                claims_touch_what_they_take(&filled).await;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the server really looked at, not what it expected to.
async fn claims_touch_what_they_take(filled: &Filled) {
    let batch = 50;
    let claim = store::query::ALL
        .iter()
        .find(|query| query.name() == "obligations/claim");
    let sql = claim.unwrap().sql(Engine::MySql);
    let values = ["7", "9000000", "3", "8000000"];
    let claim = values
        .iter()
        .fold(sql.replace("LIMIT ?", "LIMIT 50"), |sql, value| {
            sql.replacen('?', value, 1)
        });
    let touched = filled.touched(&claim).await;
    assert!(
        touched <= 2 * batch + 10,
        "{touched} rows for a batch of {batch}"
    );
}
