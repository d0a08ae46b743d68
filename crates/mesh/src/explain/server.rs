//! What the process serves, how much it takes on, and who it is to its peers.

use prost_reflect::prost_types;
use proto::mesh::v1 as wire;

use super::count;
use crate::directory::Serving;
use crate::layer::caller_rate::{CallerRates, Rate};
use crate::tls::TlsView;

/// All about a server.
pub(super) fn one(serving: &Serving) -> wire::Server {
    let limits = serving.shed.views().map(|limit| wire::Limit {
        name: limit.name.to_owned(),
        taken: count(limit.taken),
        most: count(limit.most),
        queued: count(limit.queued),
        most_queued: count(limit.most_queued),
    });
    wire::Server {
        name: serving.name.to_owned(),
        address: serving.address.clone(),
        services: serving
            .services
            .iter()
            .map(|&name| name.to_owned())
            .collect(),
        ready: serving.lifecycle.is_ready(),
        in_flight: count(serving.calls.count()),
        limits: limits.into(),
        caller_limits: callers(&serving.rates),
    }
}

/// Who the process is.
pub(super) fn identity(tls: &TlsView) -> wire::Tls {
    let refused = tls.refused.as_ref();
    wire::Tls {
        identity: tls.identity.to_string(),
        expires_at: time(tls.expires),
        loaded_at: time(tls.loaded),
        error: tls.error.clone().unwrap_or_default(),
        refused_at: refused.and_then(|(at, _)| time(*at)),
        refused: refused.map(|(_, why)| why.clone()).unwrap_or_default(),
    }
}

fn time(seconds: u64) -> Option<prost_types::Timestamp> {
    let seconds = i64::try_from(seconds).ok()?;
    Some(prost_types::Timestamp { seconds, nanos: 0 })
}

fn callers(rates: &CallerRates) -> Vec<wire::CallerLimit> {
    let limit = |caller: &str, rate: Rate| wire::CallerLimit {
        caller: caller.to_owned(),
        per_second: rate.per_second.get(),
        burst: rate.burst.get(),
    };
    let named = rates.callers.iter();
    let named = named.map(|(caller, rate)| limit(caller, *rate));
    named
        .chain(rates.others.map(|rate| limit("", rate)))
        .collect()
}
