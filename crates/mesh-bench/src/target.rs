//! What the mesh is to reach, and whether it did.

use crate::findings::{Findings, While};

/// A target, what was measured, and whether that is enough.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Target {
    pub(crate) what: &'static str,
    pub(crate) wanted: &'static str,
    pub(crate) measured: String,
    pub(crate) met: bool,
}

impl Target {
    /// How it is told.
    pub(crate) fn verdict(&self) -> &'static str {
        if self.met { "met" } else { "missed" }
    }
}

const SLOW: &str = "one of five slow";

/// All of them, as far as something was measured.
pub(crate) fn targets(findings: &Findings) -> Vec<Target> {
    let of_slow = While::BOTH.into_iter().flat_map(|of| slow(findings, of));
    let lost = While::BOTH
        .into_iter()
        .flat_map(|of| no_failures(findings, of));
    let mut all: Vec<_> = of_slow.chain(lost).collect();
    all.extend(few_failures(findings));
    all.extend(few_streams(findings));
    all.extend(cost(findings));
    all
}

fn slow(findings: &Findings, of: While) -> Vec<Target> {
    let names = match of {
        While::Cold => [
            "one slow, cold: share sent to it",
            "one slow, cold: p99 to all healthy",
        ],
        While::Warm => [
            "one slow, warm: share sent to it",
            "one slow, warm: p99 to all healthy",
        ],
    };
    let mesh = crate::contender::Contender::Mesh;
    let share = findings.spread(SLOW, (mesh, of), |window| window.troubled);
    let ratio = findings.to_healthy(SLOW, of, |window| window.p99);
    let share = share.map(|share| Target {
        what: names[0],
        wanted: "at most 2 %",
        measured: format!("{:.2} %", share.median),
        met: share.median <= 2.0,
    });
    let ratio = ratio.map(|ratio| Target {
        what: names[1],
        wanted: "at most 1.5",
        measured: format!(
            "{:.2} ({:.2}-{:.2})",
            ratio.median, ratio.lowest, ratio.highest
        ),
        met: ratio.median <= 1.5,
    });
    share.into_iter().chain(ratio).collect()
}

/// The cases in which no call may fail, as they are called when it is cold and when it is warm.
const NOTHING_FAILS: &[(&str, &str, &str)] = &[
    (
        "one of five dead",
        "one dead, cold: failed calls",
        "one dead, warm: failed calls",
    ),
    (
        "one failing fast, idempotent calls",
        "one failing fast, idempotent, cold: failed calls",
        "one failing fast, idempotent, warm: failed calls",
    ),
    ("rolling restart", "", "rolling restart: failed calls"),
    (
        "certificate rotation",
        "",
        "certificate rotation: failed calls",
    ),
];

fn no_failures(findings: &Findings, of: While) -> Vec<Target> {
    let named = NOTHING_FAILS.iter().map(|(case, cold, warm)| match of {
        While::Cold => (*case, *cold),
        While::Warm => (*case, *warm),
    });
    let named = named.filter(|(_, what)| !what.is_empty());
    named
        .filter_map(|(case, what)| {
            let (failed, all) = findings.failed(case, of)?;
            Some(Target {
                what,
                wanted: "0",
                measured: format!("{failed} of {all}"),
                met: failed == 0 && all > 0,
            })
        })
        .collect()
}

fn few_failures(findings: &Findings) -> Option<Target> {
    let (failed, all) = findings.failed("one failing fast, other calls", While::Warm)?;
    let share = 100.0 * f64::from(failed) / f64::from(all.max(1));
    Some(Target {
        what: "one failing fast, other calls, after the first second: failed calls",
        wanted: "less than 0.5 %",
        measured: format!("{share:.3} % ({failed} of {all})"),
        met: share < 0.5,
    })
}

fn few_streams(findings: &Findings) -> Vec<Target> {
    let mesh = (crate::contender::Contender::Mesh, While::Warm);
    let rate = findings.spread("few streams", mesh, |window| window.per_second);
    let p50 = findings.spread("few streams", mesh, |window| window.p50);
    let rate = rate.map(|rate| Target {
        what: "100 streams, 400 in flight, warm: calls a second",
        wanted: "at least 3,500",
        measured: format!("{:.0}", rate.median),
        met: rate.median >= 3_500.0,
    });
    let p50 = p50.map(|p50| Target {
        what: "100 streams, 400 in flight, warm: p50",
        wanted: "at most 110 ms",
        measured: format!("{:.1} ms", p50.median),
        met: p50.median <= 110.0,
    });
    rate.into_iter().chain(p50).collect()
}

fn cost(findings: &Findings) -> Option<Target> {
    let cost = findings.costs.first()?;
    let less = cost.throughput()?.more;
    // The upper bound of what it costs is the lower bound of what is left.
    let (mean, upper) = (-less.mean, -less.lower);
    Some(Target {
        what: "a unary call over one bare channel of tonic's: throughput lost",
        wanted: "at most 10 %",
        measured: format!("{mean:.1} %, upper bound {upper:.1} %"),
        met: upper <= 10.0,
    })
}
