//! What must hold whatever goes wrong.

use std::time::Duration;

use tonic::Code;

use crate::plan::{Fault, SERVERS};
use crate::run::Story;
use crate::world::{Call, End, Kind};

/// A timer of the runtime is exact to a millisecond, and a call has a few.
const SLACK: Duration = Duration::from_millis(10);
/// As long as any call may last, and a little: what began before a fault may still end by it.
const NEWS: Duration = Duration::from_millis(3_500);
/// What a fault that lasts may still cost: one call finds out, ever more seldom, whether it has
/// ended; and a call that is not answered is no longer one that may be tried again.
const PROBES: usize = 4;
/// Retries that successes have not earned: half of the bucket, and one a second.
const BURST: u64 = 50;

/// Which laws a story breaks; none.
pub(crate) fn broken(story: &Story) -> Vec<String> {
    let mut broken = Vec::new();
    for call in &story.calls {
        broken.extend(of_one(story, call).map(|law| format!("call {}: {law}: {call:?}", call.id)));
    }
    broken.extend(too_many_late(story));
    broken.extend(too_many_retries(story));
    broken.extend(story.left.iter().map(|left| format!("left behind: {left}")));
    let forgotten = story.forgotten.iter();
    broken.extend(forgotten.map(|place| format!("server {place} is not called again")));
    if story.aborted_at_last > 0 {
        broken.push(format!("{} calls never ended", story.aborted_at_last));
    }
    broken.extend(held(story));
    broken
}

/// The law that a call breaks, if any.
fn of_one(story: &Story, call: &Call) -> Option<&'static str> {
    let executed = story.executed.get(&call.id).map_or(&[][..], Vec::as_slice);
    let most = if call.kind == Kind::Get { 3 } else { 1 };
    let repeated = executed.windows(2).any(|two| two[0] == two[1]);
    match &call.end {
        _ if call.ended.saturating_sub(call.began) > call.timeout + SLACK => Some("it ends late"),
        _ if executed.len() > most => Some("it is executed too often"),
        _ if story.plan.gentle && repeated => Some("one server is asked twice running"),
        End::Answered(text) if *text != call.id.to_string() => Some("it gets another's answer"),
        End::Answered(_) if executed.is_empty() => Some("it is answered by nobody"),
        End::Failed(code, told) => of_failed(story, call, (*code, told)),
        End::Answered(_) | End::GivenUp => None,
    }
}

fn of_failed(story: &Story, call: &Call, (code, told): (Code, &str)) -> Option<&'static str> {
    let felt: Vec<_> = felt(story, call).collect();
    let unreachable = told.starts_with("PEER_UNAVAILABLE");
    let unharmed = |place: &usize| {
        let harmed = |fault: &&Fault| fault.server == *place && fault.kind.is_of_the_network();
        !felt.iter().any(harmed)
    };
    if felt.is_empty() {
        return Some("it fails when nothing is wrong");
    }
    if story.plan.gentle && call.kind == Kind::Get {
        return Some("it may be repeated, and others work");
    }
    if code == Code::ResourceExhausted {
        return Some("it finds no place");
    }
    // An endpoint that only fails stays in the set, be it the last.
    if unreachable && (0..SERVERS).any(|place| unharmed(&place)) {
        return Some("there is a server that can be reached");
    }
    None
}

/// The faults that a call may have met.
fn felt<'a>(story: &'a Story, call: &Call) -> impl Iterator<Item = &'a Fault> {
    let (began, ended) = (call.began, call.ended);
    let faults = story.plan.faults.iter();
    faults.filter(move |fault| fault.is_felt(began, ended))
}

/// While a healthy server exists, faults that are no news cost next to nothing.
fn too_many_late(story: &Story) -> Option<String> {
    let late = story.calls.iter().filter(|call| {
        let failed = call.kind == Kind::Get && matches!(call.end, End::Failed(..));
        let healthy = |place: usize| felt(story, call).all(|fault| fault.server != place);
        let news = felt(story, call).any(|fault| call.began < fault.from + NEWS);
        failed && !news && (0..SERVERS).any(healthy)
    });
    let late: Vec<_> = late.map(|call| call.id).collect();
    let allowed = PROBES * story.plan.faults.len();
    (late.len() > allowed).then(|| format!("while others work, too many fail: {late:?}"))
}

fn too_many_retries(story: &Story) -> Option<String> {
    const FAILED: &str = "mesh_attempts_failed_total{";
    let retried = sum(story, FAILED, "then=\"retried\"");
    // What reached no handler is sent again whatever has failed: its attempts are few.
    let unseen = sum(story, FAILED, "cause=\"never_processed\",then=\"retried\"");
    let retried = retried.saturating_sub(unseen);
    let allowed = story.calls.len() as u64 / 5 + BURST + story.lasted.as_secs();
    (retried > allowed).then(|| format!("{retried} retries of {} calls", story.calls.len()))
}

/// Places that nobody gave back.
fn held(story: &Story) -> Option<String> {
    let held = sum(story, "mesh_server_in_flight{", "");
    (held != 0).then(|| format!("{held} places of the servers are still taken"))
}

/// The sum of a metric's values, of those lines that have the label.
fn sum(story: &Story, metric: &str, label: &str) -> u64 {
    let lines = story.metrics.lines();
    let lines = lines.filter(|line| line.starts_with(metric) && line.contains(label));
    lines
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}
