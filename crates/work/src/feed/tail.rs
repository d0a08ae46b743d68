//! Where each feed ends: one look at the database for all who wait, and only while any does.

use std::sync::Arc;
use std::time::Duration;

use store::{Db, Wake, feed};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::pace::{Gaps, Pace};

/// The last place given in a publisher's feed, as far as it is known here.
pub(super) struct Tail {
    last: watch::Sender<i64>,
    wanted: Notify,
}

impl Tail {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            last: watch::Sender::new(0),
            wanted: Notify::new(),
        })
    }

    /// Tells when the feed grows beyond what it is now; subscribe before reading the feed.
    pub(super) fn subscribe(&self) -> watch::Receiver<i64> {
        let receiver = self.last.subscribe();
        self.wanted.notify_one();
        receiver
    }

    /// Looks at each bell of this process, and every `poll` for the commits of others.
    pub(super) async fn follow(self: Arc<Self>, db: Db, poll: Duration, stop: CancellationToken) {
        let least = Duration::from_millis(2);
        let mut pace = Pace::new(
            db.bell(Wake::Sequenced),
            poll,
            Gaps {
                least,
                most: Duration::from_millis(16),
            },
        );
        while !stop.is_cancelled() {
            let grown = self.look(&db).await;
            pace.looked(grown);
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.anyone() => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = pace.rest() => {}
            }
        }
    }

    async fn anyone(&self) {
        while self.last.receiver_count() == 0 {
            self.wanted.notified().await;
        }
    }

    async fn look(&self, db: &Db) -> bool {
        match feed::last(db).await {
            Ok(last) => self.last.send_if_modified(|known| {
                let grown = last > *known;
                *known = last.max(*known);
                grown
            }),
            Err(error) => {
                warn!(%error, "the feed's end is not known");
                false
            }
        }
    }
}
