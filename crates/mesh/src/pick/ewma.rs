//! How long an endpoint takes: a mean that rises at once and falls slowly (peak EWMA), in
//! microseconds and without floating point.

use std::time::Duration;

use tokio::time::Instant;

/// What an endpoint nobody has called yet is taken to cost.
pub(crate) const START: Duration = Duration::from_millis(30);
/// How fast the past is forgotten.
pub(crate) const DECAY: Duration = Duration::from_secs(10);

// Times are counted in steps, so that all products fit into 64 bits.
const STEP_MICROS: u128 = 100;
const DECAY_STEPS: u64 = 100_000;
const LONGEST_STEPS: u64 = 10_000_000;
const DEAREST_MICROS: u64 = 60_000_000;

/// A decaying mean of latencies.
#[derive(Debug)]
pub(crate) struct PeakEwma {
    micros: u64,
    at: Instant,
}

impl PeakEwma {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            micros: micros(START),
            at: now,
        }
    }

    /// The cost now: without news it falls, so that a slow endpoint gets another chance.
    pub(crate) fn cost(&self, now: Instant) -> u64 {
        decayed(self.micros, steps(self.at, now))
    }

    /// Notes how long a call took.
    pub(crate) fn observe(&mut self, took: Duration, now: Instant) {
        let took = micros(took);
        let passed = steps(self.at, now);
        if took >= self.micros {
            *self = Self {
                micros: took,
                at: now,
            };
        } else if passed > 0 {
            let gap = self.micros - took;
            *self = Self {
                micros: took + decayed(gap, passed),
                at: now,
            };
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).map_or(DEAREST_MICROS, |micros| micros.clamp(1, DEAREST_MICROS))
}

fn steps(from: Instant, to: Instant) -> u64 {
    let steps = to.saturating_duration_since(from).as_micros() / STEP_MICROS;
    u64::try_from(steps).map_or(LONGEST_STEPS, |steps| steps.min(LONGEST_STEPS))
}

// e^-x is nearly 1 / (1 + x + x²/2), with x the share of DECAY that has passed.
fn decayed(value: u64, steps: u64) -> u64 {
    let whole = 2 * DECAY_STEPS * DECAY_STEPS;
    value * whole / (whole + 2 * DECAY_STEPS * steps + steps * steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_peak_counts_at_once_and_is_forgotten_slowly() {
        let start = Instant::now();
        let mut ewma = PeakEwma::new(start);
        ewma.observe(millis(200), start);
        assert_eq!(ewma.cost(start), 200_000);
        ewma.observe(millis(1), start + millis(10));
        assert!(ewma.cost(start + millis(10)) > 190_000);
        let later = ewma.cost(start + DECAY);
        assert!((70_000..90_000).contains(&later), "{later}");
        assert!(ewma.cost(start + DECAY * 30) < 1_000);
    }

    #[test]
    fn what_is_steady_is_learnt() {
        let start = Instant::now();
        let mut ewma = PeakEwma::new(start);
        for turn in 1..=60_000 {
            ewma.observe(millis(2), start + millis(turn));
        }
        let cost = ewma.cost(start + millis(60_000));
        assert!((1_990..2_200).contains(&cost), "{cost}");
    }

    proptest! {
        #[test]
        fn a_cost_lies_between_what_was_seen(
            seen in prop::collection::vec((0u64..200_000, 0u64..100_000_000), 1..50),
        ) {
            let mut now = Instant::now();
            let mut ewma = PeakEwma::new(now);
            for (wait, took) in seen {
                now += Duration::from_micros(wait);
                ewma.observe(Duration::from_micros(took), now);
                let cost = ewma.cost(now);
                prop_assert!(cost <= DEAREST_MICROS);
                prop_assert!(cost >= took.clamp(1, DEAREST_MICROS).min(micros(START)) || cost >= 1);
                prop_assert!(ewma.cost(now + DECAY) <= cost);
            }
        }
    }
}
