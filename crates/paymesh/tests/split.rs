//! Every role as processes of its own, two of each, on MariaDB: found by the mesh's discovery,
//! killed and frozen one role after the other while orders of every kind flow. Nothing may be
//! lost, and nothing may be left behind.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

// An order has seconds to be paid: two meshes at once could be too slow for that.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn paymesh(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paymesh"));
    command.args(args).stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    paymesh(args).output().unwrap()
}

#[test]
fn each_role_is_killed_and_frozen_and_nothing_is_lost() {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let blows = ["--kill-each", "--freeze-each=3"];
    let demo = ["demo", "--split", "--orders", "60", "--seed", "7"];
    let output = run(&[&demo[..], &blows].concat());
    let told = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{said}");
    assert!(told.contains("the books balance"), "{told}");
    assert!(told.contains("23 times killed or frozen"), "{told}");
    assert!(told.contains("calls that failed at the client: "), "{told}");
    assert!(!said.contains("did not drain"), "{said}");
}

// A mesh of processes; killed when the test ends, and all of them with it.
struct UpSplit(Child);

impl UpSplit {
    // Until it says that it is ready; what it said.
    fn start(data: &Path) -> (Self, Vec<String>) {
        let data = data.to_str().unwrap();
        let mut command = paymesh(&["up-split", "--tls", "--data-dir", data]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let up = Self(child);
        let mut said = Vec::new();
        for line in BufReader::new(stdout).lines() {
            let line = line.unwrap();
            let last = line.starts_with("ready");
            said.push(line);
            if last {
                break;
            }
        }
        (up, said)
    }

    fn interrupt(mut self) -> bool {
        let pid = self.0.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &pid])
                .status()
                .unwrap()
                .success()
        );
        self.0.wait().unwrap().success()
    }
}

impl Drop for UpSplit {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

// The processes whose command line has these words.
fn alive(words: &str) -> Vec<String> {
    let all = fs::read_dir("/proc").unwrap();
    let known = all.filter_map(|entry| {
        let entry = entry.ok()?;
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let pid = entry.file_name().into_string().ok()?;
        line.contains(words).then_some(pid)
    });
    known.collect()
}

// Kills one process of trade, and waits until another is on the list in its place.
fn replaced(list: &Path, words: &str) {
    let read = || -> Vec<String> {
        let text = fs::read_to_string(list).unwrap();
        text.lines().map(str::to_owned).collect()
    };
    let before = read();
    assert_eq!(before.len(), 2, "{before:?}");
    let victim = alive(&format!("{words} serve trade"));
    let killed = Command::new("kill").args(["-KILL", &victim[0]]).status();
    assert!(killed.unwrap().success());
    for _ in 0..300 {
        let now = read();
        if now.len() == 2 && now != before {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("still {:?}", read());
}

#[test]
fn a_mesh_of_processes_is_found_by_its_lists_knows_its_callers_and_leaves_nothing_behind() {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let data = tempfile::tempdir().unwrap();
    let (up, said) = UpSplit::start(data.path());
    let config = data.path().canonicalize().unwrap().join("paymesh.toml");
    let words = format!("--config {}", config.display());
    assert_eq!(alive(&words).len(), 15, "{said:?}");

    let known = ["--config", config.to_str().unwrap()];
    let found = |service: &str, by: &[&str]| {
        let list = format!(
            "file://{}",
            data.path().join("peers").join(service).display()
        );
        let asked = ["healthcheck", "--address", &list];
        run(&[by, &asked].concat()).status.success()
    };
    for service in ["shop-center", "rate", "pay-gateway", "trade", "sandbox"] {
        assert!(found(service, &known), "{service}");
    }
    assert!(!found("trade", &[]), "who proves nothing is not served");
    let task = run(&[&known[..], &["task", "drain-trade"]].concat());
    let told = String::from_utf8_lossy(&task.stdout);
    assert!(told.contains("0 failed"), "{told}");

    replaced(&data.path().join("peers/trade"), &words);
    assert!(found("trade", &known), "one of them is new");

    assert!(up.interrupt(), "{said:?}");
    assert_eq!(alive(&words).len(), 0);
    let left = fs::read_dir(data.path()).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["logs"]);
}

#[test]
fn a_server_that_is_not_there_is_told_with_what_to_do() {
    let refused = |args: &[&str]| {
        let mut command = paymesh(&[&["up-split"], args].concat());
        let output = command.env_remove("PAYMESH_TEST_MYSQL_URL").output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let unnamed = refused(&[]);
    assert!(unnamed.contains("DATABASE_URL_INVALID: "), "{unnamed}");
    assert!(unnamed.contains("make up-split"), "{unnamed}");
    // Nobody listens on port 1.
    let away = refused(&["--mysql", "mysql://root@127.0.0.1:1/"]);
    assert!(away.contains("DATABASE_UNAVAILABLE: "), "{away}");
}
