//! Schema versions and whose file it is.

use std::sync::Arc;

use seam::SystemIds;
use store::{Db, DbSettings, Engine, Migration, StoreError, migrate};
use testkit::{ENGINES, TestDb};

use crate::schema::{MIGRATIONS, accounts, open};

static NEXT: Migration = Migration {
    version: 101,
    name: "0101_more",
    sqlite: "CREATE TABLE more (id BIGINT NOT NULL PRIMARY KEY)",
    mysql: "CREATE TABLE more (id BIGINT NOT NULL PRIMARY KEY)",
};

async fn opened(test: &TestDb, migrations: &[Migration]) -> Result<Db, StoreError> {
    Db::open(
        &test.settings(),
        migrations,
        testkit::clock(),
        Arc::new(SystemIds),
    )
    .await
}

fn error(opened: Result<Db, StoreError>) -> StoreError {
    opened.map(|_| ()).unwrap_err()
}

#[tokio::test]
async fn a_database_with_pending_migrations_does_not_open() {
    for engine in ENGINES {
        let test = TestDb::create(engine).await;
        let missing = error(opened(&test, MIGRATIONS).await);
        assert_eq!(
            missing.to_string(),
            "2 pending migration(s) in the database of test: run `paymesh migrate test`"
        );
        assert_eq!(missing.reason(), "MIGRATIONS_PENDING");
        assert_eq!(
            migrate::migrate("test", test.url(), MIGRATIONS)
                .await
                .unwrap(),
            2
        );
        opened(&test, MIGRATIONS).await.unwrap().close().await;
        let more = [MIGRATIONS[0], NEXT];
        assert!(
            error(opened(&test, &more).await)
                .to_string()
                .starts_with("1 pending")
        );
        // One that is missing counts, whatever else is there.
        let other = [NEXT];
        assert!(
            error(opened(&test, &other).await)
                .to_string()
                .starts_with("1 pending")
        );
        assert_eq!(
            migrate::migrate("test", test.url(), &more).await.unwrap(),
            1
        );
        // A replica of the last release goes on beside the next schema.
        opened(&test, MIGRATIONS).await.unwrap().close().await;
    }
}

#[tokio::test]
async fn who_serves_needs_no_right_to_make_tables() {
    let test = TestDb::create(Engine::MySql).await;
    let name = test.url().rsplit('/').next().unwrap().to_owned();
    let user = format!("rows{}", std::process::id());
    test.run(&format!("CREATE USER '{user}'@'%'")).await;
    let rows = format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.* TO '{user}'@'%'");
    test.run(&rows).await;
    let url = format!("mysql://{user}@{}/{name}", test.server());
    let open = async || {
        let settings = DbSettings::new("test", &url);
        Db::open(&settings, MIGRATIONS, testkit::clock(), Arc::new(SystemIds)).await
    };
    assert_eq!(error(open().await).reason(), "MIGRATIONS_PENDING");
    let migrated = migrate::migrate("test", test.url(), MIGRATIONS).await;
    assert_eq!(migrated.unwrap(), 2);
    open().await.unwrap().close().await;
    test.run(&format!("DROP USER '{user}'@'%'")).await;
}

#[tokio::test]
async fn migrating_twice_changes_nothing() {
    for engine in ENGINES {
        let test = TestDb::create(engine).await;
        assert_eq!(
            migrate::migrate("test", test.url(), MIGRATIONS)
                .await
                .unwrap(),
            2
        );
        let db = opened(&test, MIGRATIONS).await.unwrap();
        db.submit(open(1)).await.unwrap();
        db.close().await;
        assert_eq!(
            migrate::migrate("test", test.url(), MIGRATIONS)
                .await
                .unwrap(),
            0
        );
        let db = opened(&test, MIGRATIONS).await.unwrap();
        assert_eq!(accounts(&db).await.len(), 1);
    }
}

#[tokio::test]
async fn a_failed_migration_says_so_and_the_database_does_not_open() {
    let broken = Migration {
        sqlite: "CREATE TABLE half (id BIGINT); CREATE TABL other (id BIGINT)",
        mysql: "CREATE TABLE half (id BIGINT); CREATE TABL other (id BIGINT)",
        ..NEXT
    };
    for engine in ENGINES {
        let test = TestDb::create(engine).await;
        let failed = migrate::migrate("test", test.url(), &[MIGRATIONS[0], broken]).await;
        assert_eq!(failed.unwrap_err().reason(), "MIGRATION_FAILED");
        let reason = error(opened(&test, &[MIGRATIONS[0], NEXT]).await).reason();
        // SQLite took it back; MySQL cannot, and a person must look.
        match engine {
            Engine::Sqlite => assert_eq!(reason, "MIGRATIONS_PENDING"),
            Engine::MySql => assert_eq!(reason, "MIGRATION_FAILED"),
        }
    }
}

#[tokio::test]
async fn a_sqlite_file_belongs_to_one_opener() {
    let test = TestDb::create(Engine::Sqlite).await;
    let db = test.open(MIGRATIONS, testkit::clock()).await;
    let in_use = error(opened(&test, MIGRATIONS).await);
    assert_eq!(in_use.reason(), "DATABASE_IN_USE");
    assert!(
        in_use.to_string().contains("is in use by another process"),
        "{in_use}"
    );
    let migrating = migrate::migrate("test", test.url(), MIGRATIONS).await;
    assert_eq!(migrating.unwrap_err().reason(), "DATABASE_IN_USE");
    // It is free once what waited is written.
    let waiting = (0..100).map(|account| db.submit(open(account)));
    let waiting = futures::future::join_all(waiting);
    tokio::join!(waiting, db.close());
    let again = opened(&test, MIGRATIONS).await.unwrap();
    assert_eq!(accounts(&again).await.len(), 100);
}

#[tokio::test]
async fn two_may_open_a_mysql_database() {
    let test = TestDb::create(Engine::MySql).await;
    let (one, two) = (
        test.open(MIGRATIONS, testkit::clock()).await,
        test.open(MIGRATIONS, testkit::clock()).await,
    );
    one.submit(open(1)).await.unwrap();
    assert_eq!(accounts(&two).await.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_a_database_is_named() {
    let settings = store::DbSettings::new("test", "postgres://somewhere");
    let refused = Db::open(&settings, MIGRATIONS, testkit::clock(), Arc::new(SystemIds)).await;
    assert_eq!(error(refused).reason(), "DATABASE_URL_INVALID");
    let settings = store::DbSettings::new("test", "mysql://root@127.0.0.1:1/none");
    let away = Db::open(&settings, MIGRATIONS, testkit::clock(), Arc::new(SystemIds)).await;
    assert_eq!(error(away).reason(), "DATABASE_UNAVAILABLE");
}
