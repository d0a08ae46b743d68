//! A service's database with a million rows in each table that its queries name and that grows.

use store::{Engine, Migration, Query};
use testkit::TestDb;

/// How many.
pub(crate) const ROWS: u32 = 1_000_000;

/// A service; trade stands for all where they share the store's own tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// shop-center.
    ShopCenter,
    /// rate.
    Rate,
    /// trade.
    Trade,
    /// pay-gateway.
    PayGateway,
}

impl Service {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::ShopCenter, Self::Rate, Self::Trade, Self::PayGateway];

    /// Its queries.
    pub(crate) fn queries(self) -> Vec<&'static Query> {
        match self {
            Self::ShopCenter => shop_center::QUERIES.to_vec(),
            Self::Rate => rate::QUERIES.to_vec(),
            Self::Trade => [store::query::ALL, trade::QUERIES].concat(),
            Self::PayGateway => pay_gateway::QUERIES.to_vec(),
        }
    }

    fn migrations(self) -> &'static [Migration] {
        match self {
            Self::ShopCenter => shop_center::MIGRATIONS,
            Self::Rate => rate::MIGRATIONS,
            Self::Trade => trade::MIGRATIONS,
            Self::PayGateway => pay_gateway::MIGRATIONS,
        }
    }

    fn names(self, engine: Engine, table: &str) -> bool {
        let mut queries = self.queries().into_iter();
        queries.any(|query| words(query.sql(engine)).any(|word| word == table))
    }
}

/// These have a row a shard, a node, a migration, however many orders there are.
const FIXED: [&str; 2] = ["leases", "feed_cursors"];

/// Values for columns where the row's number would not do.
const VALUES: [(&str, &str, &str); 32] = [
    ("merchants", "late_money", "1"),
    ("shops", "merchant_id", "n / 10"),
    ("shops", "status", "1"),
    ("shops", "kind", "1"),
    ("merchant_accounts", "shop_id", "n / 4"),
    ("merchant_accounts", "channel", "1"),
    ("merchant_accounts", "pay_type", "n % 4"),
    ("merchant_accounts", "weight", "1"),
    ("merchant_accounts", "enabled", "1"),
    ("changes", "kind", "1"),
    ("rate_schemes", "shop_id", "n / 10"),
    ("rate_schemes", "pay_type", "1"),
    ("rate_schemes", "current_ppm", "6000"),
    ("rate_schemes", "future_ppm", "NULL"),
    ("rate_schemes", "future_begin", "NULL"),
    ("orders", "status", "7"),
    ("orders", "canceled_by", "0"),
    ("orders", "refund_status", "0"),
    ("orders", "refunded", "0"),
    ("orders", "fulfilment", "7"),
    ("orders", "binding", "1"),
    ("orders", "shop_id", "n % 10000"),
    ("orders", "client_ip", "'203.0.113.7'"),
    ("payments", "client_ip", "'203.0.113.7'"),
    ("settlements", "fee", "0"),
    ("settlements", "seq", "0"),
    ("refunds", "state", "4"),
    ("refunds", "failure", "0"),
    ("obligations", "kind", "n % 15"),
    ("obligations", "part", "0"),
    ("feed", "shard", "n % 4"),
    ("payments", "state", "5"),
];

/// Such a database.
pub(crate) struct Filled {
    /// Where it is.
    pub(crate) db: TestDb,
    tables: Vec<String>,
}

impl Filled {
    /// Makes one.
    pub(crate) async fn with(engine: Engine, service: Service, rows: u32) -> Self {
        let db = TestDb::create(engine).await;
        let migrated = store::migrate::migrate("test", db.url(), service.migrations()).await;
        migrated.expect("it migrates");
        let columns = db.rows(columns(engine)).await;
        let mut tables: Vec<String> = columns.iter().map(|row| row[0].clone()).collect();
        tables.dedup();
        tables.retain(|table| !FIXED.contains(&table.as_str()) && service.names(engine, table));
        for table in &tables {
            let own = columns.iter().filter(|row| row[0] == *table);
            let own: Vec<(&str, String)> = own
                .map(|row| (row[1].as_str(), value(engine, table, &row[1], &row[2])))
                .collect();
            db.run(&fill(engine, (table, &own), rows)).await;
        }
        if engine == Engine::Sqlite {
            db.run("ANALYZE").await;
        } else {
            db.run(&format!("ANALYZE TABLE {}", tables.join(", ")))
                .await;
        }
        Self { db, tables }
    }

    /// Whether what a plan's step names is a table that grows.
    pub(crate) fn grows(&self, step: &str) -> bool {
        let grows = |word: &str| self.tables.iter().any(|table| table == word);
        words(step).any(grows)
    }

    /// How many rows MariaDB reads while it runs a statement.
    pub(crate) async fn touched(&self, sql: &str) -> i64 {
        let steps = self.db.rows(&format!("ANALYZE FORMAT=JSON {sql}")).await;
        let told = steps.concat().concat();
        let rows = told
            .split("\"r_rows\":")
            .nth(1)
            .expect("rows that were read");
        let digits: String = rows
            .trim()
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        digits.parse().expect("a number")
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
}

fn columns(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => {
            "SELECT m.name, p.name, p.type FROM sqlite_master m, pragma_table_info(m.name) p \
             WHERE m.type = 'table' ORDER BY m.name, p.cid"
        }
        Engine::MySql => {
            "SELECT CAST(table_name AS CHAR), CAST(column_name AS CHAR), CAST(data_type AS CHAR) \
             FROM information_schema.columns WHERE table_schema = DATABASE() \
             ORDER BY table_name, ordinal_position"
        }
    }
}

fn value(engine: Engine, table: &str, column: &str, kind: &str) -> String {
    let fixed = VALUES.iter().find(|(t, c, _)| *t == table && *c == column);
    if let Some((_, _, value)) = fixed {
        return (*value).to_owned();
    }
    let kind = kind.to_lowercase();
    match kind.split('(').next().unwrap_or_default() {
        "bigint" | "int" => "n".to_owned(),
        "smallint" => "n % 100".to_owned(),
        "varchar" | "char" if engine == Engine::MySql => "CONCAT('x', n)".to_owned(),
        "varchar" | "char" => "'x' || n".to_owned(),
        _ if engine == Engine::MySql => "CAST(n AS CHAR)".to_owned(),
        _ => "CAST(n AS BLOB)".to_owned(),
    }
}

// In the order of the keys, as rows come in life; random ones take ten times as long.
fn fill(engine: Engine, (table, columns): (&str, &[(&str, String)]), rows: u32) -> String {
    let (into, values): (Vec<&str>, Vec<&str>) = columns
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .unzip();
    let (into, values) = (into.join(", "), values.join(", "));
    match engine {
        Engine::Sqlite => format!(
            "PRAGMA synchronous = OFF; WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers \
             WHERE n < {rows}) INSERT INTO {table} ({into}) SELECT {values} FROM numbers"
        ),
        // From a table that MariaDB makes up, into one that it need not undo.
        Engine::MySql => format!(
            "SET unique_checks = 0, foreign_key_checks = 0; INSERT INTO {table} ({into}) SELECT {values} \
             FROM (SELECT seq AS n FROM seq_1_to_{rows}) numbers"
        ),
    }
}
