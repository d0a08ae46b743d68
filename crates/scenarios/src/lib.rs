//! A whole mesh within a test: each service a process of its own in all but name, with its
//! own lifecycle, cache and database, joined by a network in memory. What `paymesh serve`
//! and `up` are made of, put together by the same code.

mod books;
mod facts;
mod http;
mod law;
mod life;
mod notice;
mod owing;
mod process;
mod refunds;
mod relay;
mod script;
mod shop;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use mesh::{Client, ClientSettings};
use pay_gateway::KeyConfig;
use paymesh::cli::Service;
use paymesh::config::{Config, PeersConfig};
use paymesh::ground;
use proto::gateway::v1::payment_service_client::PaymentServiceClient;
use proto::rate::v1::rate_service_client::RateServiceClient;
use proto::sandbox::v1::sandbox_service_client::SandboxServiceClient;
use proto::shop::v1::shop_service_client::ShopServiceClient;
use proto::task::v1::task_service_client::TaskServiceClient;
use proto::trade::v1::trade_service_client::TradeServiceClient;
use sandbox::{Key, MerchantKey, SandboxSettings};
use seam::net::Memory;
use store::Engine;
use store::config::DatabaseConfig;
use tempfile::TempDir;
use testkit::TestDb;

pub use facts::TOLD_PAID_AT;
pub use http::{HttpAnswer, get, post};
pub use law::laws;
pub use life::{Paying, key_of, wish_to_pay, wish_to_scan, wish_to_see};
pub use notice::{Notice, resigned};
pub use owing::Due;
pub use process::{Process, Workers};
pub use refunds::{left_of, refund_key_of, wish_for_refund};
pub use relay::{Mode, Relay};
pub use shop::{OTHER_MCH_ID, Shop};

/// The key of the accounts this mesh seeds, and of the sandbox.
pub const KEY: &str = "9d101c97133837e13dde2d32a5054abb";
/// The key of another merchant of the same channel.
pub const OTHER_KEY: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";

/// Where the channels' callbacks come in.
pub const INGRESS: &str = "127.0.0.1:1007";
const CHANNEL: &str = "127.0.0.1:1006";
const CHANNEL_RELAY: &str = "127.0.0.1:1008";
const CALLBACK_RELAY: &str = "127.0.0.1:1009";
const SANDBOX: &str = "127.0.0.1:1005";

/// Every service, in the order they start.
pub const SERVICES: [Service; 4] = [
    Service::ShopCenter,
    Service::Rate,
    Service::PayGateway,
    Service::Trade,
];

/// Where a service's RPCs are.
pub fn address_of(service: Service) -> &'static str {
    match service {
        Service::ShopCenter => "127.0.0.1:1001",
        Service::Rate => "127.0.0.1:1002",
        Service::Trade => "127.0.0.1:1003",
        Service::PayGateway => "127.0.0.1:1004",
    }
}

/// A mesh for one test.
pub struct TestMesh {
    /// Which engine every service's database is on.
    pub engine: Engine,
    /// Between pay-gateway and the channel.
    pub channel: Relay,
    /// Between the channel and the callback ingress.
    pub callbacks: Relay,
    config: Config,
    net: Arc<Memory>,
    databases: BTreeMap<&'static str, TestDb>,
    processes: BTreeMap<&'static str, Process>,
    sandbox: process::Channel,
    clients: BTreeMap<&'static str, Client>,
    numbers: AtomicI64,
    _folder: TempDir,
}

impl TestMesh {
    /// Everything runs, workers too.
    pub async fn start(engine: Engine) -> Self {
        Self::with(engine, Workers::On, |_| {}).await
    }

    /// The same without background work: obligations and feed stay as they are.
    pub async fn idle(engine: Engine) -> Self {
        Self::with(engine, Workers::Off, |_| {}).await
    }

    /// With a changed configuration.
    pub async fn with(engine: Engine, workers: Workers, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut databases = BTreeMap::new();
        for service in SERVICES {
            databases.insert(service.name(), TestDb::create(engine).await);
        }
        let mut config = config(&databases, folder.path().join("sandbox.db"));
        change(&mut config);
        let net = Arc::new(Memory::default());
        let channel = Relay::start(&net, CHANNEL_RELAY, CHANNEL).await;
        let callbacks = Relay::start(&net, CALLBACK_RELAY, INGRESS).await;
        let sandbox = process::Channel::start(&config, &net).await;
        let clients = SERVICES.map(|service| (service.name(), address_of(service)));
        let clients = clients.into_iter().chain([("sandbox", SANDBOX)]);
        let clients = clients
            .map(|(name, address)| (name, client(&net, address)))
            .collect();
        let mut mesh = Self {
            engine,
            channel,
            callbacks,
            config,
            net,
            databases,
            processes: BTreeMap::new(),
            sandbox,
            clients,
            numbers: AtomicI64::new(1),
            _folder: folder,
        };
        for service in SERVICES {
            mesh.start_again(service, workers).await;
        }
        mesh
    }

    /// Starts a service that does not run, on the data it has.
    pub async fn start_again(&mut self, service: Service, workers: Workers) {
        let process = Process::start(&self.config, &self.net, (service, workers)).await;
        let before = self.processes.insert(service.name(), process);
        assert!(before.is_none(), "{} runs already", service.name());
    }

    /// Ends a service as SIGTERM does, if it runs.
    pub async fn stop(&mut self, service: Service) {
        if let Some(process) = self.processes.remove(service.name()) {
            process.stop().await;
        }
    }

    /// Ends a service and starts it again.
    pub async fn restart(&mut self, service: Service, workers: Workers) {
        self.stop(service).await;
        self.start_again(service, workers).await;
    }

    /// Lets pay-gateway find the channel where a changed configuration had hidden it.
    pub async fn reach_the_channel(&mut self) {
        self.config.pay_gateway.swiftpass.gateway_url = channel_url();
        self.restart(Service::PayGateway, Workers::On).await;
    }

    /// A running service.
    pub fn process(&self, service: Service) -> &Process {
        self.processes.get(service.name()).expect("it runs")
    }

    /// A service's database, past the service.
    pub fn db(&self, service: Service) -> &TestDb {
        self.databases.get(service.name()).expect("it has one")
    }

    /// The configuration the services were started with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The network between everything.
    pub fn net(&self) -> &Arc<Memory> {
        &self.net
    }

    /// shop-center.
    pub fn shops(&self) -> ShopServiceClient<Client> {
        ShopServiceClient::new(self.client(Service::ShopCenter.name()))
    }

    /// rate.
    pub fn rates(&self) -> RateServiceClient<Client> {
        RateServiceClient::new(self.client(Service::Rate.name()))
    }

    /// trade.
    pub fn trade(&self) -> TradeServiceClient<Client> {
        TradeServiceClient::new(self.client(Service::Trade.name()))
    }

    /// pay-gateway.
    pub fn payments(&self) -> PaymentServiceClient<Client> {
        PaymentServiceClient::new(self.client(Service::PayGateway.name()))
    }

    /// A service's tasks.
    pub fn tasks(&self, service: Service) -> TaskServiceClient<Client> {
        TaskServiceClient::new(self.client(service.name()))
    }

    /// The channel's payers and its ledger.
    pub fn payers(&self) -> SandboxServiceClient<Client> {
        SandboxServiceClient::new(self.client("sandbox"))
    }

    /// A connection to a service, for a client of any of its services.
    pub fn client(&self, name: &str) -> Client {
        self.clients
            .get(name)
            .expect("there is such a service")
            .clone()
    }

    /// Ends everything in order; what a test leaves running is dropped with it.
    pub async fn end(&mut self) {
        for service in SERVICES.into_iter().rev() {
            self.stop(service).await;
        }
        self.sandbox.stop().await;
    }

    // A number no one else in this mesh has.
    fn number(&self) -> i64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }
}

/// Waits until `holds` answers something; fails after a while.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, holds: impl Fn() -> F) -> T {
    let give_up = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = holds().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < give_up, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn client(net: &Arc<Memory>, address: &str) -> Client {
    let policies = ground::policies().expect("the policies are valid");
    let settings = ClientSettings::new("test", address);
    Client::new(settings, Arc::clone(net) as _, policies).expect("a valid address")
}

fn channel_url() -> String {
    format!("http://{CHANNEL_RELAY}/pay/gateway")
}

// Schedules are compressed, so that a test sees in a second what takes hours.
fn config(databases: &BTreeMap<&'static str, TestDb>, ledger: PathBuf) -> Config {
    let mut config = Config::default();
    let sections: [(Service, &mut DatabaseConfig); 4] = [
        (Service::ShopCenter, &mut config.shop_center.database),
        (Service::Rate, &mut config.rate.database),
        (Service::Trade, &mut config.trade.database),
        (Service::PayGateway, &mut config.pay_gateway.database),
    ];
    for (service, section) in sections {
        section.url = databases.get(service.name()).map(|db| db.url().into());
        section.patience = Duration::from_secs(2);
    }
    config.peers = PeersConfig {
        shop_center: address_of(Service::ShopCenter).to_owned(),
        rate: address_of(Service::Rate).to_owned(),
        pay_gateway: address_of(Service::PayGateway).to_owned(),
        trade: address_of(Service::Trade).to_owned(),
    };
    config.drain = Duration::from_secs(5);
    config.jobs.retry_first = Duration::from_millis(50);
    config.jobs.retry_most = Duration::from_millis(200);
    config.trade.shop_cache = Duration::from_secs(1);
    let gateway = &mut config.pay_gateway;
    gateway.account_cache = Duration::from_secs(1);
    gateway.callback_url = format!("http://{CALLBACK_RELAY}");
    gateway.swiftpass.gateway_url = channel_url();
    for (name, key) in [("sandbox", KEY), ("other", OTHER_KEY)] {
        let key = KeyConfig {
            value: Some(key.into()),
            ..KeyConfig::default()
        };
        gateway.swiftpass.keys.insert(name.to_owned(), key);
    }
    SANDBOX.clone_into(&mut config.listen.grpc);
    CHANNEL.clone_into(&mut config.listen.sandbox);
    INGRESS.clone_into(&mut config.listen.callback);
    config.sandbox = SandboxSettings {
        ledger,
        partner_key: Some(Key::new(KEY)),
        merchants: vec![MerchantKey {
            mch_id: OTHER_MCH_ID.to_owned(),
            key: Key::new(OTHER_KEY),
        }],
        notify_schedule: [0, 20, 50, 100]
            .into_iter()
            .chain([200; 200])
            .map(Duration::from_millis)
            .collect(),
        notify_timeout: Duration::from_secs(2),
        ..SandboxSettings::default()
    };
    config
}
