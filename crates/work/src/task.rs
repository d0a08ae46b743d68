//! The task service: a worker's own code, run once on demand.

mod drain;
mod stream;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use mesh::{Context, ErrorKind, Fault, Lifecycle};
use proto::task::v1::task_service_server::{TaskService, TaskServiceServer};
use proto::task::v1::{ListTasksRequest, ListTasksResponse, RunTaskRequest};
use tokio::sync::{Semaphore, watch};
use tonic::{Request, Response, Status};
use tracing::{error, info};

use crate::job::Tally;
use crate::runner::panic_message;
pub use drain::Drain;
use stream::{Answers, State};

// Of the context a task runs in; its jobs and pulls have deadlines of their own.
const LONGEST: Duration = Duration::from_hours(1);

/// Something that can be run once, by name.
pub struct Task {
    /// Its name, e.g. `drain-trade`.
    pub name: &'static str,
    /// What it does, in one line.
    pub description: &'static str,
    /// Does it.
    pub run: Arc<dyn TaskRun>,
}

/// What a task does. Run twice at once, or not to its end, it does no harm.
#[async_trait]
pub trait TaskRun: Send + Sync + 'static {
    /// Runs until nothing is due, telling how far it is.
    async fn run(&self, progress: &Progress) -> Result<Tally, Fault>;
}

/// Where a task tells how far it is.
pub struct Progress(watch::Sender<State>);

impl Progress {
    /// Tells it.
    pub fn report(&self, tally: Tally) {
        self.0.send_replace(State::Running(tally));
    }
}

/// Serves tasks; each runs once at a time, so that callers cannot pile up work.
pub struct TaskServer {
    tasks: Vec<Arc<Served>>,
    lifecycle: Lifecycle,
}

struct Served {
    task: Task,
    turn: Semaphore,
}

impl TaskServer {
    /// A server for these tasks. A task that has begun goes on when its caller goes away;
    /// shutdown waits for it.
    pub fn new(tasks: Vec<Task>, lifecycle: &Lifecycle) -> Self {
        let served = |task| {
            Arc::new(Served {
                task,
                turn: Semaphore::new(1),
            })
        };
        Self {
            tasks: tasks.into_iter().map(served).collect(),
            lifecycle: lifecycle.clone(),
        }
    }

    /// As a service to add to a server.
    pub fn service(self) -> TaskServiceServer<Self> {
        TaskServiceServer::new(self)
    }

    fn find(&self, name: &str) -> Result<Arc<Served>, Fault> {
        let found = self.tasks.iter().find(|served| served.task.name == name);
        found.cloned().ok_or_else(|| {
            let names: Vec<_> = self.tasks.iter().map(|served| served.task.name).collect();
            let message = format!("no task {name:?} here; there is: {}", names.join(", "));
            Fault::new(ErrorKind::NotFound, "TASK_NOT_FOUND", message).with("task", name)
        })
    }
}

impl Served {
    // Waits for its turn as long as anyone waits for the answer; then runs to the end.
    async fn run(self: Arc<Self>, answer: watch::Sender<State>) {
        let turn = tokio::select! {
            biased;
            () = answer.closed() => return,
            turn = self.turn.acquire() => turn,
        };
        let Ok(_turn) = turn else { return };
        let (name, progress) = (self.task.name, Progress(answer));
        info!(task = name, "task begins");
        let run = AssertUnwindSafe(self.task.run.run(&progress)).catch_unwind();
        let ended = run.await.unwrap_or_else(|panic| {
            let message = panic_message(panic.as_ref());
            error!(task = name, message, "the task panicked");
            Err(Fault::new(
                ErrorKind::Internal,
                "PANIC",
                format!("task {name} panicked"),
            ))
        });
        match &ended {
            Ok(Tally {
                done,
                postponed,
                failed,
            }) => {
                info!(task = name, done, postponed, failed, "task finished");
            }
            Err(fault) => error!(task = name, %fault, "task failed"),
        }
        progress.0.send_replace(State::Ended(ended));
    }
}

#[async_trait]
impl TaskService for TaskServer {
    type RunTaskStream = Answers;

    async fn list_tasks(
        &self,
        _: Request<ListTasksRequest>,
    ) -> Result<Response<ListTasksResponse>, Status> {
        let told = self.tasks.iter().map(|served| proto::task::v1::Task {
            name: served.task.name.to_owned(),
            description: served.task.description.to_owned(),
        });
        Ok(Response::new(ListTasksResponse {
            tasks: told.collect(),
        }))
    }

    async fn run_task(
        &self,
        request: Request<RunTaskRequest>,
    ) -> Result<Response<Self::RunTaskStream>, Status> {
        let served = self.find(&request.get_ref().name)?;
        let (answer, state) = watch::channel(State::Running(Tally::default()));
        // The caller's trace, but not its deadline.
        let context = Context::from_traceparent(&Context::current().traceparent(), LONGEST);
        self.lifecycle
            .spawn("task", context.scope(served.run(answer)));
        Ok(Response::new(stream::answers(state)))
    }
}

#[cfg(test)]
mod tests;
