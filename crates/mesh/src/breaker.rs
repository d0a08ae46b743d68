//! Keeps calls away from an endpoint that fails, for longer each time, then lets one call find
//! out whether it works again. Pure: the time is passed in.

mod view;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

pub(crate) use self::view::{Standing, View, Why};
use crate::outcome::Outcome;

/// How many failures in a row eject.
const IN_A_ROW: u32 = 5;
/// How many calls a failure rate is taken from, at least.
const ENOUGH: u32 = 20;
/// How many seconds a failure rate looks back.
const SECONDS: usize = 10;
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(1);

/// Whether a call may go to the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// It may.
    Closed,
    /// It may, as the one that finds out; what comes of it is to be recorded.
    Probe,
    /// It may not, unless no endpoint is better.
    Open,
}

/// One endpoint's breaker. What nobody records (a call given up by its caller) counts for nothing.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    state: Mutex<State>,
    /// Whether it is not closed: nearly never, and asked without a lock.
    tripped: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    in_a_row: u32,
    recent: Recent,
    /// The last ejection, and when the endpoint was let back in.
    last: Option<(Duration, Instant)>,
    /// How often it was ejected, and why it was last.
    ejections: u64,
    why: Option<Why>,
}

#[derive(Debug, Default, Clone, Copy)]
enum Phase {
    #[default]
    Closed,
    /// Nothing is sent until then.
    Ejected { until: Instant, length: Duration },
    /// One call is under way; after that time it counts as lost.
    Probing { until: Instant, length: Duration },
}

impl Breaker {
    /// Whether a call may be sent now. Who is told `Probe` is the only one until its outcome is
    /// recorded: ask for an endpoint that is about to be used, not for one that is looked at.
    pub(crate) fn allows(&self, now: Instant) -> Gate {
        if !self.is_tripped() {
            return Gate::Closed;
        }
        let mut state = self.lock();
        let gate = state.phase.gate(now);
        if let (Gate::Probe, Some(length)) = (gate, state.phase.length()) {
            let until = now + length;
            state.phase = Phase::Probing { until, length };
        }
        gate
    }

    /// What `allows` would say, without taking the probe.
    pub(crate) fn gate(&self, now: Instant) -> Gate {
        if !self.is_tripped() {
            return Gate::Closed;
        }
        self.lock().phase.gate(now)
    }

    fn is_tripped(&self) -> bool {
        self.tripped.load(Ordering::Acquire)
    }

    /// Notes how a call ended that was no probe; whether that ejected the endpoint.
    pub(crate) fn record(&self, now: Instant, outcome: Outcome) -> bool {
        let mut state = self.lock();
        // Sent before the ejection, or in spite of it: only a probe ends one.
        if !matches!(state.phase, Phase::Closed) {
            return false;
        }
        self.ended(&mut state, now, outcome)
    }

    /// Notes how a probe ended; whether the endpoint stays ejected because of it.
    pub(crate) fn probed(&self, now: Instant, outcome: Outcome) -> bool {
        self.ended(&mut self.lock(), now, outcome)
    }

    fn ended(&self, state: &mut State, now: Instant, outcome: Outcome) -> bool {
        let ejected = state.ended(now, outcome);
        let tripped = !matches!(state.phase, Phase::Closed);
        self.tripped.store(tripped, Ordering::Release);
        ejected
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Phase {
    fn gate(self, now: Instant) -> Gate {
        match self {
            Self::Closed => Gate::Closed,
            Self::Ejected { until, .. } | Self::Probing { until, .. } if now < until => Gate::Open,
            Self::Ejected { .. } | Self::Probing { .. } => Gate::Probe,
        }
    }

    fn length(self) -> Option<Duration> {
        match self {
            Self::Closed => None,
            Self::Ejected { length, .. } | Self::Probing { length, .. } => Some(length),
        }
    }

    // A probe that was never sent has found out nothing: the next call is the probe.
    fn give_back(&mut self, now: Instant) {
        if let Self::Probing { length, .. } = *self {
            *self = Self::Ejected { until: now, length };
        }
    }
}

impl State {
    fn ended(&mut self, now: Instant, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Ok | Outcome::CallerError => self.worked(now),
            Outcome::Failure => return self.failed(now),
            Outcome::NeverProcessed => self.phase.give_back(now),
        }
        false
    }

    fn worked(&mut self, now: Instant) {
        match self.phase {
            Phase::Closed => {
                self.in_a_row = 0;
                self.recent.note(now, false);
            }
            // A probe that was given up for lost, and another has failed since.
            Phase::Ejected { .. } => {}
            Phase::Probing { length, .. } => {
                *self = Self {
                    last: Some((length, now)),
                    ejections: self.ejections,
                    why: self.why,
                    ..Self::default()
                }
            }
        }
    }

    fn failed(&mut self, now: Instant) -> bool {
        let (length, why) = match self.phase {
            Phase::Closed => {
                self.in_a_row = self.in_a_row.saturating_add(1);
                self.recent.note(now, true);
                let Some(why) = self.why_now(now) else {
                    return false;
                };
                (self.next_length(now), why)
            }
            Phase::Ejected { .. } => return false,
            Phase::Probing { length, .. } => (longer(length), Why::Probe),
        };
        *self = Self {
            phase: Phase::Ejected {
                until: now + length,
                length,
            },
            ejections: self.ejections.saturating_add(1),
            why: Some(why),
            ..Self::default()
        };
        true
    }

    fn why_now(&mut self, now: Instant) -> Option<Why> {
        let (calls, failures) = self.recent.counts(now);
        if self.in_a_row >= IN_A_ROW {
            return Some(Why::InARow(self.in_a_row));
        }
        let mostly = calls >= ENOUGH && failures.saturating_mul(2) >= calls;
        mostly.then_some(Why::Mostly { calls, failures })
    }

    // Back for no longer than it was away, it has not recovered: it goes for longer.
    fn next_length(&self, now: Instant) -> Duration {
        match self.last {
            Some((length, back)) if now.saturating_duration_since(back) <= length => longer(length),
            _ => SHORTEST,
        }
    }
}

fn longer(length: Duration) -> Duration {
    length.saturating_mul(2).min(LONGEST)
}

/// Calls and failures of the last seconds, counted by second.
#[derive(Debug, Default)]
struct Recent {
    since: Option<Instant>,
    seconds: [Second; SECONDS],
}

#[derive(Debug, Default, Clone, Copy)]
struct Second {
    number: u64,
    calls: u32,
    failures: u32,
}

impl Recent {
    fn note(&mut self, now: Instant, failed: bool) {
        let number = self.number(now);
        let place = usize::try_from(number % SECONDS as u64).unwrap_or(0);
        let Some(second) = self.seconds.get_mut(place) else {
            return;
        };
        if second.number != number {
            *second = Second {
                number,
                ..Second::default()
            };
        }
        second.calls = second.calls.saturating_add(1);
        second.failures = second.failures.saturating_add(u32::from(failed));
    }

    /// Calls of the last seconds, and those of them that failed.
    fn counts(&mut self, now: Instant) -> (u32, u32) {
        let number = self.number(now);
        let recent = self
            .seconds
            .iter()
            .filter(|second| second.number + SECONDS as u64 > number);
        recent.fold((0u32, 0u32), |(calls, failures), second| {
            (
                calls.saturating_add(second.calls),
                failures.saturating_add(second.failures),
            )
        })
    }

    fn number(&mut self, now: Instant) -> u64 {
        let since = *self.since.get_or_insert(now);
        now.saturating_duration_since(since).as_secs()
    }
}

#[cfg(test)]
mod tests;
