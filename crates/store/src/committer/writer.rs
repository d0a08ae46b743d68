//! The connection a committer owns, and what it does when a batch breaks.

use std::sync::Arc;
use std::time::Duration;

use metrics::Label;
use sqlx::{AnyConnection, Connection, Executor};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::{info, warn};

use super::answer::{self, Failure};
use super::apart::apart;
use super::batch::{Batch, Broken, Outcome, Texts};
use super::{Labels, Pending, Statement};
use crate::db::DbSettings;
use crate::engine::{self, Trouble};
use crate::value::bind;
use crate::wake::Bells;
use crate::{Engine, StoreError};

// How often a batch is tried when the database asks for it (deadlock, lock wait, busy).
const TRIES: u32 = 5;
// The least time a part of a batch gets: twice the lock wait.
const PART: Duration = Duration::from_secs(2);

pub(crate) struct Writer {
    engine: Engine,
    url: String,
    patience: Duration,
    connection: Option<AnyConnection>,
    texts: Texts,
    labels: Labels,
    bells: Bells,
}

impl Writer {
    pub(crate) async fn connect(
        engine: Engine,
        settings: &DbSettings,
        (role, bells): (&'static str, Bells),
    ) -> Result<Self, StoreError> {
        let connected = engine::connect_writer(engine, &settings.url).await;
        let connection = connected.map_err(|e| StoreError::Unavailable(e.to_string()))?;
        Ok(Self {
            engine,
            url: settings.url.clone(),
            patience: settings.patience,
            connection: Some(connection),
            texts: Texts::default(),
            labels: Arc::new([
                Label::new("service", settings.service.clone()),
                Label::from_static_parts("role", role),
            ]),
            bells,
        })
    }

    pub(crate) fn labels(&self) -> Labels {
        Arc::clone(&self.labels)
    }

    /// Commits the writes and tells each waiter what became of its own.
    pub(crate) async fn commit(&mut self, writes: Vec<Pending>) {
        let size = u32::try_from(writes.len()).unwrap_or(u32::MAX);
        metrics::histogram!("store_batch_size", self.labels.to_vec()).record(f64::from(size));
        let begun = Instant::now();
        let give_up = self.give_up(&writes);
        let mut rest = writes;
        while !rest.is_empty() {
            let (together, later) = apart(rest);
            self.commit_in_parts(together, give_up).await;
            rest = later;
        }
        let spent = begun.elapsed();
        metrics::histogram!("store_commit_seconds", self.labels.to_vec()).record(spent);
    }

    async fn commit_in_parts(&mut self, writes: Vec<Pending>, give_up: Instant) {
        let mut parts = vec![writes];
        while let Some(part) = parts.pop() {
            if let Some((left, right)) = self.commit_part(part, give_up).await {
                parts.extend([right, left]);
            }
        }
    }

    // While the database is away a write waits `patience` from its submission, not from
    // when its batch's turn comes: a long queue would make that for ever.
    fn give_up(&self, writes: &[Pending]) -> Instant {
        let now = Instant::now();
        let latest = writes.iter().map(|pending| pending.since).max();
        let from = if self.connection.is_some() {
            now
        } else {
            latest.unwrap_or(now)
        };
        from + self.patience
    }

    // Answers the two halves of a batch that is to be tried in parts.
    async fn commit_part(
        &mut self,
        mut part: Vec<Pending>,
        give_up: Instant,
    ) -> Option<(Vec<Pending>, Vec<Pending>)> {
        match self.try_batch(&mut part, give_up).await {
            Ok(outcomes) => {
                let wakes = self.bells.of(part.iter().map(|pending| &pending.write));
                answer::tell(&self.labels, part, &outcomes);
                self.bells.ring(&wakes);
            }
            Err(Failure::Rejected(_) | Failure::Contended) if part.len() > 1 => {
                let right = part.split_off(part.len() / 2);
                return Some((part, right));
            }
            Err(failure) => answer::fail(&self.labels, part, &failure),
        }
        None
    }

    // Tries a batch until it is committed, found impossible, or patience ends.
    async fn try_batch(
        &mut self,
        part: &mut [Pending],
        give_up: Instant,
    ) -> Result<Vec<Outcome>, Failure> {
        let mut unknown = false;
        let mut tries = 0;
        loop {
            let broken = match self.one_batch(part, give_up).await {
                Ok(outcomes) => return Ok(outcomes),
                Err(broken) => broken,
            };
            tries += 1;
            if matches!(broken, Broken::Commit(_)) {
                // What this submission may have written is told from what the next will.
                unknown = true;
                for pending in part.iter_mut() {
                    pending.write.again();
                }
            }
            let late = Instant::now() >= give_up;
            match self.judge(broken).await {
                Next::Again if tries < TRIES && !late => {}
                Next::Again if unknown => return Err(Failure::Unknown),
                Next::Again => return Err(Failure::Contended),
                Next::Reconnect(why) if late => {
                    return Err(if unknown {
                        Failure::Unknown
                    } else {
                        Failure::Unavailable(why)
                    });
                }
                Next::Reconnect(_) => {}
                Next::Reject(why) => return Err(Failure::rejected(unknown, &why)),
            }
            sleep(pause(tries)).await;
        }
    }

    async fn one_batch(
        &mut self,
        part: &[Pending],
        give_up: Instant,
    ) -> Result<Vec<Outcome>, Broken> {
        let (engine, url) = (self.engine, self.url.clone());
        // The parts of a batch that broke come late, and get their chance all the same.
        let mut until = give_up;
        let connection = match &mut self.connection {
            Some(connection) => {
                until = until.max(Instant::now() + self.patience.min(PART));
                connection
            }
            none => none.insert(
                reconnect(engine, &url, give_up)
                    .await
                    .map_err(Broken::Connect)?,
            ),
        };
        let mut committing = false;
        let texts = &mut self.texts;
        let batch = Batch {
            engine,
            connection,
            texts,
            committing: &mut committing,
        };
        // A database that accepts and never answers must not hold the queue for ever.
        match timeout_at(until, batch.commit(part)).await {
            Ok(result) => result,
            Err(_) if committing => Err(Broken::Commit(sqlx::Error::PoolTimedOut)),
            Err(_) => Err(Broken::Before(sqlx::Error::PoolTimedOut)),
        }
    }

    // Makes the connection fit for the next try and says what that is.
    async fn judge(&mut self, broken: Broken) -> Next {
        let error = match broken {
            Broken::Mismatch(why) => {
                self.roll_back().await;
                return Next::Reject(why);
            }
            // Whatever the reason (too many connections, a password in rotation), none of
            // the writes caused it.
            Broken::Connect(error) => return Next::Reconnect(message(&error)),
            Broken::Before(error) | Broken::Commit(error) => error,
        };
        match self.engine.trouble(&error) {
            Trouble::Contention => {
                self.roll_back().await;
                Next::Again
            }
            Trouble::Gone => {
                warn!(%error, "the committer's connection broke");
                self.connection = None;
                Next::Reconnect(message(&error))
            }
            Trouble::Rejected => {
                self.roll_back().await;
                Next::Reject(message(&error))
            }
        }
    }

    async fn roll_back(&mut self) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let rolled_back = timeout(self.patience, connection.execute(sqlx::raw_sql("ROLLBACK")));
        if !matches!(rolled_back.await, Ok(Ok(_))) {
            self.connection = None;
        }
    }

    /// Runs one statement by itself.
    pub(crate) async fn execute(&mut self, statement: Statement) {
        let Statement { query, row, waiter } = statement;
        let give_up = Instant::now() + self.patience;
        let (engine, url) = (self.engine, self.url.clone());
        let connection = match &mut self.connection {
            Some(connection) => Ok(connection),
            none => reconnect(engine, &url, give_up)
                .await
                .map(|made| none.insert(made)),
        };
        let result = match connection {
            Ok(connection) => {
                bind(sqlx::query(query.sql(engine)), &row)
                    .execute(connection)
                    .await
            }
            Err(error) => Err(error),
        };
        let answer = result.map(|done| done.rows_affected());
        drop(waiter.send(answer.map_err(|e| StoreError::of(query.name(), &e))));
    }

    pub(crate) async fn close(self) {
        let Some(connection) = self.connection else {
            return;
        };
        if !matches!(timeout(self.patience, connection.close()).await, Ok(Ok(()))) {
            info!("the committer's connection did not close cleanly");
        }
    }
}

enum Next {
    Again,
    Reconnect(String),
    Reject(String),
}

fn message(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(cause) => cause.message().to_owned(),
        sqlx::Error::PoolTimedOut => "it did not answer in time".to_owned(),
        error => error.to_string(),
    }
}

async fn reconnect(engine: Engine, url: &str, give_up: Instant) -> sqlx::Result<AnyConnection> {
    let mut tries = 0;
    loop {
        let connected = timeout_at(give_up, engine::connect_writer(engine, url)).await;
        match connected.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            Ok(connection) => return Ok(connection),
            Err(error) if Instant::now() >= give_up => return Err(error),
            Err(_) => {
                tries += 1;
                sleep(pause(tries)).await;
            }
        }
    }
}

fn pause(tries: u32) -> Duration {
    Duration::from_millis(5 * u64::from(tries.min(20)).pow(2))
}
