//! Kills the mesh while orders flow, and brings it back.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use seam::Ids;
use tokio::time::{Instant, sleep, timeout};

use crate::child::Mesh;
use crate::error::DrillError;
use crate::progress::Progress;

const SOONEST: Duration = Duration::from_millis(150);
const SPREAD_MS: u64 = 1_050;

/// How long the mesh lives between two things that are done to it.
pub(crate) fn respite(ids: &dyn Ids) -> Duration {
    SOONEST + Duration::from_millis(ids.bits() % SPREAD_MS)
}

/// How often the mesh is still to be killed.
pub(crate) struct Kills {
    planned: u32,
    left: AtomicU32,
    pause: Duration,
}

impl Kills {
    /// So many, with a pause between two orders, so that they fall among all of them.
    pub(crate) fn planned(planned: u32, pause: Duration) -> Self {
        Self {
            planned,
            left: AtomicU32::new(planned),
            pause,
        }
    }

    /// One of them is over.
    pub(crate) fn one_less(&self) {
        self.left.fetch_sub(1, SeqCst);
    }

    /// Whether the last one is over and the mesh is back.
    pub(crate) fn are_over(&self) -> bool {
        self.left.load(SeqCst) == 0
    }

    /// How often it was killed.
    pub(crate) fn done(&self) -> u32 {
        self.planned.saturating_sub(self.left.load(SeqCst))
    }

    /// Kills the mesh that often; ends only with trouble: when it does not come back, or ends
    /// by itself.
    pub(crate) async fn run(
        &self,
        mesh: &mut Mesh,
        progress: &Progress,
        ids: &dyn Ids,
    ) -> DrillError {
        if !self.are_over() {
            tokio::select! {
                ended = mesh.ended() => return ended,
                () = progress.first_created() => {}
            }
        }
        for kill in 1..=self.planned {
            let alive = respite(ids);
            if let Ok(ended) = timeout(alive, mesh.ended()).await {
                return ended;
            }
            if let Err(trouble) = self.once(mesh, progress, (kill, alive)).await {
                return trouble;
            }
        }
        mesh.ended().await
    }

    async fn once(
        &self,
        mesh: &mut Mesh,
        progress: &Progress,
        (kill, alive): (u32, Duration),
    ) -> Result<(), DrillError> {
        let under_way = progress.under_way();
        mesh.kill().await?;
        let dead = Instant::now();
        mesh.restart().await?;
        let line = format!(
            "kill {kill} of {}: SIGKILL after {} ms (orders under way: {under_way}), \
             ready again after {} ms",
            self.planned,
            alive.as_millis(),
            dead.elapsed().as_millis()
        );
        progress.say(&line);
        self.one_less();
        Ok(())
    }

    /// The pause between two orders that lets the kills fall among all of them.
    pub(crate) async fn pace(&self) {
        if self.planned > 0 {
            sleep(self.pause).await;
        }
    }
}
