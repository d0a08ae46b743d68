//! Policies from a file that changes while calls run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use mesh::{
    Client, Directory, Explain, Lifecycle, Policies, PolicyFile, ServerSettings, reason_of,
};
use proto::mesh::v1::explain_service_client::ExplainServiceClient;
use proto::mesh::v1::explain_service_server::{ExplainService, ExplainServiceServer};
use proto::mesh::v1::{ExplainRequest, ExplainResponse};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status};

use crate::fleet::{SECOND, client, millis, settings};
use crate::probe::{CALL, Probe, World, ask, ask_with};

/// A policy file that is followed, and a world under it.
struct Followed {
    folder: tempfile::TempDir,
    world: World,
    stop: CancellationToken,
}

impl Followed {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (world, stop) = (World::memory(), CancellationToken::new());
        let followed = Self {
            folder,
            world,
            stop,
        };
        followed.write(text);
        let (policies, file) = (followed.world.policies.clone(), followed.file());
        policies.read_file(&file);
        let stop = followed.stop.clone();
        tokio::spawn(async move { policies.follow(file, stop).await });
        followed
    }

    fn file(&self) -> PolicyFile {
        PolicyFile::new(self.folder.path().join("policy.json"))
    }

    fn write(&self, text: &str) {
        std::fs::write(self.file().path, text).unwrap();
    }

    fn policies(&self) -> &Policies {
        &self.world.policies
    }
}

fn with_timeout(timeout: &str) -> String {
    format!(r#"{{"methodConfig": [{{"name": [{{}}], "timeout": "{timeout}"}}]}}"#)
}

/// Never answers.
struct Silent;

#[tonic::async_trait]
impl ExplainService for Silent {
    async fn explain(
        &self,
        _: Request<ExplainRequest>,
    ) -> Result<Response<ExplainResponse>, Status> {
        std::future::pending().await
    }
}

/// How long a call lasts that is not answered.
async fn lasts(client: &Client, timeout: Option<Duration>) -> Duration {
    let mut request = Request::new(ExplainRequest::default());
    if let Some(timeout) = timeout {
        request.set_timeout(timeout);
    }
    let begun = Instant::now();
    let answer = ExplainServiceClient::new(client.clone())
        .explain(request)
        .await;
    assert_eq!(answer.unwrap_err().code(), Code::DeadlineExceeded);
    begun.elapsed()
}

fn near(took: Duration, expected: Duration) -> bool {
    took.abs_diff(expected) <= millis(10)
}

#[tokio::test(start_paused = true)]
async fn an_option_stands_under_the_file_and_the_file_under_the_call() {
    let followed = Followed::new("{}");
    let lifecycle = Lifecycle::new();
    let server = followed
        .world
        .server(ServerSettings::new("silent"), &lifecycle);
    let server = server.add(ExplainServiceServer::new(Silent));
    let (address, _) = followed.world.listen(server).await;
    let client = client(&followed.world, settings(&address));
    let took = lasts(&client, None).await;
    assert!(near(took, 5 * SECOND), "{took:?}");
    followed.write(&with_timeout("0.3s"));
    sleep(6 * SECOND).await;
    let took = lasts(&client, None).await;
    assert!(near(took, millis(300)), "{took:?}");
    let took = lasts(&client, Some(millis(100))).await;
    assert!(near(took, millis(100)), "{took:?}");
    followed.write("{}");
    sleep(6 * SECOND).await;
    let took = lasts(&client, None).await;
    assert!(near(took, 5 * SECOND), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn it_is_reloaded_while_calls_run_and_none_fails() {
    let followed = Followed::new(&with_timeout("2s"));
    let (address, ..) = followed
        .world
        .serve(Probe::new(async |text| {
            sleep(millis(20)).await;
            Ok(text)
        }))
        .await;
    let client = client(&followed.world, settings(&address));
    let (over, made) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (client, over, made) = (client.clone(), over.clone(), made.clone());
            tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    ask(&client, "x").await.unwrap();
                    made.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for nth in 3..6 {
        followed.write(&with_timeout(&format!("{nth}s")));
        sleep(6 * SECOND).await;
        let now = followed.policies().of("/mesh.test.Probe/Call").timeout;
        assert_eq!(now, nth * SECOND);
    }
    over.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    assert!(made.load(Ordering::Relaxed) > 1_000);
    followed.stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn a_call_under_way_ends_under_the_policy_it_began_with() {
    let followed = Followed::new(&with_timeout("30s"));
    let (address, ..) = followed
        .world
        .serve(Probe::new(async |_| std::future::pending().await))
        .await;
    let client = client(&followed.world, settings(&address));
    let call = tokio::spawn(async move {
        let begun = Instant::now();
        let request = Request::new(String::new());
        let status = ask_with(&client, CALL, request).await;
        (status.unwrap_err(), begun.elapsed())
    });
    sleep(SECOND).await;
    followed.write(&with_timeout("0.1s"));
    let (status, took) = call.await.unwrap();
    assert_eq!(reason_of(&status).as_deref(), Some("DEADLINE_EXCEEDED"));
    assert!(near(took, 30 * SECOND), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_file_is_shown_with_its_place_and_the_last_good_one_stays() {
    let followed = Followed::new(&with_timeout("3s"));
    let explain = Explain::new(Directory::default(), followed.policies().clone());
    let source = || explain.tell(&[]).policy.unwrap();
    assert!(source().file.ends_with("policy.json") && source().applied_ago.is_some());
    assert_eq!(source().error, "");
    followed.write(&with_timeout("3"));
    sleep(6 * SECOND).await;
    let expected =
        "policy.json: methodConfig[0].timeout: \"3\" must be positive seconds, e.g. \"0.1s\"";
    assert!(source().error.ends_with(expected), "{}", source().error);
    let now = followed.policies().of("/mesh.test.Probe/Call").timeout;
    assert_eq!(now, 3 * SECOND);
    std::fs::remove_file(followed.file().path).unwrap();
    sleep(6 * SECOND).await;
    assert!(
        source().error.contains("policy.json cannot be read: "),
        "{}",
        source().error
    );
    let shown = mesh::install_metrics().unwrap();
    followed.write("{}");
    sleep(6 * SECOND).await;
    assert_eq!(source().error, "");
    assert!(
        shown
            .render()
            .contains("mesh_policy_reload_total{result=\"ok\"}")
    );
}
