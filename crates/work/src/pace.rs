//! When to look for work again: at the bell, but not at each of its rings; else after a while.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// The least and the most time between two looks while the bell keeps ringing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gaps {
    pub(crate) least: Duration,
    pub(crate) most: Duration,
}

/// Paces one loop.
pub(crate) struct Pace {
    bell: watch::Receiver<()>,
    poll: Duration,
    gaps: Gaps,
    gap: Duration,
    looked: Instant,
}

impl Pace {
    pub(crate) fn new(bell: watch::Receiver<()>, poll: Duration, gaps: Gaps) -> Self {
        Self {
            bell,
            poll,
            gaps,
            gap: gaps.least,
            looked: Instant::now(),
        }
    }

    /// Notes a look and whether it found something: each that found nothing doubles the gap.
    pub(crate) fn looked(&mut self, found: bool) {
        self.gap = if found {
            self.gaps.least
        } else {
            (self.gap * 2).min(self.gaps.most)
        };
        self.looked = Instant::now();
    }

    /// From when on the next look is far enough from the last.
    pub(crate) fn apart(&self) -> Instant {
        self.looked + self.gap
    }

    /// Waits for the next look. May be dropped and called again: a ring is not lost.
    pub(crate) async fn rest(&mut self) {
        sleep_until(self.apart()).await;
        tokio::select! {
            biased;
            // A bell whose database is gone says so at once, for ever; the poll goes on.
            Ok(()) = self.bell.changed() => {}
            () = sleep_until(self.looked + self.poll) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAPS: Gaps = Gaps {
        least: Duration::from_millis(5),
        most: Duration::from_millis(40),
    };
    const POLL: Duration = Duration::from_millis(500);

    async fn waited(pace: &mut Pace) -> u128 {
        let begun = Instant::now();
        pace.rest().await;
        begun.elapsed().as_millis()
    }

    #[tokio::test(start_paused = true)]
    async fn a_bell_that_rings_without_work_is_heeded_ever_less() {
        let bell = watch::Sender::new(());
        let mut pace = Pace::new(bell.subscribe(), POLL, GAPS);
        let mut waits = Vec::new();
        for found in [true, false, false, false, false, true] {
            pace.looked(found);
            bell.send_replace(());
            waits.push(waited(&mut pace).await);
        }
        assert_eq!(waits, [5, 10, 20, 40, 40, 5]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_ring_during_the_gap_is_not_lost_and_silence_ends_with_the_poll() {
        let bell = watch::Sender::new(());
        let mut pace = Pace::new(bell.subscribe(), POLL, GAPS);
        pace.looked(false);
        bell.send_replace(());
        assert!(
            tokio::time::timeout(Duration::from_millis(2), pace.rest())
                .await
                .is_err()
        );
        assert_eq!(waited(&mut pace).await, 8);
        pace.looked(true);
        assert_eq!(waited(&mut pace).await, 500);
        drop(bell);
        pace.looked(true);
        assert_eq!(waited(&mut pace).await, 500);
    }
}
