//! What explain is told about a breaker.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use super::{Breaker, Phase, SECONDS};

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Closed,
    /// Nothing is sent for so long.
    Ejected(Duration),
    /// The next call it gets finds out whether the endpoint works again.
    ToProbe,
    /// One is finding out, for so long at most.
    Probing(Duration),
}

/// Why an endpoint was ejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// So many failures in a row.
    InARow(u32),
    /// Too many of the last calls failed.
    Mostly { calls: u32, failures: u32 },
    /// The call that was to find out failed too.
    Probe,
}

/// A breaker as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) standing: Standing,
    pub(crate) why: Option<Why>,
    pub(crate) in_a_row: u32,
    /// Calls of the last seconds, and those of them that failed.
    pub(crate) recent: (u32, u32),
    pub(crate) ejections: u64,
}

impl Breaker {
    /// How it stands, without taking the probe.
    pub(crate) fn view(&self, now: Instant) -> View {
        let mut state = self.lock();
        View {
            standing: state.phase.standing(now),
            why: state.why,
            in_a_row: state.in_a_row,
            recent: state.recent.counts(now),
            ejections: state.ejections,
        }
    }
}

impl Phase {
    fn standing(self, now: Instant) -> Standing {
        match self {
            Self::Closed => Standing::Closed,
            Self::Ejected { until, .. } if now < until => Standing::Ejected(until - now),
            Self::Probing { until, .. } if now < until => Standing::Probing(until - now),
            Self::Ejected { .. } | Self::Probing { .. } => Standing::ToProbe,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InARow(failures) => write!(f, "{failures} failures in a row"),
            Self::Mostly { calls, failures } => {
                write!(f, "{failures} of the {calls} calls of {SECONDS} s failed")
            }
            Self::Probe => f.write_str("the call that was to find out failed too"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Outcome;

    #[test]
    fn an_ejection_is_told_with_its_reason_and_its_end() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        assert_eq!(breaker.view(start).standing, Standing::Closed);
        for _ in 0..5 {
            breaker.record(start, Outcome::Failure);
        }
        let view = breaker.view(start);
        let second = Duration::from_secs(1);
        assert_eq!(view.standing, Standing::Ejected(second));
        assert_eq!(view.why, Some(Why::InARow(5)));
        assert_eq!(view.ejections, 1);
        let due = start + second;
        assert_eq!(breaker.view(due).standing, Standing::ToProbe);
        breaker.allows(due);
        assert_eq!(breaker.view(due).standing, Standing::Probing(second));
        breaker.probed(due, Outcome::Failure);
        let again = breaker.view(due);
        assert_eq!(again.standing, Standing::Ejected(2 * second));
        assert_eq!((again.why, again.ejections), (Some(Why::Probe), 2));
    }

    #[test]
    fn so_is_one_for_too_many_failures_among_the_last_calls() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for nth in 0..20 {
            let failed = nth % 2 == 1;
            breaker.record(
                now,
                if failed {
                    Outcome::Failure
                } else {
                    Outcome::Ok
                },
            );
        }
        let why = breaker.view(now).why.unwrap();
        assert_eq!(why.to_string(), "10 of the 20 calls of 10 s failed");
    }
}
