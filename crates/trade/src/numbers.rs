//! Order numbers: this process's node number is leased, so that no two give the same.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::OrderNo;
use jiff::Timestamp;
use store::lease::Lease;
use store::{Db, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::error::TradeError;

const NODES: i32 = 100;
const SEQUENCES: u8 = 100;
const TERM: Duration = Duration::from_secs(30);

/// Gives out order numbers while its lease holds.
pub(crate) struct Numbers {
    db: Db,
    state: Mutex<State>,
}

struct State {
    lease: Option<(Lease, Timestamp)>,
    millisecond: i64,
    sequence: u8,
}

impl Numbers {
    /// Leases a node number.
    pub(crate) async fn lease(db: Db) -> Result<Self, StoreError> {
        let lease = take(&db).await?;
        let state = State {
            lease,
            millisecond: 0,
            sequence: 0,
        };
        Ok(Self {
            db,
            state: Mutex::new(state),
        })
    }

    /// The next number.
    pub(crate) fn next(&self) -> Result<OrderNo, TradeError> {
        let now = self.db.clock().now();
        let mut state = self.lock();
        let node = match &state.lease {
            Some((lease, until)) if now < *until => lease.slot(),
            _ => return Err(TradeError::NoNodeNumber),
        };
        let node = u8::try_from(node).map_err(|_| TradeError::NoNodeNumber)?;
        let (millisecond, sequence) = state.advance(now.as_millisecond());
        let at = Timestamp::from_millisecond(millisecond).map_err(|_| TradeError::NoNodeNumber)?;
        OrderNo::compose(at, node, sequence).map_err(|_| TradeError::NoNodeNumber)
    }

    /// Renews the lease until told to stop, then gives it back.
    pub(crate) async fn keep(&self, stop: CancellationToken) {
        while stop
            .run_until_cancelled(tokio::time::sleep(TERM / 3))
            .await
            .is_some()
        {
            if let Err(error) = self.renew().await {
                warn!(%error, "the node number's lease was not renewed");
            }
        }
        let held = self.lock().lease.take();
        if let Some((lease, _)) = held
            && let Err(error) = lease.release(&self.db).await
        {
            info!(%error, "the node number was not given back; its lease will end");
        }
    }

    async fn renew(&self) -> Result<(), StoreError> {
        let until = self.db.clock().now() + TERM;
        let held = self.lock().lease.clone();
        let renewed = match held {
            Some((lease, _)) if lease.renew(&self.db, TERM).await? => Some((lease, until)),
            _ => take(&self.db).await?,
        };
        self.lock().lease = renewed;
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    // A clock that steps back repeats no number: time only grows here.
    fn advance(&mut self, now: i64) -> (i64, u8) {
        if now > self.millisecond {
            (self.millisecond, self.sequence) = (now, 0);
        } else if self.sequence + 1 < SEQUENCES {
            self.sequence += 1;
        } else {
            (self.millisecond, self.sequence) = (self.millisecond + 1, 0);
        }
        (self.millisecond, self.sequence)
    }
}

async fn take(db: &Db) -> Result<Option<(Lease, Timestamp)>, StoreError> {
    let until = db.clock().now() + TERM;
    let lease = Lease::take(db, "node", NODES, TERM).await?;
    if lease.is_none() {
        warn!("all {NODES} node numbers are leased");
    }
    Ok(lease.map(|lease| (lease, until)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_comes_twice_whatever_the_clock_does() {
        let mut state = State {
            lease: None,
            millisecond: 0,
            sequence: 0,
        };
        let clock = (0..500)
            .map(|_| 7)
            .chain([9, 8, 3])
            .chain((0..200).map(|_| 12));
        let given: Vec<(i64, u8)> = clock.map(|now| state.advance(now)).collect();
        assert!(given.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(given.iter().all(|&(_, sequence)| sequence < SEQUENCES));
    }
}
