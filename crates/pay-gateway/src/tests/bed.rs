//! One pay-gateway with all that is around it, and what a test does to it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::{Attempt, Environment, ObligationKind, OrderNo, OutTradeNo, PaymentState};
use jiff::Timestamp;
use mesh::Lifecycle;
use seam::net::{Listener, Memory, Net, Stream};
use seam::{Clock, ManualClock, SystemIds};
use store::Engine;
use store::cache::{Cache, InProcess};
use testkit::{ENGINES, TestDb};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use work::{Runner, RunnerSettings, Tally};

use super::channel::{self, Channel, Gate, KEYS};
use super::shops::Shops;
use crate::channel::http::{ChannelHttp, HttpSettings};
use crate::payment::StoredPayment;
use crate::{KeyConfig, MIGRATIONS, Parts, PayGateway, PayGatewayConfig, Peers, ingress};

pub(super) const FEN: i64 = 8880;
/// What a payer has to pay in.
pub(super) const LIMIT: Duration = Duration::from_hours(2);
/// How long a channel has for an answer, unless a test says otherwise.
pub(super) const SEND: Duration = Duration::from_secs(5);

/// What differs from test to test.
pub(super) struct Setup {
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) concurrency: usize,
    pub(super) compression: u32,
    /// Whether anybody listens where the channel should be.
    pub(super) is_there: bool,
    /// What it shares with other processes; by itself, if there is nothing.
    pub(super) cache: Option<Arc<dyn Cache>>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            timeout: SEND,
            connect_timeout: SEND,
            concurrency: 64,
            compression: 1,
            is_there: true,
            cache: None,
        }
    }
}

/// A pay-gateway and its world.
pub(super) struct Bed {
    pub(super) test_db: TestDb,
    pub(super) clock: Arc<ManualClock>,
    pub(super) gateway: PayGateway,
    pub(super) channel: Channel,
    pub(super) shops: Shops,
    runner: Runner,
    pub(super) http: ChannelHttp,
    pub(super) net: Arc<Memory>,
    pub(super) dials: Arc<Dials>,
    pub(super) ingress: String,
}

/// The way to the channel: counts connections, and can keep them from being made.
pub(super) struct Dials {
    net: Arc<Memory>,
    count: AtomicUsize,
    hang: AtomicBool,
}

impl Dials {
    fn over(net: Arc<Memory>) -> Self {
        let (count, hang) = Default::default();
        Self { net, count, hang }
    }

    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub(super) fn hang(&self) {
        self.hang.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl Net for Dials {
    async fn dial(&self, address: &str) -> io::Result<Stream> {
        self.count.fetch_add(1, Ordering::Relaxed);
        if self.hang.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        self.net.dial(address).await
    }

    async fn listen(&self, address: &str) -> io::Result<Listener> {
        self.net.listen(address).await
    }
}

/// Runs a test on both engines.
pub(super) async fn on_both(test: impl AsyncFn(&Bed)) {
    on_both_with(Setup::default(), test).await;
}

/// Runs a test on both engines, set up so.
pub(super) async fn on_both_with(setup: Setup, test: impl AsyncFn(&Bed)) {
    for engine in ENGINES {
        let bed = Bed::open(engine, &setup).await;
        test(&bed).await;
    }
}

impl Bed {
    async fn open(engine: Engine, setup: &Setup) -> Self {
        let (test_db, clock) = (TestDb::create(engine).await, testkit::clock());
        let migrated = store::migrate::migrate("test", test_db.url(), MIGRATIONS).await;
        migrated.unwrap();
        let net = Arc::new(Memory::default());
        let channel = Channel::open(&net).await;
        let (shops, client) = Shops::open(&net).await;
        let dials = Arc::new(Dials::over(net.clone()));
        let by_itself = || Arc::new(InProcess::new(1 << 20, clock.clone())) as _;
        let parts = Parts {
            config: config(setup, &channel),
            database: test_db.settings(),
            environment: environment(),
            peers: Peers {
                shops: client,
                cache: setup.cache.clone().unwrap_or_else(by_itself),
                net: dials.clone(),
            },
        };
        let ids = Arc::new(SystemIds);
        let gateway = PayGateway::open(parts, clock.clone(), ids).await.unwrap();
        let runner = runner(&gateway);
        let listener = net.listen("127.0.0.1:0").await.unwrap();
        let ingress = format!("http://{}/callback/swiftpass", listener.address());
        let stop = CancellationToken::new();
        tokio::spawn(ingress::serve(gateway.clone(), listener, stop));
        let http = ChannelHttp::new(net.clone(), HttpSettings::default());
        Self {
            test_db,
            clock,
            gateway,
            channel,
            shops,
            runner,
            http,
            net,
            dials,
            ingress,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    // === what workers do ===

    /// Does what is due of a kind.
    pub(super) async fn drain(&self, kind: ObligationKind) -> Tally {
        let drained = self.runner.drain(&[kind.code()], &|_| {}).await;
        drained.unwrap()
    }

    /// The same in the background, to be looked at, or to be stopped like a worker that dies.
    pub(super) fn drain_meanwhile(&self, kind: ObligationKind) -> JoinHandle<Tally> {
        let runner = self.runner.clone();
        tokio::spawn(async move { runner.drain(&[kind.code()], &|_| {}).await.unwrap() })
    }

    // === what there is ===

    pub(super) async fn find(&self, number: OutTradeNo) -> Option<StoredPayment> {
        let found = StoredPayment::get(self.gateway.db(), number).await;
        found.unwrap()
    }

    pub(super) async fn stored(&self, number: OutTradeNo) -> StoredPayment {
        self.find(number).await.unwrap()
    }

    /// Brings a payment into a state, and leaves the channel as it was at first.
    pub(super) async fn reach(&self, number: OutTradeNo, state: PaymentState) {
        match state {
            PaymentState::Sent => self.send(number).await,
            PaymentState::Pending => drop(self.prepay(number).await),
            PaymentState::Unknown => self.prepay_as(number, channel::Says::Garbage("<")).await,
            PaymentState::Declined => self.prepay_as(number, channel::refused("AUTH")).await,
            PaymentState::Closing => {
                self.prepay_as(number, channel::Says::Garbage("<")).await;
                self.wait(5);
                self.prepay(number).await;
            }
            PaymentState::Closed => {
                self.prepay(number).await;
                self.wait(15);
                self.channel.says(channel::QUERY, channel::state("CLOSED"));
                self.query(number).await;
            }
            other => panic!("{other} is not reached this way"),
        }
        self.channel.says(channel::PREPAY, channel::ready());
        self.channel.says(channel::QUERY, channel::not_found());
        assert_eq!(self.stored(number).await.state, state);
    }

    /// Brings a payment by code into a state, and leaves the channel as it was at first.
    pub(super) async fn reach_by_code(&self, number: OutTradeNo, state: PaymentState) {
        match state {
            PaymentState::Pending => drop(self.pay(number).await),
            PaymentState::Unknown => self.pay_as(number, channel::Says::Garbage("<")).await,
            PaymentState::Declined => self.pay_as(number, channel::declined("AUTH")).await,
            PaymentState::Succeeded => {
                let taken = channel::taken(FEN, self.now());
                self.pay_as(number, taken).await;
            }
            PaymentState::Closing => {
                self.pay(number).await;
                self.close_by_code(number).await;
            }
            PaymentState::Reversed => {
                self.pay(number).await;
                self.close_by_code(number).await;
                self.wait(15);
                let (before, after) = (channel::state("USERPAYING"), channel::state("REVERSE"));
                let says = channel::since(channel::REVERSE, before, after);
                self.channel.says(channel::QUERY, says);
                self.drain(ObligationKind::Close).await;
            }
            other => panic!("{other} is not reached this way"),
        }
        self.channel.says(channel::PAY, channel::typing());
        self.channel.says(channel::QUERY, channel::not_found());
        assert_eq!(self.stored(number).await.state, state);
    }

    async fn pay_as(&self, number: OutTradeNo, says: channel::Says) {
        self.channel.says(channel::PAY, says);
        self.pay(number).await;
    }

    // The channel has the request, and never answers.
    async fn send(&self, number: OutTradeNo) {
        let says = Gate::shut().holds(channel::ready());
        self.channel.says(channel::PREPAY, says);
        let asked = self.channel.asked(channel::PREPAY).len();
        drop(self.prepay_meanwhile(number));
        self.channel.was_asked(channel::PREPAY, asked + 1).await;
    }

    async fn prepay_as(&self, number: OutTradeNo, says: channel::Says) {
        self.channel.says(channel::PREPAY, says);
        self.prepay(number).await;
    }
}

pub(super) fn environment() -> Environment {
    Environment::letter('T').unwrap()
}

/// The first payment of the n-th order of noon.
pub(super) fn number(n: u8) -> OutTradeNo {
    OutTradeNo {
        order: OrderNo::compose(testkit::clock().now(), 1, n).unwrap(),
        attempt: Attempt::FIRST,
        environment: environment(),
    }
}

/// The same order's next payment.
pub(super) fn next(number: OutTradeNo) -> OutTradeNo {
    let attempt = number.attempt.next().unwrap();
    OutTradeNo { attempt, ..number }
}

fn config(setup: &Setup, channel: &Channel) -> PayGatewayConfig {
    let mut config = PayGatewayConfig {
        callback_url: "https://pay.example.test/".to_owned(),
        ..PayGatewayConfig::default()
    };
    config.compression = setup.compression;
    config.swiftpass.timeout = setup.timeout;
    config.swiftpass.connect_timeout = setup.connect_timeout;
    config.swiftpass.concurrency = setup.concurrency;
    config.swiftpass.gateway_url = if setup.is_there {
        channel.url.clone()
    } else {
        "http://127.0.0.1:9/pay/gateway".to_owned()
    };
    for (name, key) in KEYS {
        let key = KeyConfig {
            value: Some(key.into()),
            ..KeyConfig::default()
        };
        config.swiftpass.keys.insert(name.to_owned(), key);
    }
    config
}

fn runner(gateway: &PayGateway) -> Runner {
    let (db, jobs) = (gateway.db().clone(), gateway.jobs());
    Runner::new(db, jobs, RunnerSettings::default(), &Lifecycle::new()).unwrap()
}
