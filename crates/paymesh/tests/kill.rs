//! The mesh is killed (SIGKILL) again and again while orders flow, and started on the same
//! data: nothing that was paid may be lost.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

use store::Engine;
use testkit::TestDb;

fn demo(databases: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paymesh"));
    command.args(["demo", "--kills", "10", "--seed", "7"]);
    for (service, url) in databases {
        command.env(format!("PAYMESH__{service}__DATABASE__URL"), url);
    }
    // What a dead process had claimed is free again when its lease ends.
    command.env("PAYMESH__JOBS__LEASE", "36s").output().unwrap()
}

#[track_caller]
fn whole(output: &Output) {
    let told = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{said}");
    assert!(told.contains("10 kills"), "{told}");
    assert!(told.contains("the books balance"), "{told}");
}

#[test]
fn ten_kills_lose_nothing_on_sqlite() {
    whole(&demo(&[]));
}

#[tokio::test]
async fn ten_kills_lose_nothing_on_mariadb() {
    let mut databases = Vec::new();
    for service in ["SHOP_CENTER", "RATE", "TRADE", "PAY_GATEWAY"] {
        databases.push((service, TestDb::create(Engine::MySql).await));
    }
    let named: Vec<(&str, &str)> = databases
        .iter()
        .map(|(service, database)| (*service, database.url()))
        .collect();
    whole(&demo(&named));
}
