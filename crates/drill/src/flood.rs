//! The flood: orders flow at a steady rate, with and without a storm of orders for shops that
//! do not exist, in alternating runs. What counts is how much later an order is answered.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mesh::Context;
use proto::trade::v1::CreateOrderRequest;
use seam::{Ids, SeededIds};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::child::Mesh;
use crate::error::DrillError;
use crate::order;
use crate::peers::Peers;
use crate::plan::kind::Kind;
use crate::plan::{Plan, plans};
use crate::ports::Ports;
use crate::seed;

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
    /// Requests of the storm that were answered.
    storm: u64,
    /// Requests of the storm that were not sent in time: the generator was behind.
    behind: u64,
}

/// All runs, in pairs: without the storm, with it.
pub type Pairs = Vec<(Measured, Measured)>;

const SENDERS: u32 = 50;
const SETTLE: Duration = Duration::from_secs(1);
const ANSWER: Duration = Duration::from_secs(5);

/// Measures; the mesh is a child process on a temporary folder.
pub async fn flood(settings: Flood) -> Result<Pairs, DrillError> {
    let data = tempfile::tempdir().map_err(DrillError::io("no temporary folder"))?;
    let ports = Ports::free().map_err(DrillError::io("there are no free ports"))?;
    let (mut mesh, ready) = Mesh::start(&settings.exe, data.path(), ports).await?;
    // Whoever storms has a connection of its own, as other callers do.
    let (peers, others) = (Peers::at(ready.grpc)?, Peers::at(ready.grpc)?);
    let peers = (&peers, &others);
    Context::background(Duration::from_secs(30))
        .scope(seed::seed(peers.0))
        .await?;
    // Only orders that nothing goes wrong with: what is measured is us.
    let mut plans = plans(1).filter(|plan| plan.kind == Kind::Prompt);
    let mut pairs = Vec::new();
    // The first run warms everything and counts for nothing.
    run(&settings, peers, &mut plans, 0).await;
    for _ in 0..settings.pairs {
        let calm = run(&settings, peers, &mut plans, 0).await;
        let stormy = run(&settings, peers, &mut plans, settings.storm_per_second).await;
        pairs.push((calm, stormy));
    }
    mesh.stop().await?;
    Ok(pairs)
}

async fn run(
    settings: &Flood,
    (peers, others): (&Peers, &Peers),
    plans: &mut impl Iterator<Item = Plan>,
    storm: u32,
) -> Measured {
    let storm = Storm::start(others, storm, settings.run + SETTLE);
    sleep(SETTLE / 2).await;
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
    let timed: Vec<(Duration, Duration)> = lives.join_all().await.into_iter().flatten().collect();
    let (storm, behind) = storm.end().await;
    let sorted = |mut times: Vec<Duration>| {
        times.sort_unstable();
        times
    };
    Measured {
        created: sorted(timed.iter().map(|(created, _)| *created).collect()),
        payable: sorted(timed.iter().map(|(_, payable)| *payable).collect()),
        storm,
        behind,
    }
}

// One order: until it is acknowledged, and until it can be paid.
async fn timed(peers: &Peers, plan: &Plan) -> Option<(Duration, Duration)> {
    let begun = Instant::now();
    let order = order::create(peers, plan).await.ok()?;
    let created = begun.elapsed();
    order::buy(peers, &order, plan).await.ok()?;
    Some((created, begun.elapsed()))
}

struct Storm {
    senders: JoinSet<()>,
    answered: Arc<AtomicU64>,
    behind: Arc<AtomicU64>,
}

impl Storm {
    fn start(peers: &Peers, per_second: u32, lasts: Duration) -> Self {
        let (answered, behind) = (Arc::default(), Arc::default());
        let mut senders = JoinSet::new();
        for sender in (0..SENDERS).filter(|_| per_second > 0) {
            let (answered, behind) = (Arc::clone(&answered), Arc::clone(&behind));
            let every = Duration::from_secs(1) * SENDERS / per_second.max(1);
            senders.spawn(send(
                peers.clone(),
                (sender, every, lasts),
                answered,
                behind,
            ));
        }
        Self {
            senders,
            answered,
            behind,
        }
    }

    async fn end(self) -> (u64, u64) {
        self.senders.join_all().await;
        (
            self.answered.load(Ordering::Relaxed),
            self.behind.load(Ordering::Relaxed),
        )
    }
}

// Open loop: sent at its time, whether or not the one before is answered.
async fn send(
    peers: Peers,
    (sender, every, lasts): (u32, Duration, Duration),
    answered: Arc<AtomicU64>,
    behind: Arc<AtomicU64>,
) {
    let ids = SeededIds::new(u64::from(sender));
    let until = Instant::now() + lasts;
    let mut tick = interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut calls = JoinSet::new();
    while Instant::now() < until {
        let due = tick.tick().await;
        if due.elapsed() > Duration::from_secs(1) {
            behind.fetch_add(1, Ordering::Relaxed);
        }
        let (mut trade, answered) = (peers.trade.clone(), Arc::clone(&answered));
        let request = CreateOrderRequest {
            shop_id: ids.positive(),
            merchant_order_no: "storm".to_owned(),
            amount_fen: 1,
            description: "storm".to_owned(),
            client_ip: "203.0.113.9".to_owned(),
            ..CreateOrderRequest::default()
        };
        calls.spawn(async move {
            let asked = Context::background(ANSWER).scope(trade.create_order(request));
            if timeout(ANSWER, asked).await.is_ok() {
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
        while calls.try_join_next().is_some() {}
    }
    while calls.join_next().await.is_some() {}
}

impl Measured {
    /// How many orders were measured.
    pub fn orders(&self) -> usize {
        self.payable.len()
    }

    /// Answers of the storm, and requests it sent too late.
    pub fn storm(&self) -> (u64, u64) {
        (self.storm, self.behind)
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
