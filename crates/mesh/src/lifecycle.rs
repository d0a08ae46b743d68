//! A process from start to end: starting, ready, stopping; and the tasks that must end before it.

use std::collections::BTreeMap;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

/// Counts background tasks that panicked, by name.
pub(crate) const TASK_PANICS: &str = "mesh_task_panics_total";

/// Where a process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Starting,
    Ready,
    Stopping,
}

/// One per process (or per simulated process); cheap to clone.
#[derive(Debug, Clone)]
pub struct Lifecycle(Arc<State>);

#[derive(Debug)]
struct State {
    phase: watch::Sender<Phase>,
    stop: CancellationToken,
    abort: CancellationToken,
    tasks: TaskTracker,
    running: Mutex<BTreeMap<&'static str, usize>>,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

impl Lifecycle {
    /// A process that starts: not ready yet.
    pub fn new() -> Self {
        Self(Arc::new(State {
            phase: watch::Sender::new(Phase::Starting),
            stop: CancellationToken::new(),
            abort: CancellationToken::new(),
            tasks: TaskTracker::new(),
            running: Mutex::default(),
        }))
    }

    /// Opens for work, unless it is stopping already.
    pub fn ready(&self) {
        self.0.phase.send_if_modified(|phase| {
            let starting = *phase == Phase::Starting;
            if starting {
                *phase = Phase::Ready;
            }
            starting
        });
    }

    /// Whether work is welcome.
    pub fn is_ready(&self) -> bool {
        self.phase() == Phase::Ready
    }

    /// Begins the end: health says `NOT_SERVING`, servers drain, tasks finish what they hold.
    pub fn stop(&self) {
        // Health first: who is told to go must already read that it should.
        self.0.phase.send_replace(Phase::Stopping);
        self.0.stop.cancel();
    }

    /// Resolves when the end has begun.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        self.0.stop.clone().cancelled_owned()
    }

    /// Cancelled when the end has begun.
    pub fn token(&self) -> CancellationToken {
        self.0.stop.clone()
    }

    pub(crate) fn phase(&self) -> Phase {
        *self.0.phase.borrow()
    }

    pub(crate) fn phases(&self) -> watch::Receiver<Phase> {
        self.0.phase.subscribe()
    }

    /// Runs a task that must have ended before the process may; it should watch `stopping`.
    /// A panic ends only the task: it is logged and counted.
    pub fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let running = Running::new(self, name);
        let abort = self.0.abort.clone();
        self.0.tasks.spawn(async move {
            let _running = running;
            let guarded = AssertUnwindSafe(task).catch_unwind();
            match abort.run_until_cancelled(guarded).await {
                Some(Ok(())) => {}
                Some(Err(_)) => {
                    error!(task = name, "task panicked");
                    metrics::counter!(TASK_PANICS, "task" => name).increment(1);
                }
                None => warn!(task = name, "task aborted"),
            }
        });
    }

    /// Waits until all tasks have ended; aborts those that have not after `timeout`, and says
    /// how many.
    pub async fn drained(&self, timeout: Duration) -> Result<(), usize> {
        self.0.tasks.close();
        if tokio::time::timeout(timeout, self.0.tasks.wait())
            .await
            .is_ok()
        {
            return Ok(());
        }
        let left = self.0.tasks.len();
        warn!(left, tasks = ?self.running(), "tasks did not end in time");
        self.0.abort.cancel();
        Err(left)
    }

    /// Whether all tasks but the one that asks have ended, and the process waits for it.
    #[cfg(feature = "otlp")]
    pub(crate) fn is_last(&self) -> bool {
        self.0.tasks.is_closed() && self.0.tasks.len() <= 1
    }

    fn running(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, usize>> {
        self.0
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on SIGTERM and SIGINT stop the process; a second SIGINT ends it at once, with 1.
    pub fn on_signals(&self) -> io::Result<()> {
        let mut term = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let lifecycle = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = term.recv() => {}
                _ = interrupt.recv() => {}
            }
            info!("stopping");
            lifecycle.stop();
            interrupt.recv().await;
            std::process::exit(1);
        });
        Ok(())
    }
}

/// A task's entry in the list of those that run.
struct Running {
    lifecycle: Lifecycle,
    name: &'static str,
}

impl Running {
    fn new(lifecycle: &Lifecycle, name: &'static str) -> Self {
        *lifecycle.running().entry(name).or_default() += 1;
        Self {
            lifecycle: lifecycle.clone(),
            name,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut running = self.lifecycle.running();
        if let Some(count) = running.get_mut(self.name) {
            *count -= 1;
            if *count == 0 {
                running.remove(self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stopping_never_gets_ready() {
        let lifecycle = Lifecycle::new();
        assert!(!lifecycle.is_ready());
        lifecycle.ready();
        assert!(lifecycle.is_ready());
        lifecycle.stop();
        lifecycle.ready();
        assert!(!lifecycle.is_ready());
        assert!(lifecycle.token().is_cancelled());
    }

    #[tokio::test]
    async fn a_task_that_heeds_the_stop_is_drained() {
        let lifecycle = Lifecycle::new();
        lifecycle.spawn("heeds", lifecycle.stopping());
        lifecycle.stop();
        assert_eq!(lifecycle.drained(Duration::from_secs(5)).await, Ok(()));
        assert!(lifecycle.running().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_is_counted_and_aborted() {
        let lifecycle = Lifecycle::new();
        lifecycle.spawn("stubborn", std::future::pending());
        lifecycle.spawn("heeds", lifecycle.stopping());
        lifecycle.stop();
        assert_eq!(lifecycle.drained(Duration::from_secs(5)).await, Err(1));
        assert_eq!(lifecycle.drained(Duration::from_secs(5)).await, Ok(()));
    }

    #[tokio::test]
    async fn a_panic_ends_its_task_only() {
        let lifecycle = Lifecycle::new();
        lifecycle.spawn("panics", async { panic!("on purpose") });
        lifecycle.spawn("heeds", lifecycle.stopping());
        lifecycle.stop();
        assert_eq!(lifecycle.drained(Duration::from_secs(5)).await, Ok(()));
    }
}
