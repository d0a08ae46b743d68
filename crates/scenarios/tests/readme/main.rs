//! The README's order by hand: every grpcurl line of it, in order and as it stands, made by
//! a client that knows nothing but reflection, against `paymesh up`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod reflection;

use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use mesh::{Client, ClientSettings, Lifecycle};
use paymesh::cli::Up;
use paymesh::config::Config;
use paymesh::ground::{self, Ground};
use paymesh::role::up;
use reflection::{Reflected, Version};
use seam::net::Memory;
use seam::{SystemClock, SystemIds};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A line of the README: what is called, with what.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    keeps_order: bool,
    words: Vec<String>,
}

/// The lines that call grpcurl, in the blocks of the README that are for a shell.
fn lines() -> Vec<Line> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let text = std::fs::read_to_string(readme).unwrap();
    let blocks = text.split("```").skip(1).step_by(2);
    let lines = blocks
        .flat_map(str::lines)
        .filter(|line| line.contains("grpcurl -plaintext"));
    lines.map(read).collect()
}

fn read(line: &str) -> Line {
    let kept = line
        .strip_prefix("ORDER=$(")
        .and_then(|rest| rest.split_once(" | sed"));
    let call = kept.map_or(line, |(call, _)| call);
    Line {
        keeps_order: kept.is_some(),
        words: words(call),
    }
}

/// A line's words as a shell splits them: single quotes keep what they hold.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (at, part) in line.split('\'').enumerate() {
        if at % 2 == 1 {
            words.last_mut().unwrap().push_str(part);
            continue;
        }
        let mut pieces = part.split(' ');
        words
            .last_mut()
            .unwrap()
            .push_str(pieces.next().unwrap_or_default());
        words.extend(pieces.map(str::to_owned));
    }
    words.retain(|word| !word.is_empty());
    words
}

/// `paymesh up` on a network in memory.
struct Mesh {
    net: Arc<Memory>,
    lifecycle: Lifecycle,
    running: JoinHandle<()>,
    _folder: TempDir,
}

impl Mesh {
    async fn up() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (net, lifecycle) = (Arc::new(Memory::default()), Lifecycle::new());
        let up = Up {
            data_dir: folder.path().to_owned(),
            grpc: None,
            callback: None,
            admin: None,
            sandbox: None,
            no_workers: false,
        };
        let mut config = Config::default();
        up::prepare(&mut config, &up).unwrap();
        let seams = (
            net.clone() as _,
            Arc::new(SystemClock) as _,
            Arc::new(SystemIds) as _,
        );
        let ground = Ground::on(config, seams, lifecycle.clone()).unwrap();
        let running = thread::spawn(move || {
            let runtime = Runtime::new().unwrap();
            runtime.block_on(up::run(ground, &up)).unwrap();
        });
        let ready = async || lifecycle.is_ready().then_some(());
        scenarios::until("the mesh is ready", ready).await;
        Self {
            net,
            lifecycle,
            running,
            _folder: folder,
        }
    }

    fn client(&self, address: &str) -> Client {
        let settings = ClientSettings::new("readme", address);
        Client::new(settings, self.net.clone(), ground::policies().unwrap()).unwrap()
    }

    fn down(self) {
        self.lifecycle.stop();
        self.running.join().unwrap();
    }
}

/// Does what a line says; answers what grpcurl would print.
async fn run(mesh: &Mesh, line: &Line, order: &str) -> Value {
    let words: Vec<_> = line
        .words
        .iter()
        .map(|word| word.replace("$ORDER", order))
        .collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["grpcurl", "-plaintext", "-d", data, address, method] => {
            let server = Reflected::new(mesh.client(address), Version::V1);
            server.call(method, data).await.unwrap()
        }
        ["grpcurl", "-plaintext", address, "list"] => {
            let server = Reflected::new(mesh.client(address), Version::V1);
            server.services().await.into()
        }
        ["grpcurl", "-plaintext", address, "describe", symbol] => {
            let server = Reflected::new(mesh.client(address), Version::V1);
            server.methods(symbol).await.into()
        }
        other => panic!("a line this test does not understand: {other:?}"),
    }
}

// "A moment later": what the README says of the last lines.
async fn run_until(mesh: &Mesh, line: &Line, order: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let answer = async || Some(run(mesh, line, order).await).filter(|answer| holds(answer));
    scenarios::until(&format!("{line:?}"), answer).await
}

fn calls(line: &Line, method: &str) -> bool {
    line.words
        .last()
        .is_some_and(|last| last.ends_with(&format!("/{method}")))
}

/// Makes all the calls; answers the order and its settlements as told at the end.
async fn follow(mesh: &Mesh, lines: &[Line]) -> (Value, Value, Vec<Value>) {
    let mut order = String::new();
    let (mut last, mut settlements, mut answers) = (Value::Null, Value::Null, Vec::new());
    for line in lines {
        let answer = if calls(line, "GetOrder") {
            let paid = |answer: &Value| answer["order"]["status"] == "ORDER_STATUS_PAID";
            last = run_until(mesh, line, &order, paid).await;
            last.clone()
        } else if calls(line, "GetTimeline") {
            let settled = |answer: &Value| answer["settlements"].is_array();
            let story = run_until(mesh, line, &order, settled).await;
            settlements = story["settlements"].clone();
            story
        } else {
            run(mesh, line, &order).await
        };
        if line.keeps_order {
            answer["order"]["orderNo"]
                .as_str()
                .unwrap()
                .clone_into(&mut order);
        }
        answers.push(answer);
    }
    (last["order"].clone(), settlements, answers)
}

#[tokio::test]
async fn the_lines_of_the_readme_lead_to_a_paid_and_settled_order() {
    let lines = lines();
    let wanted = [
        "CreateMerchant",
        "CreateShop",
        "CreateMerchantAccount",
        "SetRateScheme",
        "CreateOrder",
        "BindPayer",
        "PayOrder",
        "PayCharge",
        "GetOrder",
        "GetTimeline",
    ];
    for method in wanted {
        assert!(
            lines.iter().any(|line| calls(line, method)),
            "the README does not call {method}"
        );
    }
    let mesh = Mesh::up().await;
    let (order, settlements, first) = follow(&mesh, &lines).await;
    assert_eq!(order["status"], "ORDER_STATUS_PAID");
    let sum = |name: &str| {
        settlements[0][name]
            .as_str()
            .unwrap()
            .parse::<i64>()
            .unwrap()
    };
    assert_eq!(settlements.as_array().unwrap().len(), 1);
    assert_eq!(
        order["amountFen"].as_str().unwrap().parse::<i64>().unwrap(),
        sum("grossFen")
    );
    assert_eq!(sum("grossFen"), sum("netFen") + sum("feeFen"));
    // The README says: at 0.6 %, 8 fen.
    assert_eq!(
        (settlements[0]["ratePpm"].as_i64(), sum("feeFen")),
        (Some(6000), 8)
    );
    // And that each line may be repeated: nothing is created twice, nothing changes.
    let (again, same, second) = follow(&mesh, &lines).await;
    assert_eq!((again, same), (order, settlements));
    assert!(
        first
            .iter()
            .filter(|answer| answer["created"] == true)
            .count()
            >= 5
    );
    assert!(second.iter().all(|answer| answer.get("created").is_none()));
    mesh.down();
}

#[tokio::test]
async fn a_client_of_the_older_reflection_can_call_too() {
    let mesh = Mesh::up().await;
    let line = lines()
        .into_iter()
        .find(|line| calls(line, "CreateMerchant"))
        .unwrap();
    let [.., data, address, method] = line.words.as_slice() else {
        panic!("{line:?}")
    };
    let server = Reflected::new(mesh.client(address), Version::V1Alpha);
    let answer = server.call(method, data).await.unwrap();
    assert_eq!(
        (&answer["created"], &answer["merchant"]["merchantId"]),
        (&true.into(), &"1".into())
    );
    mesh.down();
}

#[tokio::test]
async fn everything_that_is_described_is_served() {
    let mesh = Mesh::up().await;
    let pool = prost_reflect::DescriptorPool::decode(proto::DESCRIPTORS).unwrap();
    let mut described: Vec<_> = pool
        .services()
        .map(|service| service.full_name().to_owned())
        .collect();
    described.sort();
    for version in [Version::V1, Version::V1Alpha] {
        let mut names = Vec::new();
        // For everybody, and for operators.
        for address in ["127.0.0.1:7400", "127.0.0.1:7402"] {
            let server = Reflected::new(mesh.client(address), version);
            names.extend(server.services().await);
        }
        names.retain(|name| name.starts_with("paymesh."));
        names.sort();
        assert_eq!(names, described);
    }
    mesh.down();
}

#[test]
fn words_are_split_as_a_shell_does() {
    let line =
        read(r#"ORDER=$(grpcurl -plaintext -d '{"a":1, "b":"c d"}' h:1 S/M | sed -n 's/x/y/p')"#);
    assert!(line.keeps_order);
    assert_eq!(
        line.words,
        [
            "grpcurl",
            "-plaintext",
            "-d",
            r#"{"a":1, "b":"c d"}"#,
            "h:1",
            "S/M"
        ]
    );
    let line = read(r#"grpcurl -plaintext -d '{"n":"'$ORDER'0000"}' h:1 S/M"#);
    assert_eq!(line.words[3], r#"{"n":"$ORDER0000"}"#);
}
