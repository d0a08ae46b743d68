//! The flood: orders flow at a steady rate, with and without a storm of orders for shops that
//! do not exist, in alternating runs. What counts is how much later an order is answered.

pub(crate) mod storm;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use mesh::Context;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};

use crate::child::Mesh;
use crate::error::DrillError;
use crate::order;
use crate::peers::Peers;
use crate::plan::kind::Kind;
use crate::plan::{Plan, plans};
use crate::ports::Ports;
use crate::seed;
use storm::Stormed;

/// How hard and how long.
#[derive(Debug, Clone)]
pub struct Flood {
    /// The `paymesh` binary.
    pub exe: PathBuf,
    /// Orders a second that are really paid for.
    pub orders_per_second: u32,
    /// Orders a second for random shops that do not exist.
    pub storm_per_second: u32,
    /// Pairs of runs, one without the storm and one with it.
    pub pairs: u32,
    /// How long a run lasts.
    pub run: Duration,
}

/// What one run measured.
#[derive(Debug, Clone)]
pub struct Measured {
    /// From `CreateOrder` to its answer, sorted.
    created: Vec<Duration>,
    /// From `PayOrder` to `pay_info`, `CreateOrder` and `BindPayer` before it included, sorted.
    payable: Vec<Duration>,
    stormed: Stormed,
}

/// Two runs, one after the other: without the storm, and with it.
#[derive(Debug, Clone)]
pub struct Pair {
    /// Without.
    pub calm: Measured,
    /// With it.
    pub stormy: Measured,
}

/// All runs.
#[derive(Debug, Clone)]
pub struct Flooded {
    /// What warmed everything: told, but no ratio is taken of it.
    pub first: Pair,
    /// What counts.
    pub pairs: Vec<Pair>,
}

const SETTLE: Duration = Duration::from_secs(1);
const ANSWER: Duration = Duration::from_secs(5);

/// Measures; the mesh and the storm are child processes, on a temporary folder.
pub async fn flood(settings: Flood) -> Result<Flooded, DrillError> {
    let data = tempfile::tempdir().map_err(DrillError::io("no temporary folder"))?;
    let ports = Ports::free().map_err(DrillError::io("there are no free ports"))?;
    let (mut mesh, ready) = Mesh::start(&settings.exe, data.path(), ports).await?;
    let peers = Peers::at(ready.grpc)?;
    Context::background(Duration::from_secs(30))
        .scope(seed::seed(&peers))
        .await?;
    // Only orders that nothing goes wrong with: what is measured is us.
    let mut plans = plans(1).filter(|plan| plan.kind == Kind::Prompt);
    let first = pair(&settings, &peers, &mut plans, ready.grpc).await?;
    let mut pairs = Vec::new();
    for _ in 0..settings.pairs {
        pairs.push(pair(&settings, &peers, &mut plans, ready.grpc).await?);
    }
    mesh.stop().await?;
    Ok(Flooded { first, pairs })
}

async fn pair(
    settings: &Flood,
    peers: &Peers,
    plans: &mut impl Iterator<Item = Plan>,
    grpc: SocketAddr,
) -> Result<Pair, DrillError> {
    let calm = run(settings, peers, plans, None).await?;
    let stormy = run(settings, peers, plans, Some(grpc)).await?;
    Ok(Pair { calm, stormy })
}

async fn run(
    settings: &Flood,
    peers: &Peers,
    plans: &mut impl Iterator<Item = Plan>,
    storm: Option<SocketAddr>,
) -> Result<Measured, DrillError> {
    let storm = storm.map(|grpc| begin(settings, grpc)).transpose()?;
    sleep(SETTLE / 2).await;
    let timed = orders(settings, peers, plans).await;
    let stormed = match storm {
        Some(storm) => end(storm).await?,
        None => Stormed::default(),
    };
    sleep(SETTLE / 2).await;
    let sorted = |mut times: Vec<Duration>| {
        times.sort_unstable();
        times
    };
    Ok(Measured {
        created: sorted(timed.iter().map(|(created, _)| *created).collect()),
        payable: sorted(timed.iter().map(|(_, payable)| *payable).collect()),
        stormed,
    })
}

// Open loop as well: each order begins at its time.
async fn orders(
    settings: &Flood,
    peers: &Peers,
    plans: &mut impl Iterator<Item = Plan>,
) -> Vec<(Duration, Duration)> {
    let mut lives = JoinSet::new();
    let mut tick = interval(Duration::from_secs(1) / settings.orders_per_second.max(1));
    let until = Instant::now() + settings.run;
    while Instant::now() < until {
        tick.tick().await;
        if let Some(plan) = plans.next() {
            let peers = peers.clone();
            lives.spawn(async move {
                Context::background(ANSWER)
                    .scope(timed(&peers, &plan))
                    .await
            });
        }
    }
    lives.join_all().await.into_iter().flatten().collect()
}

// One order: until it is acknowledged, and until it can be paid.
async fn timed(peers: &Peers, plan: &Plan) -> Option<(Duration, Duration)> {
    let begun = Instant::now();
    let order = order::create(peers, plan).await.ok()?;
    let created = begun.elapsed();
    order::buy(peers, &order, plan).await.ok()?;
    Some((created, begun.elapsed()))
}

// A process of its own, and the last in turn for a core: who storms has machines of their own.
// Whether it kept its pace is told with the figures.
fn begin(settings: &Flood, grpc: SocketAddr) -> Result<Child, DrillError> {
    Command::new("nice")
        .args(["-n", "19"])
        .arg(&settings.exe)
        .args(["storm", "--grpc", &grpc.to_string()])
        .args(["--per-second", &settings.storm_per_second.to_string()])
        .args(["--seconds", &(settings.run + SETTLE).as_secs().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| DrillError::Spawn {
            exe: settings.exe.clone(),
            source,
        })
}

async fn end(storm: Child) -> Result<Stormed, DrillError> {
    let failed = || DrillError::io("the storm did not end well");
    let said = storm.wait_with_output().await.map_err(failed())?;
    let stormed = String::from_utf8_lossy(&said.stdout).parse();
    stormed.map_err(io::Error::other).map_err(failed())
}

impl Measured {
    /// How many orders were measured.
    pub fn orders(&self) -> usize {
        self.payable.len()
    }

    /// What became of the storm.
    pub fn stormed(&self) -> Stormed {
        self.stormed
    }

    /// `CreateOrder`: the time below which this many of a thousand stay.
    pub fn created(&self, permille: usize) -> Duration {
        at(&self.created, permille)
    }

    /// The same until the order can be paid, and was.
    pub fn payable(&self, permille: usize) -> Duration {
        at(&self.payable, permille)
    }
}

fn at(sorted: &[Duration], permille: usize) -> Duration {
    let index = (sorted.len() * permille / 1000).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_measured_times() {
        let times: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(at(&times, 500), Duration::from_millis(101));
        assert_eq!(at(&times, 990), Duration::from_millis(199));
        assert_eq!(at(&[], 990), Duration::ZERO);
    }
}
