//! What the servers' process can be told: one order a line, each answered with one line.

use std::fmt;
use std::str::FromStr;

/// An order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Everything as it was at the start; whoever is dead lives again.
    Calm,
    /// All take so many milliseconds.
    Delay(u32),
    /// One of them takes so many milliseconds.
    Slow(usize, u32),
    /// One of them answers UNAVAILABLE at once.
    Fail(usize),
    /// One of them is gone, connections and all, without a word.
    Kill(usize),
    /// One of them is gone and back, for so many milliseconds each, until it is calm.
    Flap(usize, u32),
    /// All of them are drained and started again, one after the other; answered when that is done.
    Restart,
    /// The network loses so many pieces in a thousand, holds so many back and cuts so many off.
    Weather(u32, u32, u32),
    /// How many calls each has served.
    Counts,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calm => write!(f, "calm"),
            Self::Delay(millis) => write!(f, "delay {millis}"),
            Self::Slow(node, millis) => write!(f, "slow {node} {millis}"),
            Self::Fail(node) => write!(f, "fail {node}"),
            Self::Kill(node) => write!(f, "kill {node}"),
            Self::Flap(node, millis) => write!(f, "flap {node} {millis}"),
            Self::Restart => write!(f, "restart"),
            Self::Weather(lost, late, cut) => write!(f, "weather {lost} {late} {cut}"),
            Self::Counts => write!(f, "counts"),
        }
    }
}

impl FromStr for Order {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default();
        let numbers: Result<Vec<u32>, _> = words.map(str::parse).collect();
        let numbers = numbers.map_err(|error| format!("{line:?}: {error}"))?;
        let place = |node: u32| usize::try_from(node).unwrap_or(usize::MAX);
        Ok(match (name, &*numbers) {
            ("calm", []) => Self::Calm,
            ("delay", [millis]) => Self::Delay(*millis),
            ("slow", [node, millis]) => Self::Slow(place(*node), *millis),
            ("fail", [node]) => Self::Fail(place(*node)),
            ("kill", [node]) => Self::Kill(place(*node)),
            ("flap", [node, millis]) => Self::Flap(place(*node), *millis),
            ("restart", []) => Self::Restart,
            ("weather", [lost, late, cut]) => Self::Weather(*lost, *late, *cut),
            ("counts", []) => Self::Counts,
            _ => return Err(format!("{line:?} is no order")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_understood_as_it_was_given() {
        for order in [
            Order::Calm,
            Order::Delay(5),
            Order::Slow(2, 200),
            Order::Fail(2),
            Order::Kill(4),
            Order::Flap(1, 300),
            Order::Restart,
            Order::Weather(200, 0, 1),
            Order::Counts,
        ] {
            assert_eq!(order.to_string().parse(), Ok(order));
        }
        for nonsense in ["", "kill", "kill x", "slow 1", "calm 3"] {
            assert!(nonsense.parse::<Order>().is_err(), "{nonsense}");
        }
    }
}
