//! The committer: the one way to write. It owns its connection; while one batch commits,
//! the next writes gather, without a timer and without a wait when idle. A caller that
//! goes away takes nothing with it.

mod answer;
mod apart;
mod batch;
mod pieces;
mod writer;

use std::fs::File;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::db::DbSettings;
use crate::wake::Bells;
use crate::{CommitError, Engine, Query, Refusal, StoreError, Value, Write};
use writer::Writer;

/// In which queue a write waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    First,
    Normal,
}

/// A handle to a committer; clones share it.
#[derive(Clone)]
pub(crate) struct Committer {
    first: mpsc::Sender<Job>,
    normal: mpsc::Sender<Job>,
    stop: CancellationToken,
    running: TaskTracker,
}

pub(crate) enum Job {
    Write(Pending),
    Statement(Statement),
}

/// A write and who waits for it.
pub(crate) struct Pending {
    pub(crate) write: Write,
    pub(crate) since: Instant,
    pub(crate) waiter: oneshot::Sender<Result<(), CommitError>>,
}

/// A statement by itself and who waits for it.
pub(crate) struct Statement {
    pub(crate) query: &'static Query,
    pub(crate) row: Vec<Value>,
    pub(crate) waiter: oneshot::Sender<Result<u64, StoreError>>,
}

impl Committer {
    pub(crate) async fn start(
        engine: Engine,
        settings: &DbSettings,
        (role, bells): (&'static str, &Bells),
        lock: Option<File>,
    ) -> Result<Self, StoreError> {
        let (first, first_jobs) = mpsc::channel(settings.queue);
        let (normal, normal_jobs) = mpsc::channel(settings.queue);
        let writer = Writer::connect(engine, settings, (role, bells.clone())).await?;
        let (stop, running) = (CancellationToken::new(), TaskTracker::new());
        let queues = Queues {
            first: first_jobs,
            normal: normal_jobs,
        };
        let task = run(writer, queues, stop.clone());
        running.spawn(async move {
            task.await;
            drop(lock);
        });
        running.close();
        Ok(Self {
            first,
            normal,
            stop,
            running,
        })
    }

    pub(crate) async fn submit(&self, lane: Lane, write: Write) -> Result<(), CommitError> {
        let name = write.name();
        let (waiter, outcome) = oneshot::channel();
        let refused = |refusal| CommitError::Refused {
            write: name,
            refusal,
        };
        self.send(
            lane,
            Job::Write(Pending {
                write,
                since: Instant::now(),
                waiter,
            }),
        )
        .map_err(refused)?;
        outcome
            .await
            .unwrap_or(Err(CommitError::Lost { write: name }))
    }

    pub(crate) async fn execute(
        &self,
        query: &'static Query,
        row: Vec<Value>,
    ) -> Result<u64, StoreError> {
        let (waiter, outcome) = oneshot::channel();
        let unavailable = |refusal: Refusal| StoreError::Unavailable(refusal.to_string());
        let statement = Statement { query, row, waiter };
        self.send(Lane::Normal, Job::Statement(statement))
            .map_err(unavailable)?;
        outcome
            .await
            .unwrap_or_else(|_| Err(unavailable(Refusal::Closing)))
    }

    fn send(&self, lane: Lane, job: Job) -> Result<(), Refusal> {
        let queue = match lane {
            Lane::First => &self.first,
            Lane::Normal => &self.normal,
        };
        queue.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Refusal::QueueFull,
            mpsc::error::TrySendError::Closed(_) => Refusal::Closing,
        })
    }

    // Takes nothing new, writes what waits.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        self.running.wait().await;
    }
}

struct Queues {
    first: mpsc::Receiver<Job>,
    normal: mpsc::Receiver<Job>,
}

impl Queues {
    // Waits for one job, then takes what else is there already, the first lane first.
    async fn gather(&mut self, most: usize) -> Vec<Job> {
        let mut jobs = Vec::new();
        tokio::select! {
            biased;
            Some(job) = self.first.recv() => jobs.push(job),
            Some(job) = self.normal.recv() => jobs.push(job),
            else => return jobs,
        }
        for queue in [&mut self.first, &mut self.normal] {
            while jobs.len() < most {
                let Ok(job) = queue.try_recv() else { break };
                jobs.push(job);
            }
        }
        jobs
    }

    fn close(&mut self) {
        self.first.close();
        self.normal.close();
    }

    fn waiting(&self) -> usize {
        self.first.len() + self.normal.len()
    }
}

async fn run(mut writer: Writer, mut queues: Queues, stop: CancellationToken) {
    let depth = metrics::gauge!("store_queue_depth", writer.labels().to_vec());
    loop {
        let jobs = tokio::select! {
            biased;
            () = stop.cancelled(), if !queues.first.is_closed() => {
                queues.close();
                continue;
            }
            jobs = queues.gather(pieces::MOST) => jobs,
        };
        if jobs.is_empty() {
            break;
        }
        depth.set(u32::try_from(queues.waiting()).unwrap_or(u32::MAX));
        work(&mut writer, jobs).await;
    }
    writer.close().await;
}

async fn work(writer: &mut Writer, jobs: Vec<Job>) {
    let mut pending = Vec::new();
    let mut statements = Vec::new();
    for job in jobs {
        match job {
            Job::Write(write) => pending.push(write),
            Job::Statement(statement) => statements.push(statement),
        }
    }
    if !pending.is_empty() {
        writer.commit(pending).await;
    }
    for statement in statements {
        writer.execute(statement).await;
    }
}

pub(crate) type Labels = Arc<[metrics::Label; 2]>;
