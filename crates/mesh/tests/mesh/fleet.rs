//! Servers by the dozen, and networks and resolvers that misbehave.

use crate::probe::{Probe, World, ask};
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mesh::{Client, ClientSettings, Lifecycle, Policies, Resolve, Resolved};
use seam::SeededIds;
use seam::net::{Listener, Memory, Net, Stream};
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Probes at addresses of their own, each counting its calls.
pub(crate) struct Fleet {
    pub(crate) world: World,
    pub(crate) addresses: Vec<String>,
    pub(crate) calls: Vec<Arc<AtomicUsize>>,
    pub(crate) lifecycles: Vec<Lifecycle>,
}

impl Fleet {
    /// A server for each handler.
    pub(crate) async fn start(world: World, handlers: Vec<fn() -> Probe>) -> Self {
        let mut fleet = Self {
            world,
            addresses: Vec::new(),
            calls: Vec::new(),
            lifecycles: Vec::new(),
        };
        for handler in handlers {
            fleet.add(handler).await;
        }
        fleet
    }

    pub(crate) async fn add(&mut self, handler: fn() -> Probe) {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let counting = Probe::new(move |text| {
            counted.fetch_add(1, Ordering::Relaxed);
            handler().handle(text)
        });
        let (address, lifecycle, _) = self.world.serve(counting).await;
        self.addresses.push(address);
        self.calls.push(calls);
        self.lifecycles.push(lifecycle);
    }

    pub(crate) fn target(&self) -> String {
        format!("static:///{}", self.addresses.join(","))
    }

    pub(crate) fn client(&self) -> Client {
        client(&self.world, settings(&self.target()))
    }

    pub(crate) fn counts(&self) -> Vec<usize> {
        self.calls
            .iter()
            .map(|calls| calls.load(Ordering::Relaxed))
            .collect()
    }

    pub(crate) fn ports(&self) -> Vec<SocketAddr> {
        self.addresses
            .iter()
            .map(|address| address.parse().unwrap())
            .collect()
    }
}

pub(crate) fn settings(target: &str) -> ClientSettings {
    ClientSettings {
        ids: Arc::new(SeededIds::new(7)),
        // Whatever the machine is like.
        connections: 4,
        ..ClientSettings::new("test", target)
    }
}

pub(crate) fn client(world: &World, settings: ClientSettings) -> Client {
    Client::new(settings, world.net.clone(), world.policies.clone()).unwrap()
}

pub(crate) fn quick() -> Probe {
    Probe::new(async |text| {
        sleep(millis(10)).await;
        Ok(text)
    })
}

pub(crate) fn slow() -> Probe {
    Probe::new(async |text| {
        sleep(millis(200)).await;
        Ok(text)
    })
}

pub(crate) fn broken() -> Probe {
    Probe::new(async |_| Err(Status::unavailable("not today")))
}

/// Calls from many sides at once for a while; what failed.
pub(crate) async fn load(
    client: &Client,
    callers: usize,
    lasting: Duration,
) -> (usize, Vec<Status>) {
    let until = Instant::now() + lasting;
    let callers = (0..callers).map(|_| {
        let client = client.clone();
        tokio::spawn(async move {
            let (mut made, mut failed) = (0, Vec::new());
            while Instant::now() < until {
                made += 1;
                failed.extend(ask(&client, "x").await.err());
            }
            (made, failed)
        })
    });
    let mut all = (0, Vec::new());
    for caller in callers.collect::<Vec<_>>() {
        let (made, failed) = caller.await.unwrap();
        all.0 += made;
        all.1.extend(failed);
    }
    all
}

/// A network whose connections can be counted, cut off and silenced.
pub(crate) struct Watched {
    pub(crate) memory: Memory,
    pub(crate) dials: Mutex<HashMap<String, usize>>,
    pub(crate) silent: Arc<AtomicBool>,
}

impl Watched {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            memory: Memory::default(),
            dials: Mutex::default(),
            silent: Arc::default(),
        })
    }

    pub(crate) fn world(self: &Arc<Self>) -> World {
        World {
            net: self.clone(),
            policies: Policies::read(proto::DESCRIPTORS).unwrap(),
        }
    }

    pub(crate) fn dials(&self) -> usize {
        self.dials.lock().unwrap().values().sum()
    }
}

#[tonic::async_trait]
impl Net for Watched {
    async fn dial(&self, address: &str) -> io::Result<Stream> {
        *self
            .dials
            .lock()
            .unwrap()
            .entry(address.to_owned())
            .or_default() += 1;
        if self.silent.load(Ordering::Relaxed) {
            return std::future::pending().await;
        }
        self.memory.dial(address).await
    }

    async fn listen(&self, address: &str) -> io::Result<Listener> {
        self.memory.listen(address).await
    }
}

/// Serves probes with few streams a connection; counts the connections that are open.
pub(crate) async fn with_few_streams<S>(
    net: &dyn Net,
    streams: u32,
    probe: S,
) -> (String, Arc<AtomicUsize>)
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
{
    let mut listener = net.listen("127.0.0.1:0").await.unwrap();
    let address = listener.address().to_string();
    let open = Arc::new(AtomicUsize::new(0));
    let counted = open.clone();
    tokio::spawn(async move {
        loop {
            let stream = TokioIo::new(listener.accept().await.unwrap());
            let (probe, open) = (probe.clone(), counted.clone());
            open.fetch_add(1, Ordering::Relaxed);
            let service = hyper::service::service_fn(move |request: http::Request<_>| {
                probe.clone().call(request.map(Body::new))
            });
            tokio::spawn(async move {
                let mut builder = http2::Builder::new(TokioExecutor::new());
                let served = builder.max_concurrent_streams(streams);
                let _ = served.serve_connection(stream, service).await;
                open.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    (address, open)
}

/// A resolver that says what the test says.
#[derive(Default)]
pub(crate) struct Names(Mutex<Option<Vec<SocketAddr>>>);

impl Names {
    pub(crate) fn say(&self, addresses: Option<&[SocketAddr]>) {
        *self.0.lock().unwrap() = addresses.map(<[_]>::to_vec);
    }
}

#[tonic::async_trait]
impl Resolve for Names {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Resolved> {
        assert_eq!((host, port), ("probes.test", 80));
        let said = self.0.lock().unwrap().clone();
        said.map(Resolved::from)
            .ok_or_else(|| io::ErrorKind::TimedOut.into())
    }
}

pub(crate) fn named(world: &World, names: &Arc<Names>) -> Client {
    let settings = ClientSettings {
        resolver: names.clone(),
        ..settings("dns:///probes.test:80")
    };
    client(world, settings)
}

pub(crate) const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
