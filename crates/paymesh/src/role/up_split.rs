//! `paymesh up-split`: every role as processes of its own, as in a deployment, on databases that
//! are made at the start and gone at the end.

use drill::{Split, Stores};
use seam::{Ids, SystemIds};
use secrecy::{ExposeSecret, SecretString};

use crate::cli::{Servers, UpSplit};
use crate::failure::Failure;

const NO_SERVER: &str = "no MySQL is named: use --mysql or PAYMESH_TEST_MYSQL_URL; `make up-split` and \
                         `make demo-split` bring one along";

pub async fn run(up: UpSplit) -> Result<(), Failure> {
    let exe = std::env::current_exe().map_err(|e| Failure::new("UP_SPLIT_FAILED", e))?;
    let databases = Databases::make(&up.servers).await?;
    let split = Split {
        exe,
        data_dir: up.data_dir,
        stores: databases.stores.clone(),
        tls: up.tls,
    };
    let ran = drill::up_split(split).await;
    databases.remove().await;
    ran.map_err(|e| Failure::new("UP_SPLIT_FAILED", e))
}

/// Databases of one mesh.
#[derive(Debug)]
pub struct Databases {
    pub stores: Stores,
    name: String,
}

impl Databases {
    /// Makes empty ones, under names of their own.
    pub async fn make(servers: &Servers) -> Result<Self, Failure> {
        let server = servers.mysql.as_ref().map(SecretString::expose_secret);
        let server = server.ok_or_else(|| Failure::new("DATABASE_URL_INVALID", NO_SERVER))?;
        let name = format!("paymesh_split_{}", SystemIds.positive());
        let url = |service: &str| format!("{}/{name}_{service}", server.trim_end_matches('/'));
        let redis = servers.redis.as_ref().map(SecretString::expose_secret);
        let made = Self {
            stores: Stores {
                shop_center: url("shop_center"),
                rate: url("rate"),
                trade: url("trade"),
                pay_gateway: url("pay_gateway"),
                redis: redis.map(|url| (url.to_owned(), name.clone())),
            },
            name,
        };
        for url in made.urls() {
            if let Err(error) = store::migrate::create(url).await {
                made.remove().await;
                return Err(error.into());
            }
        }
        Ok(made)
    }

    /// Removes them; what cannot be removed is said.
    pub async fn remove(&self) {
        for url in self.urls() {
            if let Err(error) = store::migrate::remove(url).await {
                eprintln!("a database cannot be removed: {error}");
            }
        }
    }

    /// Leaves them where they are, and says so.
    pub fn keep(&self) {
        eprintln!("the databases {}_* are kept", self.name);
    }

    fn urls(&self) -> [&str; 4] {
        let Stores {
            shop_center,
            rate,
            trade,
            pay_gateway,
            ..
        } = &self.stores;
        [shop_center, rate, trade, pay_gateway]
    }
}
