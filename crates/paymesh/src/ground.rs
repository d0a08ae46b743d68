//! What every role stands on: the seams, the policies, the lifecycle, the configuration.

use std::sync::Arc;

use mesh::{Client, ClientSettings, Lifecycle, Policies};
use seam::net::{Listener, Net, Tcp};
use seam::{Clock, Ids, SystemClock, SystemIds};
use store::bell::{self, Bell};
use store::cache::{self, Cache, InProcess, Layered};

use crate::config::Config;
use crate::failure::Failure;

const CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// The seams and what is shared above them.
#[derive(Clone)]
pub struct Ground {
    /// The configuration.
    pub config: Config,
    /// The network.
    pub net: Arc<dyn Net>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub ids: Arc<dyn Ids>,
    /// What is remembered of other services' answers.
    pub cache: Arc<dyn Cache>,
    /// What tells other processes that something has changed.
    pub bell: Arc<dyn Bell>,
    /// How each RPC is called.
    pub policies: Policies,
    /// Ready, stopping, drained.
    pub lifecycle: Lifecycle,
}

impl Ground {
    /// The real world, logs and metrics on, signals heeded.
    pub fn new(config: Config) -> Result<Self, Failure> {
        let logs = mesh::init_logs(config.log.format.into(), &config.log.filter);
        logs.map_err(|e| Failure::config(format!("log.filter: {e}")))?;
        let lifecycle = Lifecycle::new();
        lifecycle
            .on_signals()
            .map_err(|e| Failure::new("SIGNALS_FAILED", e))?;
        Self::on(
            config,
            (Arc::new(Tcp), Arc::new(SystemClock), Arc::new(SystemIds)),
            lifecycle,
        )
    }

    /// The same on other seams.
    pub fn on(
        config: Config,
        (net, clock, ids): (Arc<dyn Net>, Arc<dyn Clock>, Arc<dyn Ids>),
        lifecycle: Lifecycle,
    ) -> Result<Self, Failure> {
        let (cache, bell) = shared(&config, &clock, ids.as_ref())?;
        Ok(Self {
            config,
            net,
            clock,
            ids,
            cache,
            bell,
            policies: policies()?,
            lifecycle,
        })
    }

    pub fn client(&self, caller: &'static str, target: &str) -> Result<Client, Failure> {
        let settings = ClientSettings::new(caller, target);
        Ok(Client::new(
            settings,
            Arc::clone(&self.net),
            self.policies.clone(),
        )?)
    }

    pub async fn listen(&self, key: &str, address: &str) -> Result<Listener, Failure> {
        self.net
            .listen(address)
            .await
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::AddrInUse => Failure::new(
                    "PORT_IN_USE",
                    format!("{address} is in use: stop what listens there, or set listen.{key}"),
                ),
                _ => Failure::new("LISTEN_FAILED", format!("listen.{key} {address}: {error}")),
            })
    }

    /// Serves `/metrics`, `/livez` and `/readyz` until the process ends.
    pub async fn admin(&self) -> Result<std::net::SocketAddr, Failure> {
        let listener = self.listen("admin", &self.config.listen.admin).await?;
        let address = listener.address();
        let metrics = mesh::install_metrics().map_err(|e| Failure::new("METRICS_FAILED", e))?;
        tokio::spawn(mesh::admin::serve(
            listener,
            self.lifecycle.clone(),
            metrics,
        ));
        Ok(address)
    }
}

type Shared = (Arc<dyn Cache>, Arc<dyn Bell>);

// With Redis, what processes share; without, each is by itself.
fn shared(config: &Config, clock: &Arc<dyn Clock>, ids: &dyn Ids) -> Result<Shared, Failure> {
    let Some(link) = config.redis.link(config.environment()?)? else {
        let cache = InProcess::new(CACHE_BYTES, Arc::clone(clock));
        return Ok((Arc::new(cache), Arc::new(bell::InProcess::default())));
    };
    let bell = bell::Redis::start(&link, ids.nonce());
    let far = Arc::new(cache::Redis::new(link));
    let cache = Layered::new(CACHE_BYTES, far, Arc::clone(clock));
    Ok((Arc::new(cache), Arc::new(bell)))
}

/// The policies the protos declare.
pub fn policies() -> Result<Policies, Failure> {
    Policies::read(proto::DESCRIPTORS).map_err(|e| Failure::new("POLICIES_INVALID", e))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ground(redis: &str) -> Result<Ground, Failure> {
        let mut config = Config::default();
        config.redis.url = Some(redis.into());
        Ground::on(
            config,
            (Arc::new(Tcp), Arc::new(SystemClock), Arc::new(SystemIds)),
            Lifecycle::new(),
        )
    }

    #[tokio::test]
    async fn a_redis_that_is_away_is_no_error() {
        // Nobody listens on port 1.
        let ground = ground("redis://127.0.0.1:1/").unwrap();
        let mut rings = ground.bell.subscribe("orders");
        let ttl = Duration::from_mins(1);
        drop(ground.cache.put("key", vec![1], ttl).await);
        assert_eq!(ground.cache.get("key").await, Ok(Some(vec![1])));
        ground.bell.publish("orders", "1");
        assert_eq!(&*rings.try_recv().unwrap(), "1");
    }

    #[tokio::test]
    async fn a_redis_that_cannot_be_is_refused_at_start() {
        let why = ground("127.0.0.1:6379").err().unwrap().to_string();
        assert!(why.starts_with("CONFIG_INVALID: redis.url: "), "{why}");
    }
}
