//! Any set of writes, batched in any way by two committers at once, with commits whose
//! answers are lost, ends as some one-at-a-time order would.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures::future::join_all;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use seam::SystemIds;
use store::{CommitError, Db, Engine, Query, Refusal, Write, obligation, row};
use testkit::proxy::{COMMIT, Cut};
use testkit::{Proxy, TestDb};
use tokio::runtime::Runtime;

use crate::schema::{
    CHANGE, ENTRY, KIND, LOGS, MIGRATIONS, MOVE, NEW_ACCOUNT, at, int, submit_first,
};

/// Accounts of one case.
const ACCOUNTS: i64 = 4;

#[derive(Debug, Clone)]
enum What {
    Open,
    /// At the version after the one just read.
    Fresh,
    /// At a version that may be stale, right, or from the future.
    At(i64),
}

#[derive(Debug, Clone, Copy)]
enum Owes {
    Unchanged,
    Armed,
    Ended,
}

#[derive(Debug, Clone)]
struct Plan {
    account: i64,
    what: What,
    owes: Owes,
    entries: i64,
    bad: bool,
    committer: usize,
    first_lane: bool,
}

#[derive(Debug, Clone)]
struct Case {
    // Each inner list is submitted at once; the next one when all are answered.
    clients: Vec<Vec<Vec<Plan>>>,
    lost: Vec<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    Conflict,
    Rejected,
}

#[derive(Debug)]
struct Record {
    number: i64,
    plan: Plan,
    version: i64,
    outcome: Outcome,
}

fn plan() -> impl Strategy<Value = Plan> {
    let what = prop_oneof![
        1 => Just(What::Open),
        4 => Just(What::Fresh),
        2 => (2..9_i64).prop_map(What::At),
    ];
    let owes = prop_oneof![Just(Owes::Unchanged), Just(Owes::Armed), Just(Owes::Ended)];
    let rest = (
        0..4_i64,
        proptest::bool::weighted(0.1),
        0..2_usize,
        any::<bool>(),
    );
    (0..ACCOUNTS, what, owes, rest).prop_map(|(account, what, owes, rest)| {
        let (entries, bad, committer, first_lane) = rest;
        Plan {
            account,
            what,
            owes,
            entries,
            bad,
            committer,
            first_lane,
        }
    })
}

fn case() -> impl Strategy<Value = Case> {
    let clients = vec(vec(vec(plan(), 1..6), 1..5), 1..6);
    (clients, vec(any::<bool>(), 0..4)).prop_map(|(clients, lost)| Case { clients, lost })
}

struct Bench {
    test: TestDb,
    dbs: [Db; 2],
    proxy: Option<Proxy>,
    next: AtomicI64,
}

impl Bench {
    async fn start(engine: Engine) -> Self {
        let test = TestDb::create(engine).await;
        let db = test.open(MIGRATIONS, testkit::clock()).await;
        let next = AtomicI64::new(1);
        if engine == Engine::Sqlite {
            return Self {
                test,
                dbs: [db.clone(), db],
                proxy: None,
                next,
            };
        }
        let proxy = Proxy::start(test.server(), COMMIT).await;
        let settings = test.through(&proxy);
        let ids = Arc::new(SystemIds);
        let open = || Db::open(&settings, MIGRATIONS, testkit::clock(), ids.clone());
        let dbs = [open().await.unwrap(), open().await.unwrap()];
        Self {
            test,
            dbs,
            proxy: Some(proxy),
            next,
        }
    }

    async fn run(self: &Arc<Self>, case: Case) -> (i64, Vec<Record>) {
        let base = self.next.fetch_add(1_000, Ordering::SeqCst);
        if let Some(proxy) = &self.proxy {
            for lost in case.lost {
                proxy.cut(if lost { Cut::After } else { Cut::Before }, 1);
            }
        }
        let clients = case.clients.into_iter().map(|rounds| {
            let bench = Arc::clone(self);
            tokio::spawn(async move {
                let mut records = Vec::new();
                for round in rounds {
                    records.extend(
                        join_all(round.into_iter().map(|plan| bench.one(base, plan))).await,
                    );
                }
                records
            })
        });
        let records = join_all(clients)
            .await
            .into_iter()
            .flat_map(Result::unwrap)
            .collect();
        (base, records)
    }

    async fn one(&self, base: i64, plan: Plan) -> Record {
        let (number, db) = (
            self.next.fetch_add(1, Ordering::SeqCst),
            &self.dbs[plan.committer],
        );
        let account = base + plan.account;
        let version = match plan.what {
            What::Open => 1,
            What::At(version) => version,
            What::Fresh => match version(db, account).await {
                Some(version) => version + 1,
                None => 2,
            },
        };
        let write = write(&plan, (account, version), number);
        let outcome = settle(db, &plan, write).await;
        Record {
            number,
            plan: Plan { account, ..plan },
            version,
            outcome,
        }
    }
}

async fn version(db: &Db, account: i64) -> Option<i64> {
    static VERSION: Query = Query::new(
        "accounts/version",
        "SELECT version FROM accounts WHERE account = ?",
        "SELECT version FROM accounts WHERE account = ?",
    );
    let row = db.fetch_optional(&VERSION, row![account]).await.unwrap();
    row.map(|row| int(&row, "version"))
}

fn write(plan: &Plan, (account, version): (i64, i64), number: i64) -> Write {
    let nothing = (None::<String>, None::<Vec<u8>>);
    let write = match plan.what {
        What::Open => Write::new(
            "open",
            &NEW_ACCOUNT,
            row![account, 1, number, nothing.0, nothing.1],
        ),
        _ => Write::new("change", &CHANGE, row![account, version, number])
            .update(&MOVE, row![account, version, number, nothing.0, nothing.1]),
    };
    let write = (0..plan.entries).fold(write, |write, n| {
        write.insert(&ENTRY, row![account, version, number * 10 + n])
    });
    let write = match plan.owes {
        Owes::Unchanged => write,
        Owes::Armed => write.arm(KIND, (account, 0), at(number)),
        Owes::Ended => write.end(KIND, (account, 0)),
    };
    if plan.bad {
        write.insert(&ENTRY, row![account, version, -1])
    } else {
        write
    }
}

async fn settle(db: &Db, plan: &Plan, mut write: Write) -> Outcome {
    loop {
        let answer = if plan.first_lane {
            submit_first(db, write).await
        } else {
            db.submit(write).await
        };
        match answer {
            Ok(()) => return Outcome::Done,
            Err(CommitError::Conflict { .. }) => return Outcome::Conflict,
            Err(CommitError::Refused {
                refusal: Refusal::Rejected(_),
                ..
            }) => {
                return Outcome::Rejected;
            }
            Err(CommitError::Unknown(same)) => write = *same,
            Err(error) => panic!("{error}"),
        }
    }
}

// What one account must look like after its writes that were done, in version order.
#[derive(Debug, Default, PartialEq, Eq)]
struct State {
    balance: i64,
    version: i64,
    log: BTreeMap<i64, i64>,
    entries: Vec<i64>,
    owes: Option<jiff::Timestamp>,
}

fn replay(done: &[&Record]) -> State {
    let mut state = State::default();
    for record in done {
        assert_eq!(
            record.version,
            state.version + 1,
            "the versions have a gap or a twin"
        );
        state.version = record.version;
        state.balance += record.number;
        if !matches!(record.plan.what, What::Open) {
            state.log.insert(record.version, record.number);
        }
        state
            .entries
            .extend((0..record.plan.entries).map(|n| record.number * 10 + n));
        match record.plan.owes {
            Owes::Unchanged => {}
            Owes::Armed => state.owes = Some(at(record.number)),
            Owes::Ended => state.owes = None,
        }
    }
    state.entries.sort_unstable();
    state
}

async fn found(db: &Db, account: i64) -> State {
    let of = |rows: Vec<store::Row>| {
        rows.into_iter()
            .filter(move |row| int(row, "account") == account)
    };
    let mut state = State::default();
    for row in of(db
        .fetch_all(&crate::schema::ACCOUNTS, row![])
        .await
        .unwrap())
    {
        (state.version, state.balance) = (int(&row, "version"), int(&row, "balance"));
    }
    for row in of(db.fetch_all(&LOGS, row![]).await.unwrap()) {
        state.log.insert(int(&row, "version"), int(&row, "delta"));
    }
    let entries = of(db.fetch_all(&crate::schema::ENTRIES, row![]).await.unwrap());
    state.entries = entries.map(|row| int(&row, "item")).collect();
    state.entries.sort_unstable();
    let owed = obligation::of(db, account).await.unwrap();
    state.owes = owed.first().map(|owed| owed.due_at);
    state
}

async fn check(bench: &Arc<Bench>, case: Case) {
    let (base, records) = bench.run(case).await;
    for account in base..base + ACCOUNTS {
        let ours: Vec<&Record> = records
            .iter()
            .filter(|r| r.plan.account == account)
            .collect();
        let mut done: Vec<&Record> = ours
            .iter()
            .copied()
            .filter(|r| r.outcome == Outcome::Done)
            .collect();
        done.sort_by_key(|record| record.version);
        for record in &ours {
            explained(record, &done);
        }
        // `open` puts the opener's number on the account itself.
        assert_eq!(
            found(&bench.dbs[0], account).await,
            replay(&done),
            "{ours:#?}"
        );
    }
}

fn explained(record: &Record, done: &[&Record]) {
    let winner = done
        .iter()
        .any(|d| d.version == record.version && d.number != record.number);
    let fresh = matches!(record.plan.what, What::Fresh) && record.version > 2;
    match record.outcome {
        Outcome::Done => assert!(!record.plan.bad, "{record:?}"),
        Outcome::Conflict => assert!(winner, "nobody won against {record:?}"),
        Outcome::Rejected => assert!(
            record.plan.bad || !fresh,
            "rejected for nothing: {record:?}"
        ),
    }
}

fn any_set_of_writes_on(engine: Engine) {
    let runtime = Runtime::new().unwrap();
    let bench = Arc::new(runtime.block_on(Bench::start(engine)));
    let config = Config {
        cases: 96,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&case(), |case| {
            runtime.block_on(check(&bench, case));
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(bench.test.engine(), engine);
}

#[test]
fn any_set_of_writes_ends_as_some_order_would_on_sqlite() {
    any_set_of_writes_on(Engine::Sqlite);
}

#[test]
fn any_set_of_writes_ends_as_some_order_would_on_mariadb() {
    any_set_of_writes_on(Engine::MySql);
}
