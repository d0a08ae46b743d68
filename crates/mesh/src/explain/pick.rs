//! Why an endpoint gets calls or gets none, in words.

use std::net::SocketAddr;
use std::sync::Arc;

use proto::mesh::v1::EndpointState;
use tokio::time::Instant;

use crate::breaker::{self, Gate, Standing};
use crate::endpoint::{Endpoint, View};
use crate::pick::Pick;

/// What an endpoint is compared with.
pub(super) struct Rivals {
    how: Pick,
    /// Those that can be picked, in order.
    fit: Vec<(SocketAddr, View)>,
    count: usize,
}

impl Rivals {
    pub(super) fn new(how: Pick, endpoints: &[Arc<Endpoint>], now: Instant) -> Self {
        let fit = endpoints
            .iter()
            .filter(|endpoint| endpoint.has_room() && endpoint.breaker().gate(now) == Gate::Closed);
        Self {
            how,
            fit: fit
                .map(|endpoint| (endpoint.address(), endpoint.view(now)))
                .collect(),
            count: endpoints.len(),
        }
    }

    /// Why this one is picked or not.
    pub(super) fn why(
        &self,
        endpoint: &Endpoint,
        view: &View,
        state: EndpointState,
        breaker: &breaker::View,
    ) -> String {
        let ready = matches!(state, EndpointState::Ready | EndpointState::Ejected);
        if !ready || !endpoint.has_room() {
            return "not picked: there is no stream to send on".to_owned();
        }
        if self.count == 1 {
            return "picked: there is no other".to_owned();
        }
        match breaker.standing {
            Standing::Closed => {}
            Standing::ToProbe => return self.probe().to_owned(),
            Standing::Ejected(_) | Standing::Probing(_) => {
                return "not picked as long as another one is ready".to_owned();
            }
        }
        match self.how {
            Pick::First => self.first(endpoint.address()),
            Pick::LeastLoaded => self.lightest(endpoint.address(), view),
        }
    }

    // All are looked at only when two at random are not both fit.
    fn probe(&self) -> &'static str {
        match self.how {
            Pick::LeastLoaded if self.count > 2 => "gets the next call that compares it",
            Pick::LeastLoaded | Pick::First => "gets the next call",
        }
    }

    fn first(&self, address: SocketAddr) -> String {
        match self.fit.first() {
            Some((first, _)) if *first != address => format!("not picked: {first} comes first"),
            _ => "picked: it is the first that is ready".to_owned(),
        }
    }

    fn lightest(&self, address: SocketAddr, view: &View) -> String {
        let lightest = self.fit.iter().min_by_key(|(_, rival)| rival.load);
        let Some((other, best)) = lightest.filter(|(_, best)| best.load < view.load) else {
            return "picked whenever it is compared: it has the least load".to_owned();
        };
        if *other == address {
            return "picked whenever it is compared: it has the least load".to_owned();
        }
        let times = view.load.saturating_mul(10) / best.load.max(1);
        let (whole, tenth) = (times / 10, times % 10);
        let why = heavier(view, best);
        format!(
            "not picked when compared with a lighter one: its load is {whole}.{tenth} times that \
             of {other}, for {why}"
        )
    }
}

// What makes it heavier than the lightest, the plainest first.
fn heavier(view: &View, best: &View) -> String {
    if view.tried_out {
        return "one call is finding out how quick it is".to_owned();
    }
    let mut why = Vec::new();
    if view.latency > best.latency {
        why.push(format!(
            "it takes {:.1?} and not {:.1?}",
            view.latency, best.latency
        ));
    }
    if view.pending > best.pending {
        why.push(format!(
            "it has {} calls and not {}",
            view.pending, best.pending
        ));
    }
    if view.slow_start_left > best.slow_start_left {
        why.push(format!(
            "it is new for another {:.1?}",
            view.slow_start_left
        ));
    }
    if why.is_empty() {
        why.push("it does a little worse in all".to_owned());
    }
    why.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn view(millis: u64, pending: usize, load: u64) -> View {
        View {
            load,
            latency: Duration::from_millis(millis),
            pending,
            calls: 9,
            slow_start_left: Duration::ZERO,
            tried_out: false,
        }
    }

    fn rivals(how: Pick) -> Rivals {
        let at = |last| SocketAddr::from(([10, 0, 0, last], 80));
        Rivals {
            how,
            fit: vec![(at(1), view(200, 0, 200_000)), (at(2), view(10, 1, 20_000))],
            count: 2,
        }
    }

    #[test]
    fn a_slow_endpoint_is_told_how_much_slower_it_is_and_than_whom() {
        let rivals = rivals(Pick::LeastLoaded);
        let [slow, quick] =
            [0, 1].map(|nth| rivals.lightest(rivals.fit[nth].0, &rivals.fit[nth].1));
        let expected =
            "its load is 10.0 times that of 10.0.0.2:80, for it takes 200.0ms and not 10.0ms";
        assert!(
            slow.starts_with("not picked") && slow.ends_with(expected),
            "{slow}"
        );
        assert!(quick.starts_with("picked"), "{quick}");
    }

    #[test]
    fn one_that_may_have_recovered_gets_the_next_call_that_sees_it() {
        let told = |how, count| {
            Rivals {
                count,
                ..rivals(how)
            }
            .probe()
        };
        assert_eq!(told(Pick::LeastLoaded, 2), "gets the next call");
        assert_eq!(told(Pick::First, 5), "gets the next call");
        let drawn = "gets the next call that compares it";
        assert_eq!(told(Pick::LeastLoaded, 3), drawn);
    }

    #[test]
    fn of_those_that_are_ready_the_first_is_picked() {
        let rivals = rivals(Pick::First);
        assert!(rivals.first(rivals.fit[0].0).starts_with("picked"));
        assert_eq!(
            rivals.first(rivals.fit[1].0),
            "not picked: 10.0.0.1:80 comes first"
        );
    }
}
