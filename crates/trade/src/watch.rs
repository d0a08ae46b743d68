//! Who watches an order is woken when it changes, here or in another process. A wake-up may
//! be lost, so watchers look again now and then.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use domain::OrderNo;
use store::bell::{Bell, Rings};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use crate::{Inner, Trade};

// What the bell's rings are about: order numbers.
const TOPIC: &str = "orders";

/// The orders that are watched here.
#[derive(Default)]
pub(crate) struct Watched {
    here: Mutex<HashMap<OrderNo, watch::Sender<()>>>,
    // What rings in other processes, and here.
    shared: OnceLock<Arc<dyn Bell>>,
}

impl Trade {
    /// Wakes watchers through `bell` from now on, and is woken by it. Needs a tokio runtime;
    /// what is called a second time changes nothing.
    pub fn share_wake_ups(&self, bell: Arc<dyn Bell>) {
        let rings = bell.subscribe(TOPIC);
        if self.0.watched.shared.set(bell).is_ok() {
            tokio::spawn(listen(Arc::downgrade(&self.0), rings));
        }
    }
}

// Ends with the bell, or when trade has gone.
async fn listen(trade: Weak<Inner>, mut rings: Rings) {
    loop {
        let heard = rings.recv().await;
        let Some(trade) = trade.upgrade() else { return };
        match heard {
            Ok(number) => {
                if let Ok(order) = number.parse() {
                    trade.watched.wake(order);
                }
            }
            // Nobody knows which.
            Err(RecvError::Lagged(_)) => trade.watched.wake_all(),
            Err(RecvError::Closed) => return,
        }
    }
}

impl Watched {
    /// A bell that rings when the order changes.
    pub(crate) fn bell(&self, order: OrderNo) -> watch::Receiver<()> {
        let mut watched = self.lock();
        // Those whose watchers have gone are dropped whenever somebody comes.
        watched.retain(|_, bell| bell.receiver_count() > 0);
        watched.entry(order).or_default().subscribe()
    }

    /// Rings for whoever watches the order, in every process. Never waits.
    pub(crate) fn ring(&self, order: OrderNo) {
        match self.shared.get() {
            Some(bell) => bell.publish(TOPIC, &order.to_string()),
            None => self.wake(order),
        }
    }

    fn wake(&self, order: OrderNo) {
        if let Some(bell) = self.lock().get(&order) {
            bell.send_replace(());
        }
    }

    fn wake_all(&self) {
        for bell in self.lock().values() {
            bell.send_replace(());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<OrderNo, watch::Sender<()>>> {
        self.here.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
