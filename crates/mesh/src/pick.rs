//! Which endpoint gets a call. An endpoint that is ejected or to be avoided is only passed over
//! when there is a better one: the set is never empty because of it.

pub(crate) mod ewma;
mod p2c;

use std::net::SocketAddr;
use std::sync::Arc;

use seam::Ids;
use tokio::time::Instant;

use crate::breaker::Gate;
use crate::endpoint::Endpoint;

/// How endpoints are picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pick {
    /// The cheaper of two at random: by its latency, times what it has to do already.
    #[default]
    LeastLoaded,
    /// The first that is ready, in the order of their addresses.
    First,
}

/// What one pick may not, or should not, give.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    /// The endpoint that failed just before.
    pub(crate) avoid: Option<SocketAddr>,
    /// The time.
    pub(crate) now: Instant,
}

/// How good a choice an endpoint is, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fitness {
    /// No connection, or none with a free stream.
    Unready,
    /// It keeps failing.
    Ejected,
    /// It has just failed this very call.
    Avoided,
    Fit,
    /// It may have recovered, and somebody has to find out.
    ToProbe,
}

impl Wish {
    fn fitness(self, endpoint: &Endpoint) -> Fitness {
        if !endpoint.has_room() {
            return Fitness::Unready;
        }
        let avoided = self.avoid == Some(endpoint.address());
        match endpoint.breaker().gate(self.now) {
            Gate::Open => Fitness::Ejected,
            _ if avoided => Fitness::Avoided,
            Gate::Probe => Fitness::ToProbe,
            Gate::Closed => Fitness::Fit,
        }
    }
}

/// An endpoint that was picked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice<'a> {
    pub(crate) endpoint: &'a Arc<Endpoint>,
    /// No other is better: it gets the call whatever its breaker says.
    pub(crate) last_resort: bool,
}

impl<'a> Choice<'a> {
    fn of(endpoint: &'a Arc<Endpoint>, fitness: Fitness) -> Self {
        Self {
            endpoint,
            last_resort: fitness <= Fitness::Ejected,
        }
    }
}

/// Picks one of the endpoints; none when none is ready.
pub(crate) fn choose<'a>(
    how: Pick,
    ids: &dyn Ids,
    endpoints: &'a [Arc<Endpoint>],
    wish: Wish,
) -> Option<Choice<'a>> {
    if let [only] = endpoints {
        return only.has_room().then_some(Choice {
            endpoint: only,
            last_resort: true,
        });
    }
    match how {
        Pick::LeastLoaded => p2c::choose(ids, endpoints, wish),
        Pick::First => {
            let fit = |endpoint: &&Arc<Endpoint>| wish.fitness(endpoint);
            // The first of the best: `max_by_key` alone would take the last.
            let best = endpoints.iter().rev().max_by_key(fit)?;
            let fitness = fit(&best);
            (fitness > Fitness::Unready).then(|| Choice::of(best, fitness))
        }
    }
}

#[cfg(test)]
mod tests;
