//! How long and how often is measured.

use std::time::Duration;

/// The size of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// Runs of each case and contender.
    pub(crate) repetitions: u32,
    /// A fresh client's first while.
    pub(crate) cold: Duration,
    /// What comes after it.
    pub(crate) warm: Duration,
    /// Pairs of runs for what a call costs.
    pub(crate) pairs: u32,
    /// Calls of such a run, and before it to warm up.
    pub(crate) calls: u32,
    pub(crate) before: u32,
    /// Pairs of runs whose instructions are counted, and calls of such a run in an emulator.
    pub(crate) counted: u32,
    pub(crate) emulated: u32,
}

impl Scale {
    /// What the tables are made from: about fifteen minutes.
    pub(crate) const FULL: Self = Self {
        repetitions: 5,
        cold: Duration::from_millis(500),
        warm: Duration::from_millis(750),
        pairs: 120,
        calls: 30_000,
        before: 3_000,
        counted: 20,
        emulated: 3_000,
    };

    /// To see where things stand: two to three minutes.
    pub(crate) const QUICK: Self = Self {
        repetitions: 2,
        cold: Duration::from_millis(500),
        warm: Duration::from_secs(1),
        pairs: 6,
        calls: 15_000,
        before: 2_000,
        counted: 3,
        emulated: 3_000,
    };

    /// To see that it works at all; the numbers mean nothing.
    pub(crate) const SMOKE: Self = Self {
        repetitions: 1,
        cold: Duration::from_millis(80),
        warm: Duration::from_millis(80),
        pairs: 2,
        calls: 100,
        before: 10,
        counted: 0,
        emulated: 20,
    };
}
