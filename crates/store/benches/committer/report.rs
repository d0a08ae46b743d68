//! Medians, spread and ratio, as a table.

use std::time::Duration;

use store::Engine;

/// One run of one way.
pub(crate) struct Run {
    per_second: u64,
    p50: Duration,
    p99: Duration,
}

impl Run {
    /// From each write's latency and how long all took.
    pub(crate) fn new(mut answered: Vec<Duration>, lasted: Duration) -> Self {
        answered.sort_unstable();
        let at = |percent: usize| answered[(answered.len() - 1) * percent / 100];
        let count = u64::try_from(answered.len()).unwrap_or(u64::MAX);
        let micros = u64::try_from(lasted.as_micros()).unwrap_or(u64::MAX);
        Self {
            per_second: count * 1_000_000 / micros,
            p50: at(50),
            p99: at(99),
        }
    }
}

/// Both ways under one load.
pub(crate) struct Line {
    engine: Engine,
    in_flight: u32,
    stale: u32,
    /// The committer's runs.
    pub(crate) committer: Vec<Run>,
    /// The runs of a transaction per write.
    pub(crate) per_write: Vec<Run>,
}

impl Line {
    /// A line without runs.
    pub(crate) fn new(engine: Engine, in_flight: u32, stale: u32) -> Self {
        Self {
            engine,
            in_flight,
            stale,
            committer: Vec::new(),
            per_write: Vec::new(),
        }
    }

    /// The line of the table.
    pub(crate) fn text(&self) -> String {
        let tenths = median(&self.committer, |run| run.per_second) * 10
            / median(&self.per_write, |run| run.per_second).max(1);
        format!(
            "| {} | {} | {} % | {} | {} | {}.{} |",
            match self.engine {
                Engine::Sqlite => "SQLite",
                Engine::MySql => "MariaDB",
            },
            self.in_flight,
            self.stale,
            way(&self.committer),
            way(&self.per_write),
            tenths / 10,
            tenths % 10
        )
    }
}

fn way(runs: &[Run]) -> String {
    let rates = runs.iter().map(|run| run.per_second);
    let (low, high) = (rates.clone().min().unwrap_or(0), rates.max().unwrap_or(0));
    let millis = |time: Duration| format!("{}.{}", time.as_millis(), time.as_micros() / 100 % 10);
    format!(
        "**{}** ({low}-{high}) | {} / {}",
        median(runs, |run| run.per_second),
        millis(median(runs, |run| run.p50)),
        millis(median(runs, |run| run.p99))
    )
}

fn median<T: Ord + Copy>(runs: &[Run], of: impl Fn(&Run) -> T) -> T {
    let mut values: Vec<T> = runs.iter().map(of).collect();
    values.sort_unstable();
    values[values.len() / 2]
}

/// Prints the table.
pub(crate) fn print(lines: &[Line]) {
    println!(
        "| engine | in flight | conflicts | committer, writes/s | p50 / p99 ms | transaction per write, writes/s | p50 / p99 ms | ratio |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for line in lines {
        println!("{}", line.text());
    }
}
