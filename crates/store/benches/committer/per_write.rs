//! The usual way: a pool, and a transaction for each write.

use sqlx::any::AnyPoolOptions;
use sqlx::{AnyPool, Executor, Row, Transaction};
use store::{Engine, Query, query};

use crate::workload::{Change, ENTRY, LOG, LOGGED, MOVE};

/// A pool and the texts of the step's statements.
#[derive(Clone)]
pub(crate) struct PerWrite {
    engine: Engine,
    pool: AnyPool,
    guard: &'static str,
    arm: &'static Query,
}

impl PerWrite {
    /// Opens a pool of a usual size.
    pub(crate) async fn open(engine: Engine, url: &str) -> Self {
        let (connections, session, keep) = match engine {
            Engine::Sqlite => (4, "PRAGMA synchronous = FULL", " ON CONFLICT DO NOTHING"),
            Engine::MySql => (
                32,
                "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
                " ON DUPLICATE KEY UPDATE write_id = write_id",
            ),
        };
        let pool = AnyPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(std::time::Duration::from_mins(1))
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    connection.execute(sqlx::raw_sql(session)).await?;
                    Ok(())
                })
            });
        let pool = pool.connect(url).await.expect("it connects");
        let guard = format!("{}{keep}", LOG.sql(engine)).leak();
        let arm = query::ALL
            .iter()
            .find(|query| query.name() == "obligations/arm");
        Self {
            engine,
            pool,
            guard,
            arm: arm.expect("it is there"),
        }
    }

    /// Writes a step; false is a conflict. What is busy or deadlocked is tried again.
    pub(crate) async fn write(&self, change: Change) -> bool {
        loop {
            if let Ok(done) = self.attempt(change).await {
                return done;
            }
        }
    }

    async fn attempt(&self, Change { account, version }: Change) -> sqlx::Result<bool> {
        let mut transaction = self.begin().await?;
        let connection = &mut *transaction;
        let write_id = account << 20 | version;
        let guard = sqlx::query(self.guard)
            .bind(account)
            .bind(version)
            .bind("bench")
            .bind(1_i64);
        guard.bind(write_id).execute(&mut *connection).await?;
        let winner = sqlx::query(LOGGED.sql(self.engine))
            .bind(account)
            .bind(version);
        let winner: i64 = winner
            .fetch_one(&mut *connection)
            .await?
            .try_get("write_id")?;
        // A stale step finds the id of the write that was first; here that is its own.
        let moved = sqlx::query(MOVE.sql(self.engine))
            .bind(account)
            .bind(version)
            .bind(1_i64);
        let moved = moved.execute(&mut *connection).await?.rows_affected();
        if winner != write_id || moved == 0 {
            transaction.rollback().await?;
            return Ok(false);
        }
        let entry = sqlx::query(ENTRY.sql(self.engine))
            .bind(account)
            .bind(version)
            .bind(100_i64);
        entry.execute(&mut *connection).await?;
        let arm = sqlx::query(self.arm.sql(self.engine))
            .bind(1_i64)
            .bind(account);
        arm.bind(0_i64)
            .bind(0_i64)
            .execute(&mut *connection)
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn begin(&self) -> sqlx::Result<Transaction<'static, sqlx::Any>> {
        match self.engine {
            Engine::Sqlite => self.pool.begin_with("BEGIN IMMEDIATE").await,
            Engine::MySql => self.pool.begin().await,
        }
    }

    /// Closes the pool.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}
