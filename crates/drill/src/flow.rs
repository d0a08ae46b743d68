//! Orders flowing: a bounded number begin at a time; those that wait do not hold the others up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mesh::Context;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::chaos::Kills;
use crate::order::life::How;
use crate::order::{self, Stuck, Visit};
use crate::peers::Peers;
use crate::plan::{Plan, plans};
use crate::progress::Progress;

/// The orders of one drill.
pub(crate) struct Flow {
    pub(crate) peers: Peers,
    pub(crate) progress: Progress,
    pub(crate) kills: Kills,
    pub(crate) buyers: Arc<Semaphore>,
    pub(crate) how: How,
    /// When every order must have ended.
    pub(crate) until: Instant,
    pub(crate) done: Mutex<Done>,
}

/// What came of the orders.
#[derive(Default)]
pub(crate) struct Done {
    /// Numbers of the orders that `CreateOrder` acknowledged.
    pub(crate) accepted: Vec<String>,
    pub(crate) stuck: Vec<Stuck>,
}

impl Done {
    /// The accepted numbers, and a line for each order that is stuck.
    pub(crate) fn told(&self) -> (Vec<String>, Vec<String>) {
        (
            self.accepted.clone(),
            self.stuck.iter().map(ToString::to_string).collect(),
        )
    }
}

impl Flow {
    /// Lives `orders` orders, and more while the mesh is still to be killed.
    pub(crate) async fn run(self: &Arc<Self>, seed: u64, orders: u32) {
        let mut lives = JoinSet::new();
        for (plan, fed) in plans(seed).zip(0_u32..) {
            let enough = fed >= orders && self.kills.are_over();
            if enough || Instant::now() >= self.until {
                break;
            }
            let Ok(buyer) = Arc::clone(&self.buyers).acquire_owned().await else {
                break;
            };
            lives.spawn(Arc::clone(self).life(plan, buyer));
            self.kills.pace().await;
        }
        while lives.join_next().await.is_some() {}
    }

    // A trace of its own for each order, and the drill's deadline for all it asks.
    async fn life(self: Arc<Self>, plan: Plan, buyer: OwnedSemaphorePermit) {
        let left = self.until.saturating_duration_since(Instant::now());
        let lived = Context::background(left)
            .scope(self.live(&plan, buyer))
            .await;
        if let Err(stuck) = lived {
            self.progress.say(&stuck.to_string());
            self.done().stuck.push(stuck);
        }
    }

    async fn live(&self, plan: &Plan, buyer: OwnedSemaphorePermit) -> Result<(), Stuck> {
        let order = order::create(&self.peers, plan).await?;
        self.progress.created();
        self.done().accepted.push(order.order_no.clone());
        let visit = Visit {
            peers: &self.peers,
            plan,
            progress: &self.progress,
            order: &order,
        };
        let begun = visit.begin().await?;
        // Somebody else may pay while this one waits.
        drop(buyer);
        visit.live(begun, &self.how).await?;
        self.progress.done();
        Ok(())
    }

    pub(crate) fn done(&self) -> MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
