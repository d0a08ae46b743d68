//! What every role stands on: the seams, the policies, the lifecycle, the configuration.

use std::sync::Arc;

use mesh::{Client, ClientSettings, Directory, Explain, Lifecycle, Policies, Spans, Tls};
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
    /// Whom the process calls and what it serves, for explain.
    pub directory: Directory,
    /// Who this process is, and whom it believes; none: connections are plain.
    pub tls: Option<Tls>,
    /// Ready, stopping, drained.
    pub lifecycle: Lifecycle,
    /// Where spans go.
    pub spans: Spans,
    /// What servers do wrong on purpose.
    #[cfg(feature = "faults")]
    pub faults: Vec<mesh::Injection>,
}

impl Ground {
    /// The real world, logs and metrics on, signals heeded.
    pub fn new(config: Config) -> Result<Self, Failure> {
        let logs = mesh::init_logs(config.log.format.into(), &config.log.filter);
        logs.map_err(|e| Failure::config(format!("log.filter: {e}")))?;
        // Before anything counts: what is counted earlier is lost.
        mesh::install_metrics().map_err(|e| Failure::new("METRICS_FAILED", e))?;
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
        let policies = policies()?;
        follow(&config, &policies, &lifecycle);
        let directory = Directory::default();
        let spans = spans(&config.log.otlp, (&net, &clock), (&lifecycle, &directory))?;
        let tls = tls(&config, (&policies, &clock), &lifecycle)?;
        Ok(Self {
            #[cfg(feature = "faults")]
            faults: faults(&config, &policies)?,
            config,
            net,
            clock,
            ids,
            cache,
            bell,
            policies,
            directory,
            tls,
            lifecycle,
            spans,
        })
    }

    /// A client of the service that calls itself `peer`.
    pub fn client(
        &self,
        caller: &'static str,
        target: &str,
        peer: &str,
    ) -> Result<Client, Failure> {
        let settings = ClientSettings {
            tls: self.tls.clone(),
            peer: Some(peer.to_owned()),
            spans: self.spans.clone(),
            directory: self.directory.clone(),
            ..ClientSettings::new(caller, target)
        };
        Ok(Client::new(
            settings,
            Arc::clone(&self.net),
            self.policies.clone(),
        )?)
    }

    /// Refuses to be this service with somebody else's certificate: peers would not talk to it.
    pub fn is_called(&self, service: &str) -> Result<(), Failure> {
        let Some(tls) = &self.tls else {
            return Ok(());
        };
        let shown = tls.identity();
        if shown.name() == service {
            return Ok(());
        }
        Err(Failure::config(format!(
            "mesh.tls.cert is a certificate for {shown}, and this is {service}: use its own"
        )))
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

    /// Serves `/metrics`, `/livez` and `/readyz`, explain and health until the process ends.
    pub async fn admin(&self) -> Result<std::net::SocketAddr, Failure> {
        let listener = self.listen("admin", &self.config.listen.admin).await?;
        let address = listener.address();
        let metrics = mesh::install_metrics().map_err(|e| Failure::new("METRICS_FAILED", e))?;
        tokio::spawn(mesh::admin::serve(
            listener,
            self.lifecycle.clone(),
            metrics,
            Explain::new(self.directory.clone(), self.policies.clone()),
        ));
        Ok(address)
    }
}

// The first call is under the file already; whatever is wrong with it stops no process.
fn follow(config: &Config, policies: &Policies, lifecycle: &Lifecycle) {
    let Some(file) = config.mesh.policy() else {
        return;
    };
    policies.read_file(&file);
    let (policies, stop) = (policies.clone(), lifecycle.token());
    lifecycle.spawn(
        "policy file",
        async move { policies.follow(file, stop).await },
    );
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

// The certificates, looked at again until the process stops.
fn tls(
    config: &Config,
    (policies, clock): (&Policies, &Arc<dyn Clock>),
    lifecycle: &Lifecycle,
) -> Result<Option<Tls>, Failure> {
    let callers = config.mesh.callers().check(policies);
    callers.map_err(|e| Failure::config(format!("mesh.callers: {e}")))?;
    let tls = config.mesh.tls.load(Arc::clone(clock))?;
    if let Some(tls) = &tls {
        lifecycle.spawn("certificates", tls.reload(lifecycle.token()));
    }
    Ok(tls)
}

type SpanSeams<'a> = (&'a Arc<dyn Net>, &'a Arc<dyn Clock>);

#[cfg(feature = "otlp")]
fn spans(
    endpoint: &str,
    (net, clock): SpanSeams<'_>,
    around: (&Lifecycle, &Directory),
) -> Result<Spans, Failure> {
    if endpoint.is_empty() {
        return Ok(Spans::default());
    }
    let seams = (Arc::clone(net), Arc::clone(clock));
    let spans = mesh::otlp::export(endpoint, seams, around);
    spans.map_err(|error| Failure::config(format!("log.otlp: {error}")))
}

#[cfg(not(feature = "otlp"))]
fn spans(endpoint: &str, _: SpanSeams<'_>, _: (&Lifecycle, &Directory)) -> Result<Spans, Failure> {
    if endpoint.is_empty() {
        return Ok(Spans::default());
    }
    Err(Failure::config(
        "log.otlp: this build exports no spans: it was made without the cargo feature otlp",
    ))
}

#[cfg(feature = "faults")]
fn faults(config: &Config, policies: &Policies) -> Result<Vec<mesh::Injection>, Failure> {
    let faults = config.mesh.faults.iter().enumerate();
    faults
        .map(|(nth, fault)| fault.injection(nth, policies))
        .collect()
}

/// A client for a command that is no part of the mesh: it calls as whom its certificate names, if
/// the configuration has one. `peer` is what the server has to be called, if that is known.
pub fn visitor(
    config: &Config,
    caller: &'static str,
    target: &str,
    peer: Option<&str>,
) -> Result<Client, Failure> {
    let settings = ClientSettings {
        tls: config.mesh.tls.load(Arc::new(SystemClock))?,
        peer: peer.map(str::to_owned),
        ..ClientSettings::new(caller, target)
    };
    Ok(Client::new(settings, Arc::new(Tcp), policies()?)?)
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
    async fn spans_that_cannot_be_exported_are_refused_at_start() {
        let mut config = Config::default();
        config.log.otlp = "collector:4317".to_owned();
        let ground = Ground::on(
            config,
            (Arc::new(Tcp), Arc::new(SystemClock), Arc::new(SystemIds)),
            Lifecycle::new(),
        );
        let why = ground.err().unwrap().to_string();
        assert!(why.starts_with("CONFIG_INVALID: log.otlp: "), "{why}");
    }

    #[tokio::test]
    async fn a_redis_that_cannot_be_is_refused_at_start() {
        let why = ground("127.0.0.1:6379").err().unwrap().to_string();
        assert!(why.starts_with("CONFIG_INVALID: redis.url: "), "{why}");
    }
}
