//! No query walks through a table that grows, with a million rows in each of them: of every
//! statement of the store and of the four services, but inserts and what `SMALL` names, the plan
//! is asked for, on both engines. SQLite's plan may scan such a table for its first rows in the
//! order of a key and for nothing else, and may sort only rows of it that an equality picked.
//! MariaDB's plan must use a key of such a table at each step and expect at most `MOST` rows of
//! it, but for what is `PROPORTIONAL` or one of the `PAGES`. Those are run there, and read no
//! more rows than they answer; so is a claim of obligations, which reads at most two rows for
//! each it takes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod million;

use futures::future::join_all;
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
/// All of a table in the order of its key, a page at a time.
const PAGES: [&str; 2] = ["merchants/list", "shops/list"];
const PAGE: i64 = 50;

fn inserts(sql: &str) -> bool {
    sql.lines().any(|line| line.starts_with("INSERT"))
}

fn queries(service: Service) -> impl Iterator<Item = &'static Query> {
    let all = service.queries().into_iter();
    all.filter(|query| SMALL.iter().all(|(name, _)| *name != query.name()))
}

/// The statement with plain values in the place of parameters.
fn literal(query: &Query, engine: Engine) -> String {
    let sql = query.repeated(engine, 3);
    let sql = sql.unwrap_or_else(|| query.sql(engine).to_owned());
    let sql = sql.replace("LIMIT ?", &format!("LIMIT {PAGE}"));
    let lines = sql.lines().filter(|line| !line.starts_with("--"));
    // In quotes, a value is a number to a number and a text to a text.
    lines.collect::<Vec<_>>().join(" ").replace('?', "'3'")
}

async fn sqlite(filled: &Filled, query: &Query) -> Vec<String> {
    let sql = literal(query, Engine::Sqlite);
    let plan = filled.db.rows(&format!("EXPLAIN QUERY PLAN {sql}")).await;
    let steps = || plan.iter().filter_map(|row| row.last());
    let sorts = steps().any(|step| step.contains("TEMP B-TREE"));
    // The first rows of a table in the order of its key.
    let first = sql.contains("LIMIT") && !sql.contains("WHERE") && !sorts;
    let whole = |step: &str| step.starts_with("SCAN") && !first;
    let unbounded = |step: &str| sorts && !step.contains("=?");
    let wrong = |step: &&String| filled.grows(step) && (whole(step) || unbounded(step));
    steps().filter(wrong).cloned().collect()
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
        let bounded = rows <= MOST
            || PROPORTIONAL.contains(&query.name())
            || PAGES.contains(&query.name()) && filled.touched(&sql).await <= PAGE;
        if key == "NULL" || kind == "ALL" || !bounded {
            wrong.push(step.join(" | "));
        }
    }
    wrong
}

#[tokio::test]
async fn every_query_finds_its_rows_by_an_index_among_a_million() {
    // Side by side: one works here, the other in its server.
    let wrong = join_all(ENGINES.map(among_a_million)).await.concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn among_a_million(engine: Engine) -> Vec<String> {
    let mut wrong = Vec::new();
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
        if (engine, service) == (Engine::MySql, Service::Trade) {
            claims_touch_what_they_take(&filled).await;
        }
    }
    wrong
}

/// What the server really looked at, not what it expected to.
async fn claims_touch_what_they_take(filled: &Filled) {
    let claim = store::query::ALL
        .iter()
        .find(|query| query.name() == "obligations/claim");
    let sql = claim.unwrap().sql(Engine::MySql);
    let values = ["7", "9000000", "3", "8000000"];
    let claim = values.iter().fold(
        sql.replace("LIMIT ?", &format!("LIMIT {PAGE}")),
        |sql, value| sql.replacen('?', value, 1),
    );
    let touched = filled.touched(&claim).await;
    assert!(touched <= 2 * PAGE, "{touched} rows for a batch of {PAGE}");
}
