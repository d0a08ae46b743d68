//! Orders of every kind flow through the mesh, which is left alone; or killed (SIGKILL) again and
//! again and started on the same data; or has no workers, and tasks are all there is. Nothing may be
//! lost.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use drill::Kind;
use store::Engine;
use testkit::TestDb;

// An order has seconds to be paid: two meshes at once could be too slow for that.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn demo(args: &[&str], databases: &[(&str, &str)]) -> Output {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut command = Command::new(env!("CARGO_BIN_EXE_paymesh"));
    command.arg("demo").args(args);
    for (service, url) in databases {
        command.env(format!("PAYMESH__{service}__DATABASE__URL"), url);
    }
    command.output().unwrap()
}

#[track_caller]
fn whole(output: &Output, kills: &str) {
    let told = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{said}");
    assert!(told.contains(kills), "{told}");
    assert!(told.contains("the books balance"), "{told}");
    // Three of four are paid when all goes well. Who comes too late because of a kill may find the
    // order revoked, but books that balance because nothing was sold prove nothing.
    let (created, paid) = (number(&told, "orders created"), number(&told, "paid"));
    assert!(paid * 2 >= created, "{told}");
}

// What the table's row of this name says first.
#[track_caller]
fn number(told: &str, name: &str) -> usize {
    row(told, name)[0].parse().unwrap()
}

// What the kind's row says in the column of this name.
#[track_caller]
fn of_kind(told: &str, kind: Kind, column: &str) -> usize {
    let columns = row(told, "kind");
    let place = columns.iter().position(|name| *name == column);
    row(told, kind.name())[place.unwrap()].parse().unwrap()
}

#[track_caller]
fn row<'a>(told: &'a str, name: &str) -> Vec<&'a str> {
    let mut rows = told.lines().filter_map(|line| {
        let mut cells = line.split(['│', '┆']).skip(1).map(str::trim);
        (cells.next()? == name).then(|| cells.collect())
    });
    rows.next().unwrap_or_else(|| panic!("no {name} in {told}"))
}

async fn databases() -> Vec<(&'static str, TestDb)> {
    let mut databases = Vec::new();
    for service in ["SHOP_CENTER", "RATE", "TRADE", "PAY_GATEWAY"] {
        databases.push((service, TestDb::create(Engine::MySql).await));
    }
    databases
}

fn named<'a>(databases: &'a [(&'a str, TestDb)]) -> Vec<(&'a str, &'a str)> {
    let named = databases.iter();
    named
        .map(|(service, database)| (*service, database.url()))
        .collect()
}

const KILLED: [&str; 4] = ["--kills", "10", "--seed", "7"];
const TASKS: [&str; 1] = ["--tasks-only"];

#[test]
fn left_alone_each_kind_ends_as_it_must_and_is_explained() {
    let output = demo(&["--orders", "200"], &[]);
    whole(&output, "0 kills");
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(number(&told, "orders created"), 200);
    assert!(told.contains("the story of W"), "{told}");
    for kind in Kind::all() {
        assert!(of_kind(&told, kind, "orders") > 0, "{told}");
        assert_eq!(of_kind(&told, kind, "elsewhere"), 0, "{told}");
        let explained = format!("  {:<9} {}", kind.name(), kind.lesson());
        assert!(told.lines().any(|line| line == explained), "{told}");
    }
}

#[test]
fn ten_kills_lose_nothing_on_sqlite() {
    whole(&demo(&KILLED, &[]), "10 kills");
}

#[tokio::test]
async fn ten_kills_lose_nothing_on_mariadb() {
    let databases = databases().await;
    whole(&demo(&KILLED, &named(&databases)), "10 kills");
}

#[test]
fn tasks_alone_keep_every_promise_on_sqlite() {
    let data = tempfile::tempdir().unwrap();
    let kept = ["--data-dir", data.path().to_str().unwrap()];
    whole(&demo(&[&TASKS[..], &kept].concat(), &[]), "0 kills");
    no_code_is_in(data.path());
}

// A payer's code is nowhere: not in a log, not in a database, not in the channel's ledger.
fn no_code_is_in(folder: &Path) {
    let files: Vec<Vec<u8>> = fs::read_dir(folder)
        .unwrap()
        .map(|file| fs::read(file.unwrap().path()).unwrap())
        .collect();
    // As the demo makes them: a wallet, the order's number without its day, the try.
    let orders: BTreeSet<&[u8]> = files
        .iter()
        .flat_map(|file| file.windows(19))
        .filter(|it| it.starts_with(b"W") && it[1..].iter().all(u8::is_ascii_digit))
        .map(|order| &order[7..])
        .collect();
    assert!(orders.len() > 90, "{} orders", orders.len());
    let order = std::str::from_utf8(orders.first().unwrap()).unwrap();
    let planted = format!("auth_code 13{order}0001");
    assert!(has_code(planted.as_bytes(), &orders));
    assert!(!files.iter().any(|file| has_code(file, &orders)));
}

fn has_code(bytes: &[u8], orders: &BTreeSet<&[u8]>) -> bool {
    let wallets = |code: &[u8]| code.starts_with(b"13") || code.starts_with(b"28");
    let mut codes = bytes.windows(18).filter(|code| wallets(code));
    codes.any(|code| orders.contains(&code[2..14]) && code[14..].starts_with(b"000"))
}

#[tokio::test]
async fn tasks_alone_keep_every_promise_on_mariadb() {
    let databases = databases().await;
    whole(&demo(&TASKS, &named(&databases)), "0 kills");
}
