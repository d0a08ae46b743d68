//! A database for one test, gone after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use seam::{Clock, Ids, SystemIds};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Connection, Executor, Row, ValueRef};
use store::{Db, DbSettings, Engine, Migration, StoreError};
use tempfile::TempDir;

use crate::Proxy;

/// Both engines: what holds on one must hold on the other.
pub const ENGINES: [Engine; 2] = [Engine::Sqlite, Engine::MySql];

const MYSQL_URL: &str = "PAYMESH_TEST_MYSQL_URL";
const MOMENT: Duration = Duration::from_millis(5);
static COUNT: AtomicU32 = AtomicU32::new(0);

/// An empty database of its own.
pub struct TestDb {
    url: String,
    engine: Engine,
    drop_with: Option<(String, String)>,
    _folder: Option<TempDir>,
}

impl TestDb {
    /// Creates one.
    ///
    /// # Panics
    /// For MySQL when `PAYMESH_TEST_MYSQL_URL` names no server: nothing is skipped.
    pub async fn create(engine: Engine) -> Self {
        sqlx::any::install_default_drivers();
        match engine {
            Engine::Sqlite => Self::sqlite(),
            Engine::MySql => Self::mysql().await,
        }
    }

    fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite://{}/test.db?mode=rwc", folder.path().display());
        Self {
            url,
            engine: Engine::Sqlite,
            drop_with: None,
            _folder: Some(folder),
        }
    }

    async fn mysql() -> Self {
        Self::on(&shared_server()).await
    }

    /// Creates one on a MySQL server of its own, as `mysql://USER@HOST:PORT/`.
    pub async fn on(server: &str) -> Self {
        sqlx::any::install_default_drivers();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!(
            "paymesh_test_{}_{number}_{}",
            std::process::id(),
            SystemIds.positive()
        );
        run(server, &format!("CREATE DATABASE {name}")).await;
        let url = format!("{}/{name}", server.trim_end_matches('/'));
        let drop_with = Some((server.to_owned(), name));
        Self {
            url,
            engine: Engine::MySql,
            drop_with,
            _folder: None,
        }
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its engine.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Its server's `host:port`, for a proxy in front of it.
    pub fn server(&self) -> &str {
        authority(&self.url).rsplit('@').next().unwrap_or_default()
    }

    /// Settings that lead through a proxy.
    pub fn through(&self, proxy: &Proxy) -> DbSettings {
        let url = self
            .url
            .replacen(self.server(), &proxy.address().to_string(), 1);
        DbSettings::new("test", url)
    }

    /// Settings for it, as a service would have them.
    pub fn settings(&self) -> DbSettings {
        DbSettings::new("test", &self.url)
    }

    /// Applies the migrations and opens it.
    pub async fn open(&self, migrations: &[Migration], clock: Arc<dyn Clock>) -> Db {
        // A handle that was just dropped keeps a SQLite file until its committer has ended.
        for _ in 0..400 {
            match self.try_open(migrations, &clock).await {
                Err(StoreError::InUse { .. }) => tokio::time::sleep(MOMENT).await,
                opened => return opened.expect("the database opens"),
            }
        }
        panic!("the database stays in use")
    }

    async fn try_open(
        &self,
        migrations: &[Migration],
        clock: &Arc<dyn Clock>,
    ) -> Result<Db, StoreError> {
        store::migrate::migrate("test", &self.url, migrations).await?;
        Db::open(
            &self.settings(),
            migrations,
            Arc::clone(clock),
            Arc::new(SystemIds),
        )
        .await
    }

    /// Runs plain SQL, past everything.
    pub async fn run(&self, sql: &str) {
        run(&self.url, sql).await;
    }

    /// What plain SQL answers, past everything: numbers and texts as text, bytes in
    /// hexadecimal, `NULL` as such.
    pub async fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let mut connection = connect(&self.url).await;
        let rows = rows(&mut connection, sql).await;
        connection.close().await.expect("the connection closes");
        rows
    }

    /// The one number that plain SQL answers.
    pub async fn count(&self, sql: &str) -> i64 {
        let rows = self.rows(sql).await;
        let number = rows.first().and_then(|row| row.first());
        number.and_then(|text| text.parse().ok()).expect("a number")
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let Some((server, name)) = self.drop_with.take() else {
            return;
        };
        // A thread of its own, because the test's runtime may be what is ending.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = runtime.expect("a runtime");
            runtime.block_on(end(&server, &name));
        });
        drop(dropped.join());
    }
}

fn text(row: &AnyRow, at: usize) -> String {
    let value = row.try_get_raw(at).expect("a column");
    if value.is_null() {
        return "NULL".to_owned();
    }
    let number = row.try_get::<i64, _>(at).map(|number| number.to_string());
    let text = number.or_else(|_| row.try_get::<String, _>(at));
    text.unwrap_or_else(|_| {
        let bytes = row.try_get::<Vec<u8>, _>(at).expect("bytes");
        hex::encode(bytes)
    })
}

// Whoever is still connected is put out first: a transaction under way would hold up the
// drop, and it could not go on while the test's runtime waits here.
async fn end(server: &str, name: &str) {
    let connected = "SELECT id FROM information_schema.processlist WHERE db = ";
    let mut connection = connect(server).await;
    for id in rows(&mut connection, &format!("{connected}'{name}'"))
        .await
        .concat()
    {
        let kill = sqlx::AssertSqlSafe(format!("KILL {id}"));
        // It may have gone by itself.
        drop(connection.execute(sqlx::raw_sql(kill)).await);
    }
    connection.close().await.expect("the connection closes");
    run(server, &format!("DROP DATABASE IF EXISTS {name}")).await;
}

fn shared_server() -> String {
    std::env::var(MYSQL_URL).unwrap_or_else(|_| {
        panic!("{MYSQL_URL} is not set: run `make test`, which starts the servers, or name one")
    })
}

fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

async fn connect(url: &str) -> AnyConnection {
    let connected = AnyConnection::connect(url).await;
    connected.expect("the test server answers")
}

async fn run(url: &str, sql: &str) {
    let mut connection = connect(url).await;
    let statement = sqlx::AssertSqlSafe(sql.to_owned());
    connection
        .execute(sqlx::raw_sql(statement))
        .await
        .expect("the statement runs");
    connection.close().await.expect("the connection closes");
}

async fn rows(connection: &mut AnyConnection, sql: &str) -> Vec<Vec<String>> {
    let statement = sqlx::AssertSqlSafe(sql.to_owned());
    let rows = sqlx::query(statement).fetch_all(connection).await;
    let texts = |row: &AnyRow| (0..row.len()).map(|at| text(row, at)).collect();
    rows.expect("the statement runs")
        .iter()
        .map(texts)
        .collect()
}
