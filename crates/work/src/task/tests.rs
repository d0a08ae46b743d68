use std::sync::atomic::{AtomicU32, Ordering};

use futures::StreamExt as _;
use mesh::reason_of;
use proto::task::v1::RunTaskResponse;
use tokio::sync::Notify;

use super::*;
use crate::harness::until;

// Reports one done, waits at the gate, ends with two.
#[derive(Default)]
struct Gated {
    gate: Notify,
    begun: AtomicU32,
    ended: AtomicU32,
}

#[async_trait]
impl TaskRun for Gated {
    async fn run(&self, progress: &Progress) -> Result<Tally, Fault> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        progress.report(Tally {
            done: 1,
            ..Tally::default()
        });
        self.gate.notified().await;
        self.ended.fetch_add(1, Ordering::SeqCst);
        Ok(Tally {
            done: 2,
            ..Tally::default()
        })
    }
}

struct Panics;

#[async_trait]
impl TaskRun for Panics {
    async fn run(&self, _: &Progress) -> Result<Tally, Fault> {
        panic!("on purpose")
    }
}

fn served(lifecycle: &Lifecycle) -> (TaskServer, Arc<Gated>) {
    let gated = Arc::new(Gated::default());
    let tasks = vec![
        Task {
            name: "gated",
            description: "Waits at a gate.",
            run: gated.clone(),
        },
        Task {
            name: "panics",
            description: "Panics.",
            run: Arc::new(Panics),
        },
    ];
    (TaskServer::new(tasks, lifecycle), gated)
}

async fn run(server: &TaskServer, name: &str) -> Result<Answers, Status> {
    let request = Request::new(RunTaskRequest {
        name: name.to_owned(),
    });
    server.run_task(request).await.map(Response::into_inner)
}

#[tokio::test]
async fn a_task_tells_how_far_it_is_and_when_it_is_finished() {
    let (server, gated) = served(&Lifecycle::new());
    let listed = server
        .list_tasks(Request::new(ListTasksRequest {}))
        .await
        .unwrap();
    assert_eq!(listed.get_ref().tasks[0].name, "gated");

    let mut answers = run(&server, "gated").await.unwrap();
    let first = answers.next().await.unwrap().unwrap();
    assert_eq!(
        first,
        RunTaskResponse {
            done: 1,
            ..RunTaskResponse::default()
        }
    );
    gated.gate.notify_one();
    let last = answers.next().await.unwrap().unwrap();
    assert_eq!(
        last,
        RunTaskResponse {
            done: 2,
            finished: true,
            ..RunTaskResponse::default()
        }
    );
    assert!(answers.next().await.is_none());
}

#[tokio::test]
async fn an_unknown_task_is_told_what_there_is() {
    let (server, _) = served(&Lifecycle::new());
    let status = run(&server, "gate").await.err().unwrap();
    assert_eq!(status.code(), tonic::Code::NotFound);
    assert_eq!(reason_of(&status).as_deref(), Some("TASK_NOT_FOUND"));
    assert!(
        status.message().contains("gated, panics"),
        "{}",
        status.message()
    );
}

#[tokio::test]
async fn a_task_goes_on_when_its_caller_goes_away() {
    let lifecycle = Lifecycle::new();
    let (server, gated) = served(&lifecycle);
    let answers = run(&server, "gated").await.unwrap();
    until("it has begun", || gated.begun.load(Ordering::SeqCst) == 1).await;
    drop(answers);
    gated.gate.notify_one();
    lifecycle.stop();
    assert_eq!(lifecycle.drained(Duration::from_secs(5)).await, Ok(()));
    assert_eq!(gated.ended.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_task_runs_once_at_a_time_and_not_for_a_caller_who_left_the_queue() {
    let (server, gated) = served(&Lifecycle::new());
    let mut first = run(&server, "gated").await.unwrap();
    first.next().await.unwrap().unwrap();
    drop(run(&server, "gated").await.unwrap());
    let mut third = run(&server, "gated").await.unwrap();
    assert_eq!(gated.begun.load(Ordering::SeqCst), 1);
    for answers in [&mut first, &mut third] {
        gated.gate.notify_one();
        while let Some(answer) = answers.next().await {
            answer.unwrap();
        }
    }
    assert_eq!(gated.ended.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_task_that_panics_is_an_error_of_its_own() {
    let (server, _) = served(&Lifecycle::new());
    for _ in 0..2 {
        let mut answers = run(&server, "panics").await.unwrap();
        let status = answers.next().await.unwrap().unwrap_err();
        assert_eq!(reason_of(&status).as_deref(), Some("PANIC"));
        assert!(answers.next().await.is_none());
    }
}
