use std::os::unix::fs::PermissionsExt;

use tokio::sync::Mutex;

use super::*;

// A script that is being written cannot be run, and a fork elsewhere keeps it open for writing.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

fn script(dir: &Path, body: &str) -> PathBuf {
    let path = dir.join("mesh.sh");
    fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

// Says what a mesh says, and drains at once.
const GOOD: &str = r#"trap 'exit 7' TERM
echo "starting $*" >&2
echo "a line that means nothing"
echo "ready grpc=$5 callback=$7 admin=$9 sandbox=127.0.0.1:4"
while :; do sleep 0.02; done"#;

#[test]
fn a_ready_line_names_every_address() {
    let line = "ready grpc=127.0.0.1:7400 callback=127.0.0.1:7401 admin=127.0.0.1:7402 \
                sandbox=127.0.0.1:7403";
    let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let ready = Ready {
        grpc: at(7400),
        callback: at(7401),
        admin: at(7402),
        sandbox: at(7403),
    };
    assert_eq!(Ready::parse(line), Some(ready));
}

#[test]
fn other_lines_are_not_ready_lines() {
    for line in [
        "",
        "ready",
        "already grpc=127.0.0.1:1 callback=127.0.0.1:2 admin=127.0.0.1:3 sandbox=127.0.0.1:4",
        "ready grpc=127.0.0.1:1 callback=127.0.0.1:2 admin=127.0.0.1:3",
        "ready grpc=localhost callback=127.0.0.1:2 admin=127.0.0.1:3 sandbox=127.0.0.1:4",
        "ready xgrpc=127.0.0.1:1 callback=127.0.0.1:2 admin=127.0.0.1:3 sandbox=127.0.0.1:4",
    ] {
        assert_eq!(Ready::parse(line), None, "{line}");
    }
}

#[test]
fn the_tail_of_a_log_is_its_last_lines() {
    let log: Vec<String> = (1..=30).map(|n| n.to_string()).collect();
    let tail = last_lines(&log.join("\n"));
    assert_eq!(
        (tail.lines().next(), tail.lines().last()),
        (Some("11"), Some("30"))
    );
    assert_eq!(last_lines("one"), "one");
}

#[tokio::test]
async fn a_killed_mesh_comes_back_on_the_same_ports() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let home = tempfile::tempdir().unwrap();
    let ports = Ports {
        grpc: 1,
        callback: 2,
        admin: 3,
        sandbox: 4,
    };
    let (mut mesh, first) = Mesh::start(&script(home.path(), GOOD), home.path(), ports)
        .await
        .unwrap();
    mesh.kill().await.unwrap();
    let second = mesh.restart().await.unwrap();
    assert_eq!(first, second);
    assert_eq!(mesh.stop().await.unwrap().code(), Some(7));
    let log = fs::read_to_string(home.path().join(LOG)).unwrap();
    assert_eq!(log.matches("starting up --data-dir").count(), 2);
}

#[tokio::test]
async fn a_mesh_that_ends_at_once_is_told_with_its_log() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let home = tempfile::tempdir().unwrap();
    let exe = script(home.path(), "echo 'the port is taken' >&2; exit 3");
    let ports = Ports {
        grpc: 1,
        callback: 2,
        admin: 3,
        sandbox: 4,
    };
    let error = Mesh::start(&exe, home.path(), ports)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("the port is taken"), "{error}");
    assert!(error.contains('3'), "{error}");
}
