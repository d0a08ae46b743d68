//! How far the orders are: a bar on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, stderr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::Notify;

const STYLE: &str = "{elapsed_precise} {wide_bar} {pos}/{len} done, {msg}";
const TICK: Duration = Duration::from_millis(200);

/// Counts, and shows the counts.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    every: u64,
    created: AtomicU64,
    paid: AtomicU64,
    done: AtomicU64,
    first: Notify,
}

impl Progress {
    /// Nothing done yet, of `orders`.
    pub(crate) fn of(orders: u32) -> Self {
        let orders = u64::from(orders);
        Self {
            bar: stderr().is_terminal().then(|| bar(orders)),
            every: orders.div_ceil(10).max(1),
            created: AtomicU64::new(0),
            paid: AtomicU64::new(0),
            done: AtomicU64::new(0),
            first: Notify::new(),
        }
    }

    pub(crate) fn created(&self) {
        let before = self.created.fetch_add(1, Relaxed);
        if before == 0 {
            self.first.notify_one();
        }
        self.show(before + 1);
    }

    pub(crate) fn paid(&self) {
        self.paid.fetch_add(1, Relaxed);
        self.show(1);
    }

    /// An order has ended.
    pub(crate) fn done(&self) {
        let done = self.done.fetch_add(1, Relaxed) + 1;
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        } else if done.is_multiple_of(self.every) {
            self.say(&format!("{}, {done} done", self.counts()));
        }
    }

    /// Waits until an order is created; for one waiter.
    pub(crate) async fn first_created(&self) {
        self.first.notified().await;
    }

    /// How many orders are created and have not ended.
    pub(crate) fn under_way(&self) -> u64 {
        self.created
            .load(Relaxed)
            .saturating_sub(self.done.load(Relaxed))
    }

    /// A line that stays.
    pub(crate) fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        }
    }

    /// The last of it: nothing is drawn any more.
    pub(crate) fn close(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn show(&self, created: u64) {
        if let Some(bar) = &self.bar {
            // More are fed while the mesh is still to be killed.
            bar.set_length(bar.length().unwrap_or(0).max(created));
            bar.set_message(self.counts());
        }
    }

    fn counts(&self) -> String {
        let (created, paid) = (self.created.load(Relaxed), self.paid.load(Relaxed));
        format!("{created} created, {paid} paid")
    }
}

fn bar(orders: u64) -> ProgressBar {
    let style = ProgressStyle::with_template(STYLE);
    let bar = ProgressBar::new(orders);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(TICK);
    bar
}
