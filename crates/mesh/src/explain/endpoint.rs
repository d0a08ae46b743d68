//! One address of a peer: in which state it is and why, and what is known of it.

use proto::mesh::v1 as wire;
use proto::mesh::v1::{BreakerState, EndpointState};
use tokio::time::Instant;

use super::pick::Rivals;
use super::{count, lasting, since};
use crate::breaker::{self, Standing};
use crate::endpoint::Endpoint;

/// All about an endpoint.
pub(super) fn one(endpoint: &Endpoint, rivals: &Rivals, now: Instant) -> wire::Endpoint {
    let (view, breaker) = (endpoint.view(now), endpoint.breaker().view(now));
    let (state, reason) = state(endpoint, &breaker);
    wire::Endpoint {
        address: endpoint.address().to_string(),
        state: state.into(),
        reason,
        pick: rivals.why(endpoint, &view, state, &breaker),
        load: view.load,
        latency: lasting(view.latency),
        pending: count(view.pending),
        calls: view.calls,
        slow_start_left: lasting(view.slow_start_left),
        breaker: Some(shown(&breaker)),
        connections: connections(endpoint, now),
        failures: failures(endpoint, now),
    }
}

fn state(endpoint: &Endpoint, breaker: &breaker::View) -> (EndpointState, String) {
    if endpoint.gone.is_cancelled() {
        let gone = "its address is no longer the peer's; calls under way end";
        return (EndpointState::Gone, gone.to_owned());
    }
    if !endpoint.is_connected() {
        return match endpoint.trouble_since(0) {
            Some(trouble) => (
                EndpointState::Unreachable,
                format!("{trouble}; dialled again"),
            ),
            None => (EndpointState::Connecting, "it is being dialled".to_owned()),
        };
    }
    if breaker.standing != Standing::Closed {
        return (EndpointState::Ejected, ejected(breaker));
    }
    if !endpoint.has_room() {
        let full = "every stream of every connection is in use";
        return (EndpointState::Full, full.to_owned());
    }
    (EndpointState::Ready, String::new())
}

fn ejected(breaker: &breaker::View) -> String {
    let why = breaker.why.map(|why| why.to_string()).unwrap_or_default();
    match breaker.standing {
        Standing::Ejected(left) => format!("{why}; spared for {left:.1?}"),
        Standing::ToProbe => {
            format!("{why}; the next call it gets finds out whether it works again")
        }
        Standing::Probing(_) => format!("{why}; one call is finding out whether it works again"),
        Standing::Closed => why,
    }
}

fn shown(breaker: &breaker::View) -> wire::Breaker {
    let (state, left) = match breaker.standing {
        Standing::Closed => (BreakerState::Closed, None),
        Standing::Ejected(left) => (BreakerState::Open, lasting(left)),
        Standing::ToProbe => (BreakerState::HalfOpen, None),
        Standing::Probing(left) => (BreakerState::HalfOpen, lasting(left)),
    };
    let (calls, failures) = breaker.recent;
    wire::Breaker {
        state: state.into(),
        open_left: left,
        reason: breaker.why.map(|why| why.to_string()).unwrap_or_default(),
        failures_in_a_row: breaker.in_a_row,
        recent_calls: calls,
        recent_failures: failures,
        ejections: breaker.ejections,
    }
}

fn connections(endpoint: &Endpoint, now: Instant) -> Vec<wire::Connection> {
    let lines = endpoint.lines();
    let open = lines.iter().filter(|line| line.is_open());
    open.map(|line| wire::Connection {
        streams: count(line.used()),
        most_streams: count(line.streams()),
        age: since(line.opened, now),
        expires_in: since(now, line.expires),
    })
    .collect()
}

fn failures(endpoint: &Endpoint, now: Instant) -> Vec<wire::Failure> {
    let failures = endpoint.failures().into_iter();
    failures
        .map(|failed| wire::Failure {
            ago: since(failed.at, now),
            what: failed.what,
        })
        .collect()
}
