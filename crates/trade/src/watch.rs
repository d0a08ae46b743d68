//! Who watches an order is woken when it changes, here or in another process. A wake-up may
//! be lost, so watchers look again now and then.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use domain::OrderNo;
use store::bell::{Bell, Rings};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use crate::Trade;

// What the shared bell's rings are about; their keys are order numbers.
const TOPIC: &str = "orders";

/// The orders that are watched here.
#[derive(Default)]
pub(crate) struct Watched(Arc<State>);

#[derive(Default)]
struct State {
    here: Mutex<HashMap<OrderNo, watch::Sender<()>>>,
    // Rings in every process, this one too.
    shared: OnceLock<Arc<dyn Bell>>,
}

impl Trade {
    /// Wakes watchers everywhere through `bell` from now on, and is woken by it; only the
    /// first bell counts. Needs a tokio runtime.
    pub fn share_wake_ups(&self, bell: Arc<dyn Bell>) {
        self.0.watched.share(bell);
    }
}

impl Watched {
    /// A bell that rings when the order changes.
    pub(crate) fn bell(&self, order: OrderNo) -> watch::Receiver<()> {
        let mut watched = self.0.lock();
        // Those whose watchers have gone are dropped whenever somebody comes.
        watched.retain(|_, bell| bell.receiver_count() > 0);
        watched.entry(order).or_default().subscribe()
    }

    /// Rings for whoever watches the order, in every process. Never waits.
    pub(crate) fn ring(&self, order: OrderNo) {
        match self.0.shared.get() {
            Some(bell) => bell.publish(TOPIC, &order.to_string()),
            None => self.0.wake(order),
        }
    }

    fn share(&self, bell: Arc<dyn Bell>) {
        let rings = bell.subscribe(TOPIC);
        if self.0.shared.set(bell).is_ok() {
            tokio::spawn(listen(Arc::downgrade(&self.0), rings));
        }
    }
}

// Ends with the bell, or when trade has gone.
async fn listen(watched: Weak<State>, mut rings: Rings) {
    loop {
        let heard = rings.recv().await;
        let Some(watched) = watched.upgrade() else {
            return;
        };
        match heard {
            Ok(number) => {
                if let Ok(order) = number.parse() {
                    watched.wake(order);
                }
            }
            // Nobody knows which.
            Err(RecvError::Lagged(_)) => watched.wake_all(),
            Err(RecvError::Closed) => return,
        }
    }
}

impl State {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use store::bell::InProcess;
    use tokio::time::timeout;

    use super::*;

    const BOUND: Duration = Duration::from_secs(5);

    fn numbers() -> [OrderNo; 2] {
        ["W261120000000000001", "W261120000000000002"].map(|number| number.parse().unwrap())
    }

    async fn rings(bell: &mut watch::Receiver<()>) {
        timeout(BOUND, bell.changed()).await.unwrap().unwrap();
    }

    #[test]
    fn only_the_watched_order_rings_and_the_forgotten_go() {
        let watched = Watched::default();
        let [one, two] = numbers();
        let mut bell = watched.bell(one);
        watched.ring(two);
        assert!(!bell.has_changed().unwrap());
        watched.ring(one);
        assert!(bell.has_changed().unwrap());
        bell.mark_unchanged();
        drop(bell);
        let _other = watched.bell(two);
        assert_eq!(watched.0.lock().len(), 1);
    }

    #[tokio::test]
    async fn what_one_process_changes_wakes_watchers_in_all() {
        let bell = Arc::new(InProcess::default());
        let [here, there] = [(); 2].map(|()| Watched::default());
        here.share(Arc::clone(&bell) as _);
        there.share(Arc::clone(&bell) as _);
        let [one, two] = numbers();
        let mut bells = [here.bell(one), there.bell(one)];
        let other = there.bell(two);
        bell.publish(TOPIC, "no order number");
        here.ring(one);
        for bell in &mut bells {
            rings(bell).await;
        }
        assert!(!other.has_changed().unwrap());
    }

    #[tokio::test]
    async fn who_misses_a_ring_looks_at_every_order() {
        let bell = Arc::new(InProcess::default());
        let watched = Watched::default();
        watched.share(Arc::clone(&bell) as _);
        let [one, two] = numbers();
        let mut waiting = watched.bell(one);
        // More than a listener that has not run yet may have before it.
        watched.ring(one);
        for _ in 0..5_000 {
            watched.ring(two);
        }
        rings(&mut waiting).await;
    }

    #[tokio::test]
    async fn nobody_listens_for_what_has_gone() {
        let bell = Arc::new(InProcess::default());
        let watched = Watched::default();
        watched.share(Arc::clone(&bell) as _);
        let gone = Arc::downgrade(&watched.0);
        drop(watched);
        assert!(gone.upgrade().is_none());
    }
}
