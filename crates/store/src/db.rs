//! A service's database: reads through a pool, writes through the committer.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use seam::{Clock, Ids};
use sqlx::any::AnyPoolOptions;
use sqlx::{AnyConnection, AnyPool};
use tokio::sync::watch;

use crate::committer::{Committer, Lane};
use crate::engine::Trouble;
use crate::value::bind;
use crate::wake::{Bells, Wake};
use crate::{
    CommitError, Engine, Migration, Query, Row, StoreError, Value, Write, engine, migrate, query,
    row,
};

/// Where a service's database is and how hard it is used.
#[derive(Debug, Clone)]
pub struct DbSettings {
    /// The service, for messages and metrics.
    pub service: String,
    /// `sqlite://FILE` or `mysql://USER:PASSWORD@HOST/DATABASE`.
    pub url: String,
    /// Connections held for reads.
    pub read_connections: u32,
    /// Writes that may wait; more are refused.
    pub queue: usize,
    /// How long a write may wait for a database that went away.
    pub patience: Duration,
}

impl DbSettings {
    /// The defaults, for a database at `url`.
    pub fn new(service: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            url: url.into(),
            read_connections: 8,
            queue: 10_000,
            patience: Duration::from_secs(5),
        }
    }
}

// How often a statement by itself is tried when others hold its rows.
const TRIES: u32 = 5;
// Without it a server that accepts and never answers would hold a worker for ever; callers
// have deadlines of their own.
const ANSWER: Duration = Duration::from_secs(30);

/// A handle to a service's database; clones share it.
#[derive(Clone)]
pub struct Db {
    engine: Engine,
    pool: AnyPool,
    writer: Committer,
    // Callbacks do not wait behind other writes: on MySQL they have a committer of
    // their own, on SQLite the first lane of the only one.
    callbacks: Committer,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    bells: Bells,
}

impl Db {
    /// Opens a database whose migrations are all applied.
    pub async fn open(
        settings: &DbSettings,
        migrations: &[Migration],
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let engine = Engine::of(&settings.url)?;
        let lock = engine::lock(engine, &settings.url)?;
        let pool = pool(engine, settings).await?;
        let mut connection = pool
            .acquire()
            .await
            .map_err(|e| StoreError::of("open", &e))?;
        migrate::check(&settings.service, &mut connection, (engine, migrations)).await?;
        if engine == Engine::Sqlite {
            forget_holders(&mut connection, clock.now()).await?;
        }
        drop(connection);
        let bells = Bells::new(Arc::clone(&clock));
        let writer = Committer::start(engine, settings, ("writer", &bells), lock).await?;
        let callbacks = match engine {
            Engine::Sqlite => writer.clone(),
            Engine::MySql => {
                Committer::start(engine, settings, ("callbacks", &bells), None).await?
            }
        };
        Ok(Self {
            engine,
            pool,
            writer,
            callbacks,
            clock,
            ids,
            bells,
        })
    }

    /// The engine behind it.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// The clock its times come from.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Where its tokens come from.
    pub fn ids(&self) -> &Arc<dyn Ids> {
        &self.ids
    }

    /// Rings after each batch this process commits that has something of this. A bell, not a
    /// promise: other processes ring elsewhere, and what is armed for later rings nowhere.
    pub fn bell(&self, wake: Wake) -> watch::Receiver<()> {
        self.bells.subscribe(wake)
    }

    /// Makes the write durable, once. It goes on when the caller goes away.
    pub async fn submit(&self, write: Write) -> Result<(), CommitError> {
        self.submit_to(&self.writer, Lane::Normal, write).await
    }

    /// Makes the write durable unless another has its key; answers whether it is the one.
    pub async fn wins(&self, write: Write) -> Result<bool, StoreError> {
        won(self.submit(write).await)
    }

    /// The same, before everything that waits: for a callback from a channel.
    pub async fn wins_first(&self, write: Write) -> Result<bool, StoreError> {
        won(self.submit_to(&self.callbacks, Lane::First, write).await)
    }

    async fn submit_to(
        &self,
        committer: &Committer,
        lane: Lane,
        mut write: Write,
    ) -> Result<(), CommitError> {
        write.submit_as(|| self.ids.positive());
        committer.submit(lane, write).await
    }

    /// Runs one statement by itself; answers how many rows it matched.
    pub async fn execute(&self, query: &'static Query, row: Vec<Value>) -> Result<u64, StoreError> {
        if self.engine == Engine::Sqlite {
            return self.writer.execute(query, row).await;
        }
        let mut tries = 0;
        loop {
            let statement = bind(sqlx::query(query.sql(self.engine)), &row);
            let error = match in_time(statement.execute(&self.pool)).await {
                Ok(done) => return Ok(done.rows_affected()),
                Err(error) => error,
            };
            tries += 1;
            // A statement by itself is rolled back whole by a deadlock or a lock wait.
            if tries == TRIES || self.engine.trouble(&error) != Trouble::Contention {
                return Err(StoreError::of(query.name(), &error));
            }
            let jitter = u64::from(self.ids.permille()) * u64::from(tries) * 10;
            tokio::time::sleep(Duration::from_micros(jitter)).await;
        }
    }

    /// All rows a query answers.
    pub async fn fetch_all(
        &self,
        query: &'static Query,
        row: Vec<Value>,
    ) -> Result<Vec<Row>, StoreError> {
        let mut tries = 0;
        let rows = loop {
            let statement = bind(sqlx::query(query.sql(self.engine)), &row);
            match in_time(statement.fetch_all(&self.pool)).await {
                Ok(rows) => break rows,
                Err(error) => self.read_again(&mut tries, (query, &error))?,
            }
        };
        Ok(rows
            .into_iter()
            .map(|columns| Row::new(query.name(), columns))
            .collect())
    }

    /// The first row a query answers, if any.
    pub async fn fetch_optional(
        &self,
        query: &'static Query,
        row: Vec<Value>,
    ) -> Result<Option<Row>, StoreError> {
        let mut tries = 0;
        let found = loop {
            let statement = bind(sqlx::query(query.sql(self.engine)), &row);
            match in_time(statement.fetch_optional(&self.pool)).await {
                Ok(found) => break found,
                Err(error) => self.read_again(&mut tries, (query, &error))?,
            }
        };
        Ok(found.map(|columns| Row::new(query.name(), columns)))
    }

    // When a server comes back, every connection the pool had is broken: a read draws
    // those first, each of them once.
    fn read_again(
        &self,
        tries: &mut u32,
        (query, error): (&'static Query, &sqlx::Error),
    ) -> Result<(), StoreError> {
        *tries += 1;
        let broken = matches!(error, sqlx::Error::Io(_));
        if broken && *tries <= self.pool.options().get_max_connections() {
            return Ok(());
        }
        Err(StoreError::of(query.name(), error))
    }

    /// Prepares a query for one row and for several, as a test of its text.
    pub async fn prepare(&self, query: &'static Query) -> Result<(), StoreError> {
        use sqlx::{AssertSqlSafe, Executor as _, SqlSafeStr as _};
        let texts = [
            Some(query.sql(self.engine).to_owned()),
            query.repeated(self.engine, 3),
        ];
        for text in texts.into_iter().flatten() {
            let prepared = (&self.pool)
                .prepare(AssertSqlSafe(text).into_sql_str())
                .await;
            prepared.map_err(|e| StoreError::of(query.name(), &e))?;
        }
        Ok(())
    }

    /// Writes what waits, then stops.
    pub async fn close(&self) {
        self.writer.close().await;
        self.callbacks.close().await;
        self.pool.close().await;
    }
}

fn won(outcome: Result<(), CommitError>) -> Result<bool, StoreError> {
    match outcome {
        Ok(()) => Ok(true),
        Err(CommitError::Conflict { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

// Whoever held something of this file before is gone: the lock on it proves that.
async fn forget_holders(connection: &mut AnyConnection, now: Timestamp) -> Result<(), StoreError> {
    let forget = [
        (&query::LEASES_FORGET, row![]),
        (&query::FEED_CURSORS_FORGET, row![]),
        (&query::OBLIGATIONS_FORGET, row![now]),
    ];
    for (query, row) in forget {
        let statement = bind(sqlx::query(query.sql(Engine::Sqlite)), &row);
        let done = statement.execute(&mut *connection).await;
        done.map_err(|e| StoreError::of(query.name(), &e))?;
    }
    Ok(())
}

async fn pool(engine: Engine, settings: &DbSettings) -> Result<AnyPool, StoreError> {
    // Nothing on the pool ever opens a transaction (a cancelled one would hide in the
    // connection it returns); test_before_acquire would cost a round trip a read.
    let pool = AnyPoolOptions::new()
        .max_connections(settings.read_connections)
        .acquire_timeout(Duration::from_secs(2))
        .test_before_acquire(false)
        .after_connect(move |connection, _| Box::pin(engine::set_up(engine, connection)));
    let connected = pool.connect_with(engine::options(&settings.url)?).await;
    connected.map_err(|e| StoreError::Unavailable(e.to_string()))
}

async fn in_time<T>(answer: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    let answered = tokio::time::timeout(ANSWER, answer).await;
    answered.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
