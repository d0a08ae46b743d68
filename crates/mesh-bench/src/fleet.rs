//! The servers' process: five nodes of the mesh, two of bare tonic, and a network before the
//! five that can be made bad. It does what it is told on its standard input.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mesh::tls::Tls;
use testkit::{FaultProxy, Faults};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::certificates::followed;
use crate::error::BenchError;
use crate::node::{Kind, Node};
use crate::order::Order;

/// How many servers share the calls.
pub(crate) const NODES: usize = 5;
/// Streams a connection, where there are few.
pub(crate) const FEW_STREAMS: u32 = 100;
/// How long a server that was drained stays away.
const AWAY: Duration = Duration::from_millis(100);
/// How long it is back before the next one goes.
const BACK: Duration = Duration::from_millis(300);

// Below those the system gives away: a server that is dead must find its port free again, and a
// dial to it must not meet itself.
const FIRST_PORT: u16 = 20_000;
const LAST_PORT: u16 = 32_000;

/// All servers, and what stands between them and their clients.
struct Fleet {
    nodes: Vec<Node>,
    /// Few streams, and as many as there may be.
    bare: Vec<Node>,
    network: Vec<FaultProxy>,
}

/// Serves until its standard input ends; the first line it says has the addresses: of the nodes,
/// of the network before them, of the server with few streams and of the bare one.
pub(crate) async fn serve(certificates: Option<&Path>) -> Result<(), BenchError> {
    let stop = CancellationToken::new();
    let tls = certificates.map(|folder| followed(folder, stop.clone()));
    let _stop = stop.drop_guard();
    let fleet = Arc::new(Mutex::new(Fleet::start(tls.transpose()?).await?));
    println!("{}", fleet.lock().await.addresses());
    let (mut lines, mut flapping) = (orders(), None);
    while let Some(line) = lines.recv().await {
        let answer = match line.parse() {
            Ok(order) => obey(order, &fleet, &mut flapping).await,
            Err(error) => error,
        };
        println!("{answer}");
    }
    Ok(())
}

/// The lines of the standard input, read by a thread of its own.
fn orders() -> mpsc::Receiver<String> {
    let (sender, orders) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    orders
}

type Flapping = Option<JoinHandle<()>>;

async fn obey(order: Order, fleet: &Arc<Mutex<Fleet>>, flapping: &mut Flapping) -> String {
    if order == Order::Calm
        && let Some(task) = flapping.take()
    {
        task.abort();
        let _ = task.await;
    }
    if let Order::Flap(node, millis) = order {
        let every = Duration::from_millis(millis.into());
        *flapping = Some(tokio::spawn(flap(Arc::clone(fleet), node, every)));
        return "ok".to_owned();
    }
    let mut fleet = fleet.lock().await;
    match fleet.obey(order).await {
        Ok(()) if order == Order::Counts => fleet.counts(),
        Ok(()) => "ok".to_owned(),
        Err(error) => error.to_string(),
    }
}

async fn flap(fleet: Arc<Mutex<Fleet>>, node: usize, every: Duration) {
    loop {
        for order in [Order::Kill(node), Order::Calm] {
            sleep(every).await;
            let mut fleet = fleet.lock().await;
            // Back as it was: to be calm is more than that.
            let done = match (order, fleet.nodes.get_mut(node)) {
                (Order::Calm, Some(node)) => node.start().await,
                _ => fleet.obey(order).await,
            };
            if let Err(error) = done {
                eprintln!("mesh-bench: {error}");
            }
        }
    }
}

impl Fleet {
    async fn start(tls: Option<Tls>) -> Result<Self, BenchError> {
        let mut ports = free_ports();
        let mut next = || {
            let port = ports.next();
            port.ok_or_else(|| BenchError::Servers {
                order: "start".to_owned(),
                answer: "there is no free port".to_owned(),
            })
        };
        let mut fleet = Self {
            nodes: Vec::new(),
            bare: Vec::new(),
            network: Vec::new(),
        };
        for number in 0..NODES {
            let mut node = Node::new(next()?, Kind::Mesh(tls.clone()));
            node.start().await?;
            let proxy = FaultProxy::start(node.address, number as u64).await;
            fleet
                .network
                .push(proxy.map_err(BenchError::io("no network before a server"))?);
            fleet.nodes.push(node);
        }
        for streams in [Some(FEW_STREAMS), None] {
            let mut node = Node::new(next()?, Kind::Bare(streams));
            node.start().await?;
            fleet.bare.push(node);
        }
        Ok(fleet)
    }

    fn addresses(&self) -> String {
        let nodes = self.nodes.iter().map(|node| node.address);
        let network = self.network.iter().map(FaultProxy::address);
        let bare = self.bare.iter().map(|node| node.address);
        let all = nodes.chain(network).chain(bare);
        all.map(|address| address.to_string())
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn counts(&self) -> String {
        let served = self.nodes.iter().map(|node| node.mood.served().to_string());
        served.collect::<Vec<_>>().join(" ")
    }

    async fn obey(&mut self, order: Order) -> Result<(), BenchError> {
        match order {
            Order::Calm => self.calm().await?,
            Order::Delay(millis) => {
                for node in self.nodes.iter().chain(&self.bare) {
                    node.mood.delay(millis);
                }
            }
            Order::Slow(node, millis) => self.node(node)?.mood.delay(millis),
            Order::Fail(node) => self.node(node)?.mood.failing(true),
            Order::Kill(node) => self.node(node)?.kill(),
            Order::Restart => self.restart().await?,
            Order::Weather(lost, late, cut) => {
                let weather = Faults {
                    lost,
                    late,
                    cut,
                    ..Faults::default()
                };
                self.network.iter().for_each(|proxy| proxy.set(weather));
            }
            Order::Flap(..) | Order::Counts => {}
        }
        Ok(())
    }

    async fn calm(&mut self) -> Result<(), BenchError> {
        for node in self.nodes.iter_mut().chain(&mut self.bare) {
            node.mood.delay(0);
            node.mood.failing(false);
            node.start().await?;
        }
        for proxy in &self.network {
            proxy.set(Faults::default());
        }
        Ok(())
    }

    async fn restart(&mut self) -> Result<(), BenchError> {
        for node in &mut self.nodes {
            node.drain().await?;
            sleep(AWAY).await;
            node.start().await?;
            sleep(BACK).await;
        }
        Ok(())
    }

    fn node(&mut self, node: usize) -> Result<&mut Node, BenchError> {
        let found = self.nodes.get_mut(node);
        found.ok_or_else(|| BenchError::Servers {
            order: format!("node {node}"),
            answer: "there is none".to_owned(),
        })
    }
}

// From a place of the process's own, so that two that start at once do not take the same.
fn free_ports() -> impl Iterator<Item = SocketAddr> {
    let range = LAST_PORT - FIRST_PORT;
    let start = u16::try_from(std::process::id() * 16 % u32::from(range)).unwrap_or(0);
    let ports = (0..range).map(move |step| FIRST_PORT + (start + step) % range);
    let addresses = ports.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    addresses.filter(|address| TcpListener::bind(address).is_ok())
}
