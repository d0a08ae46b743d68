//! A closed loop: so many callers, each making its next call as soon as the last has ended.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::task::JoinHandle;

use crate::contender::Client;
use crate::probe::{Method, TIMEOUT};

/// One call: when it was made, how long it took, and whether it failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) at: Duration,
    pub(crate) took: Duration,
    pub(crate) failed: bool,
}

/// Calls, and what those that failed were told, how often.
#[derive(Debug, Default)]
pub(crate) struct Made {
    pub(crate) samples: Vec<Sample>,
    pub(crate) told: BTreeMap<String, u32>,
}

/// Calls that go on until they are stopped.
pub(crate) struct Load {
    begun: Instant,
    stop: Arc<AtomicBool>,
    callers: Vec<JoinHandle<Made>>,
}

impl Load {
    /// Begins at once, with so many callers.
    pub(crate) fn start(client: &Client, callers: usize, method: Method) -> Self {
        let (begun, stop) = (Instant::now(), Arc::new(AtomicBool::new(false)));
        let callers = (0..callers).map(|_| {
            let (mut caller, stop) = (client.caller(method, TIMEOUT), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut made = Made::default();
                while !stop.load(Ordering::Relaxed) {
                    let asked = Instant::now();
                    let answer = caller.ask().await;
                    made.samples.push(Sample {
                        at: asked - begun,
                        took: asked.elapsed(),
                        failed: answer.is_err(),
                    });
                    if let Err(status) = answer {
                        let told = format!("{:?}: {}", status.code(), status.message());
                        *made.told.entry(told).or_default() += 1;
                        // Who is refused at once must not keep the others from the processor.
                        tokio::task::yield_now().await;
                    }
                }
                made
            })
        });
        let callers = callers.collect();
        Self {
            begun,
            stop,
            callers,
        }
    }

    /// Since when.
    pub(crate) fn begun(&self) -> Instant {
        self.begun
    }

    /// Waits for the last calls; all of them.
    pub(crate) async fn stop(self) -> Made {
        self.stop.store(true, Ordering::Relaxed);
        let ended = join_all(self.callers).await;
        let mut all = Made::default();
        for made in ended.into_iter().flatten() {
            all.samples.extend(made.samples);
            for (told, times) in made.told {
                *all.told.entry(told).or_default() += times;
            }
        }
        all
    }
}
