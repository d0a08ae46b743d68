//! Instead of workers: every task the mesh serves, each again and again, as cron would.

use std::time::Duration;

use futures::future::select_all;
use mesh::Context;
use proto::task::v1::{ListTasksRequest, RunTaskRequest, Task};
use tokio::time::sleep;
use tonic::{Code, Status};

use crate::error::DrillError;
use crate::peers::Peers;
use crate::persist::ask;

const PAUSE: Duration = Duration::from_secs(1);
const LISTED_WITHIN: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_mins(1);

/// Runs each task each second; ends only with trouble. A mesh that is away is asked again, and
/// what a task that did not end left undone, the next run does.
pub(crate) async fn run(peers: &Peers) -> DrillError {
    let listed = ask!(peers.tasks, list_tasks, ListTasksRequest {});
    let listed = match Context::background(LISTED_WITHIN).scope(listed).await {
        Ok(listed) => listed.tasks,
        Err(status) => return DrillError::call("the tasks cannot be listed")(status),
    };
    if listed.is_empty() {
        let none = Status::unimplemented("there are none");
        return DrillError::call("the mesh serves no tasks")(none);
    }
    let tasks = listed.into_iter().map(|task| Box::pin(again(peers, task)));
    select_all(tasks).await.0
}

async fn again(peers: &Peers, task: Task) -> DrillError {
    loop {
        let ran = Context::background(LONGEST).scope(once(peers, &task));
        if let Err(status) = ran.await
            && status.code() == Code::NotFound
        {
            return DrillError::call("a task is gone")(status);
        }
        sleep(PAUSE).await;
    }
}

async fn once(peers: &Peers, task: &Task) -> Result<(), Status> {
    let request = RunTaskRequest {
        name: task.name.clone(),
    };
    let mut answers = peers.tasks.clone().run_task(request).await?.into_inner();
    while answers.message().await?.is_some() {}
    Ok(())
}
