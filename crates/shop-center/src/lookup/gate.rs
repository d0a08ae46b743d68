//! The gate before the database: few lookups at once pass it, whoever waits too long is
//! told to come back, and everything else of the database stays free.

#[cfg(test)]
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::LookupError;

/// Lets a few pass at once.
pub(crate) struct Gate {
    places: Semaphore,
    wait: Duration,
    #[cfg(test)]
    passed: AtomicUsize,
}

impl Gate {
    /// For `places` at once; the others wait for at most `wait`.
    pub(crate) fn new(places: u16, wait: Duration) -> Self {
        Self {
            places: Semaphore::new(usize::from(places)),
            wait,
            #[cfg(test)]
            passed: AtomicUsize::new(0),
        }
    }

    /// A place, held until it is dropped.
    pub(crate) async fn enter(&self) -> Result<SemaphorePermit<'_>, LookupError> {
        let Ok(Ok(place)) = timeout(self.wait, self.places.acquire()).await else {
            metrics::counter!("shop_lookups_refused_total").increment(1);
            return Err(LookupError::Busy);
        };
        #[cfg(test)]
        self.passed.fetch_add(1, Ordering::SeqCst);
        Ok(place)
    }

    /// How many have passed.
    #[cfg(test)]
    pub(crate) fn passed(&self) -> usize {
        self.passed.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    #[tokio::test]
    async fn few_pass_at_once_and_the_others_are_told_in_time() {
        let gate = Gate::new(3, Duration::from_millis(10));
        let entered = join_all((0..1000).map(|_| gate.enter())).await;
        let (held, refused): (Vec<_>, Vec<_>) = entered.into_iter().partition(Result::is_ok);
        assert_eq!((held.len(), refused.len()), (3, 997));
        assert!(
            refused
                .iter()
                .all(|it| matches!(it, Err(LookupError::Busy)))
        );
        drop(held);
        assert!(gate.enter().await.is_ok());
    }

    #[tokio::test]
    async fn who_waits_a_little_gets_the_place_that_is_left() {
        let gate = Gate::new(1, Duration::from_secs(30));
        let place = gate.enter().await.unwrap();
        let (waited, ()) = futures::join!(gate.enter(), async { drop(place) });
        assert!(waited.is_ok());
        assert_eq!(gate.passed(), 2);
    }
}
