//! The machine in words, as far as numbers depend on it.

use std::env::consts::{ARCH, OS};
use std::fs;
use std::thread::available_parallelism;

/// A sentence.
pub(crate) fn words() -> String {
    let cores = available_parallelism().map_or(1, usize::from);
    let memory = memory_gib().map_or(String::new(), |gib| format!(", {gib} GiB of memory"));
    format!(
        "Everything ran on one machine of {cores} shared cores ({ARCH}, {OS}{memory}), clients and servers together."
    )
}

fn memory_gib() -> Option<u64> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some((kib + 512 * 1024) / (1024 * 1024))
}
