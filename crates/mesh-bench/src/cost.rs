//! What a call costs over one bare channel of tonic's: pairs of runs, each side going first in
//! turn, each client a process of its own.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::process::Command;

use crate::counted::Counted;
use crate::error::BenchError;
use crate::instructions::Counter;
use crate::order::Order;
use crate::scale::Scale;
use crate::servers::Servers;
use crate::statistics::{Interval, Spread};

/// Which two are compared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Matchup {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// Whether the mesh's client calls the mesh's server, or the same bare one.
    server_too: bool,
}

pub(crate) const MATCHUPS: [Matchup; 2] = [
    Matchup {
        name: "the client",
        what: "Both call the same server, tonic's own.",
        server_too: false,
    },
    Matchup {
        name: "client and server",
        what: "The mesh's client calls the mesh's server, the bare channel tonic's own.",
        server_too: true,
    },
];

/// One pair of runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair {
    bare: Counted,
    mesh: Counted,
    calls: u32,
}

/// All pairs of a matchup; instructions per call, if somebody counted them.
#[derive(Debug)]
pub(crate) struct Cost {
    pub(crate) matchup: Matchup,
    pub(crate) pairs: Vec<Pair>,
    pub(crate) instructions: Vec<(f64, f64)>,
}

/// Something of both sides, and how much more of it the mesh has, in a hundred.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Compared {
    pub(crate) bare: Spread,
    pub(crate) mesh: Spread,
    pub(crate) more: Interval,
}

impl Compared {
    fn of(pairs: &[(f64, f64)]) -> Option<Self> {
        let more: Vec<f64> = pairs
            .iter()
            .map(|(bare, mesh)| 100.0 * (mesh / bare - 1.0))
            .collect();
        Some(Self {
            bare: Spread::of(pairs.iter().map(|(bare, _)| *bare))?,
            mesh: Spread::of(pairs.iter().map(|(_, mesh)| *mesh))?,
            more: Interval::of(&more)?,
        })
    }
}

impl Cost {
    /// Measures it.
    pub(crate) async fn measure(
        matchup: Matchup,
        servers: &mut Servers,
        (scale, counter): (&Scale, Option<Counter>),
    ) -> Result<Self, BenchError> {
        servers.tell(Order::Calm).await?;
        let sides = matchup.sides(servers);
        let mut pairs = Vec::new();
        for pair in 0..scale.pairs {
            let mut made = Vec::new();
            for (side, address) in in_turn(sides, pair) {
                let calls = (scale.before, scale.calls);
                made.push((side, child(side, address, calls).await?));
            }
            made.sort_by_key(|(side, _)| *side);
            if let [(_, bare), (_, mesh)] = *made {
                let calls = scale.calls;
                pairs.push(Pair { bare, mesh, calls });
            }
        }
        let mut instructions = Vec::new();
        // Where the client alone differs only: an emulated client waits for its server, not the
        // other way round.
        if let (Some(counter), false) = (counter, matchup.server_too) {
            for pair in 0..scale.counted {
                instructions.push(counter.pair(in_turn(sides, pair), scale).await?);
            }
        }
        Ok(Self {
            matchup,
            pairs,
            instructions,
        })
    }

    /// Calls a second.
    pub(crate) fn throughput(&self) -> Option<Compared> {
        let rate = |pair: &Pair, side: &Counted| f64::from(pair.calls) / side.elapsed.as_secs_f64();
        self.compared(rate)
    }

    /// The client's processor time for a call, in microseconds.
    pub(crate) fn processor(&self) -> Option<Compared> {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        self.compared(|pair, side| micros(side.processor) / f64::from(pair.calls))
    }

    /// Instructions of the client's own for a call.
    pub(crate) fn instructions(&self) -> Option<Compared> {
        Compared::of(&self.instructions)
    }

    fn compared(&self, of: impl Fn(&Pair, &Counted) -> f64) -> Option<Compared> {
        let pairs: Vec<_> = self
            .pairs
            .iter()
            .map(|pair| (of(pair, &pair.bare), of(pair, &pair.mesh)))
            .collect();
        Compared::of(&pairs)
    }
}

/// One of the two who are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Bare,
    Mesh,
}

type Sides = [(Side, SocketAddr); 2];

impl Matchup {
    fn sides(self, servers: &Servers) -> Sides {
        let meshed = match (self.server_too, servers.nodes.first()) {
            (true, Some(node)) => *node,
            _ => servers.bare,
        };
        [(Side::Bare, servers.bare), (Side::Mesh, meshed)]
    }
}

fn in_turn([one, other]: Sides, pair: u32) -> Sides {
    if pair.is_multiple_of(2) {
        [one, other]
    } else {
        [other, one]
    }
}

/// The command that makes so many calls, this very program.
pub(crate) fn arguments(
    side: Side,
    address: SocketAddr,
    (before, calls): (u32, u32),
) -> Vec<String> {
    let mut arguments = vec!["calls".to_owned(), address.to_string()];
    arguments.extend([before.to_string(), calls.to_string()]);
    if side == Side::Mesh {
        arguments.push("--mesh".to_owned());
    }
    arguments
}

async fn child(side: Side, address: SocketAddr, made: (u32, u32)) -> Result<Counted, BenchError> {
    let exe = std::env::current_exe().map_err(BenchError::io("who runs is not known"))?;
    let output = Command::new(exe)
        .args(arguments(side, address, made))
        .kill_on_drop(true)
        .output()
        .await
        .map_err(BenchError::io("a client does not start"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<u64> = said
        .split_whitespace()
        .filter_map(|number| number.parse().ok())
        .collect();
    let [elapsed, processor] = *numbers else {
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(BenchError::Counted(why));
    };
    Ok(Counted {
        elapsed: Duration::from_micros(elapsed),
        processor: Duration::from_micros(processor),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mesh_that_takes_a_tenth_more_costs_ten_in_a_hundred() {
        let counted = |millis| Counted {
            elapsed: Duration::from_millis(millis),
            processor: Duration::from_millis(millis),
        };
        let pair = |bare, mesh| Pair {
            bare: counted(bare),
            mesh: counted(mesh),
            calls: 1000,
        };
        let cost = Cost {
            matchup: MATCHUPS[0],
            pairs: vec![pair(1000, 1100), pair(2000, 2200), pair(1000, 1100)],
            instructions: Vec::new(),
        };
        let processor = cost.processor().unwrap();
        assert!((processor.more.mean - 10.0).abs() < 1e-9);
        assert!((processor.bare.median - 1000.0).abs() < 1e-6);
        let throughput = cost.throughput().unwrap();
        assert!((throughput.more.mean + 100.0 / 11.0).abs() < 1e-9);
        assert!(cost.instructions().is_none());
    }
}
