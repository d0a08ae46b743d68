//! What an operator meets on the command line: each mistake is answered by a stable reason
//! and a sentence that says what to do, and never by a panic.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

fn paymesh(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paymesh"));
    command
        .args(args)
        .env_remove("PAYMESH_CONFIG")
        .stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    paymesh(args).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn refused(output: &Output, reason: &str, words: &[&str]) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("paymesh: {reason}: ")), "{said}");
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

/// A running mesh, killed when the test ends.
struct Up {
    child: Child,
    ready: String,
}

impl Up {
    fn start(data: &Path) -> Self {
        Self::with(data, ("PAYMESH__MESH__POLICY", ""))
    }

    fn with(data: &Path, (variable, value): (&str, &str)) -> Self {
        let any = "127.0.0.1:0";
        let data = data.to_str().unwrap();
        let args = [
            "up",
            "--data-dir",
            data,
            "--grpc",
            any,
            "--callback",
            any,
            "--admin",
            any,
        ];
        let mut child = paymesh(&[&args[..], &["--sandbox", any]].concat())
            .env(variable, value)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut ready)
            .unwrap();
        Self { child, ready }
    }

    fn address(&self, of: &str) -> &str {
        let mut words = self
            .ready
            .split_whitespace()
            .filter_map(|word| word.split_once('='));
        words.find(|(name, _)| *name == of).unwrap().1
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn an_unknown_key_is_refused_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("paymesh.toml");
    fs::write(&file, "[trade]\npay_limits = \"1h\"\n").unwrap();
    let output = run(&["--config", file.to_str().unwrap(), "serve", "trade"]);
    refused(&output, "CONFIG_INVALID", &["pay_limits", "pay_limit"]);
}

#[test]
fn an_unknown_variable_is_refused_like_a_key() {
    let output = paymesh(&["serve", "trade"])
        .env("PAYMESH__TRADE__PAY_LIMITS", "1h")
        .output();
    refused(&output.unwrap(), "CONFIG_INVALID", &["pay_limits"]);
}

#[test]
fn a_value_that_is_no_duration_names_its_key() {
    let output = paymesh(&["serve", "trade"])
        .env("PAYMESH__TRADE__PAY_LIMIT", "soon")
        .output();
    refused(&output.unwrap(), "CONFIG_INVALID", &["pay_limit"]);
}

#[test]
fn a_missing_file_is_named() {
    let output = run(&["--config", "/nowhere/paymesh.toml", "serve", "trade"]);
    refused(&output, "CONFIG_INVALID", &["/nowhere/paymesh.toml"]);
}

#[test]
fn a_port_in_use_is_named_with_its_key() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let output = run(&["up", "--data-dir", data, "--grpc", &address]);
    refused(&output, "PORT_IN_USE", &[&address, "listen.grpc"]);
}

#[test]
fn a_service_without_its_migrations_says_which_command_applies_them() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/trade.db?mode=rwc", folder.path().display());
    let with_url = |args: &[&str]| {
        let mut command = paymesh(args);
        command.env("PAYMESH__TRADE__DATABASE__URL", &url);
        command.env("PAYMESH__LISTEN__GRPC", "127.0.0.1:0");
        command
            .env("PAYMESH__LISTEN__ADMIN", "127.0.0.1:0")
            .output()
            .unwrap()
    };
    refused(
        &with_url(&["serve", "trade"]),
        "MIGRATIONS_PENDING",
        &["paymesh migrate trade"],
    );
    let migrated = with_url(&["migrate", "trade"]);
    assert!(migrated.status.success(), "{}", said(&migrated));
    let again = with_url(&["migrate", "trade"]);
    assert_eq!(
        String::from_utf8_lossy(&again.stdout),
        "trade: 0 migration(s) applied\n"
    );
}

#[test]
fn a_service_without_a_database_says_what_to_set() {
    let output = run(&["migrate", "trade"]);
    refused(&output, "DATABASE_URL_INVALID", &["trade", "url"]);
}

#[test]
fn a_second_process_on_the_same_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(folder.path());
    let any = "127.0.0.1:0";
    let data = folder.path().to_str().unwrap();
    let args = [
        "up",
        "--data-dir",
        data,
        "--grpc",
        any,
        "--callback",
        any,
        "--admin",
        any,
    ];
    let output = run(&[&args[..], &["--sandbox", any]].concat());
    refused(&output, "DATABASE_IN_USE", &["another process"]);
    drop(up);
}

#[test]
fn a_running_mesh_is_healthy_and_knows_no_order_it_did_not_accept() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(folder.path());
    let address = up.address("grpc");
    let health = run(&["healthcheck", "--address", address]);
    assert_eq!(
        String::from_utf8_lossy(&health.stdout),
        "serving\n",
        "{}",
        said(&health)
    );
    let one = [
        "healthcheck",
        "--address",
        address,
        "--service",
        "paymesh.trade.v1.TradeService",
    ];
    assert!(run(&one).status.success());
    let unknown = run(&["trace", "W261120000000000000", "--address", address]);
    refused(
        &unknown,
        "TRACE_FAILED",
        &["ORDER_NOT_ACCEPTED", "W261120000000000000"],
    );
    let malformed = run(&["trace", "W2611", "--address", address]);
    refused(
        &malformed,
        "TRACE_FAILED",
        &["INVALID_ARGUMENT", "W and 18 digits"],
    );
}

#[test]
fn a_mesh_is_explained_and_a_wrong_policy_file_stops_nothing_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.json");
    let with_timeout = |timeout: &str| {
        let method = r#"{"service": "paymesh.trade.v1.TradeService", "method": "GetOrder"}"#;
        let text =
            format!(r#"{{"methodConfig": [{{"name": [{method}], "timeout": "{timeout}"}}]}}"#);
        fs::write(&file, text).unwrap();
    };
    with_timeout("2");
    let up = Up::with(
        folder.path(),
        ("PAYMESH__MESH__POLICY", file.to_str().unwrap()),
    );
    let admin = up.address("admin");
    // It says that it is ready a moment before it serves and its peers are connected.
    let explain = |args: &[&str], expected: &[&str]| {
        let begun = Instant::now();
        loop {
            let output = run(&[&["explain", "--address", admin], args].concat());
            assert!(output.status.success(), "{}", said(&output));
            let told = String::from_utf8(output.stdout).unwrap();
            let missing = expected.iter().find(|part| !told.contains(**part));
            let Some(missing) = missing else { return told };
            assert!(begun.elapsed() < PATIENCE, "no {missing:?} in\n{told}");
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    explain(
        &["trade"],
        &[
            "identity: none, TLS is off",
            "policies: method options alone",
            r#"policy.json: methodConfig[0].timeout: "2" must be positive seconds, e.g. "0.1s""#,
            "paymesh serves at ",
            "paymesh.trade.v1.TradeService/GetOrder",
        ],
    );
    let told = explain(
        &["pay-gateway"],
        &[
            "trade calls pay-gateway at ",
            "ready",
            "picked: there is no other",
        ],
    );
    assert!(!told.contains("TradeService/"), "{told}");
    with_timeout("2s");
    explain(
        &["TradeService/GetOrder", "--json"],
        &["VALUE_SOURCE_SERVICE_CONFIG", r#""timeout": "2s""#],
    );
    // Not every port is one that explains.
    let output = run(&["explain", "--address", up.address("grpc")]);
    refused(&output, "EXPLAIN_FAILED", &["admin port (listen.admin)"]);
}

#[test]
fn nobody_there_is_not_healthy() {
    let output = run(&["healthcheck", "--address", "127.0.0.1:1"]);
    refused(&output, "NOT_SERVING", &["127.0.0.1:1"]);
}

#[test]
fn version_and_completions_are_printed() {
    let version = run(&["version"]);
    assert!(String::from_utf8_lossy(&version.stdout).starts_with("paymesh 0.1.0\n"));
    let bash = run(&["completions", "bash"]);
    assert!(String::from_utf8_lossy(&bash.stdout).contains("_paymesh"));
}

#[test]
fn a_wrong_command_is_a_usage_error() {
    assert_eq!(run(&["serve", "everything"]).status.code(), Some(2));
}
