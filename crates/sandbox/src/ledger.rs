//! The durable ledger: one SQLite file, one connection, one task that writes what gathered
//! while the last transaction was committed.

mod entry;
mod find;
mod held;
mod misdeeds;
mod notices;
mod open;
mod pay;
mod prepare;
mod refunds;
mod scan;
mod scripts;
mod time;
mod undo;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::SandboxError;

pub(crate) use find::{Find, List};
pub(crate) use held::{Hold, Postpone, Release};
pub(crate) use misdeeds::{Believed, ListMisdeeds, Meet, Misdeed};
pub(crate) use notices::{DueNotices, RecordNotice};
pub(crate) use pay::Pay;
pub(crate) use prepare::Prepare;
pub(crate) use refunds::{Ending, ListRefunds, SendRefund, Sent, TheRefunds};
pub(crate) use scan::{Payer, Scan};
pub(crate) use scripts::{LoadScripts, RemoveScripts, SaveScript, Seed};
pub(crate) use time::Time;
pub(crate) use undo::{Close, PlanPayment, Reverse};

/// How many actions one transaction takes at most, and how many may wait.
const BATCH: usize = 256;
const QUEUE: usize = 1024;

/// Something asked of the ledger: within one transaction, all or nothing.
#[async_trait]
pub(crate) trait Action: Send + Sync + 'static {
    /// What is known when it is durable.
    type Answer: Send + 'static;

    /// Does it, on a connection within a transaction.
    async fn run(&self, ledger: &mut SqliteConnection) -> Result<Self::Answer, sqlx::Error>;
}

/// Where actions are handed in.
pub(crate) struct Ledger {
    steps: mpsc::Sender<Box<dyn Step>>,
    closing: CancellationToken,
    closed: CancellationToken,
}

impl Ledger {
    /// Opens the file, alone, and starts the task that writes.
    pub(crate) async fn open(path: &Path, time: Time) -> Result<Self, SandboxError> {
        let lock = open::lock(path)?;
        let connection = open::connect(path).await?;
        let (steps, queue) = mpsc::channel(QUEUE);
        let (closing, closed) = (CancellationToken::new(), CancellationToken::new());
        let (asked, ended) = (closing.clone(), closed.clone().drop_guard());
        tokio::spawn(async move {
            write((connection, time), queue, asked).await;
            drop(lock);
            drop(ended);
        });
        Ok(Self {
            steps,
            closing,
            closed,
        })
    }

    /// Does `action` and answers once it is durable. It is done even when nobody waits.
    pub(crate) async fn call<A: Action>(&self, action: A) -> Result<A::Answer, SandboxError> {
        let (reply, answer) = oneshot::channel();
        let posted = Posted {
            action,
            answer: None,
            reply,
        };
        self.steps
            .send(Box::new(posted))
            .await
            .map_err(|_| SandboxError::Closed)?;
        answer.await.map_err(|_| SandboxError::Closed)?
    }

    /// Finishes what was handed in and frees the file.
    pub(crate) async fn close(&self) {
        self.closing.cancel();
        self.closed.cancelled().await;
    }
}

async fn write(
    (mut ledger, time): (SqliteConnection, Time),
    mut queue: mpsc::Receiver<Box<dyn Step>>,
    closing: CancellationToken,
) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            taken = queue.recv_many(&mut batch, BATCH) => if taken == 0 { break },
            () = closing.cancelled(), if !queue.is_closed() => queue.close(),
        }
        if !batch.is_empty() {
            settle(&mut ledger, &time, &mut batch).await;
        }
    }
    if let Err(error) = ledger.close().await {
        error!(%error, "the sandbox ledger did not close");
    }
}

async fn settle(ledger: &mut SqliteConnection, time: &Time, batch: &mut Vec<Box<dyn Step>>) {
    let failure = commit(ledger, time, batch).await.err().map(Arc::new);
    if let Some(error) = &failure {
        error!(%error, actions = batch.len(), "the sandbox ledger failed");
    }
    for step in batch.drain(..) {
        step.finish(failure.clone());
    }
}

async fn commit(
    ledger: &mut SqliteConnection,
    time: &Time,
    batch: &mut [Box<dyn Step>],
) -> Result<(), sqlx::Error> {
    let mut transaction = ledger.begin().await?;
    time.pass(&mut transaction).await?;
    for step in batch {
        step.run(&mut transaction).await?;
    }
    transaction.commit().await
}

/// An action of any kind, with whoever waits for it.
#[async_trait]
trait Step: Send {
    async fn run(&mut self, ledger: &mut SqliteConnection) -> Result<(), sqlx::Error>;

    /// Answers, after the commit or its failure.
    fn finish(self: Box<Self>, failure: Option<Arc<sqlx::Error>>);
}

struct Posted<A: Action> {
    action: A,
    answer: Option<A::Answer>,
    reply: oneshot::Sender<Result<A::Answer, SandboxError>>,
}

#[async_trait]
impl<A: Action> Step for Posted<A> {
    async fn run(&mut self, ledger: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        self.answer = Some(self.action.run(ledger).await?);
        Ok(())
    }

    fn finish(self: Box<Self>, failure: Option<Arc<sqlx::Error>>) {
        let answer = match failure {
            Some(error) => Err(SandboxError::Ledger(error)),
            None => self.answer.ok_or(SandboxError::Closed),
        };
        // Whoever asked may have left; the action is done all the same.
        drop(self.reply.send(answer));
    }
}
