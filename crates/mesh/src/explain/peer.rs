//! Whom the process calls, and how that goes.

use proto::mesh::v1 as wire;
use proto::mesh::v1::AddressSource;
use tokio::time::Instant;

use super::pick::Rivals;
use super::{Words, count, endpoint, since};
use crate::budget::Budget;
use crate::directory::{Calling, Directory};
use crate::discover::DiscoveryView;

/// Every peer that the words name, in order.
pub(super) fn all(directory: &Directory, words: &Words, now: Instant) -> Vec<wire::Peer> {
    let clients = directory.clients();
    let mut peers: Vec<_> = clients
        .iter()
        .filter_map(|client| one(client, now))
        .filter(|peer| words.is_empty() || words.name(&peer.name) || words.name(&peer.target))
        .collect();
    peers.sort_by(|one, other| {
        let key = |peer: &wire::Peer| (peer.caller.clone(), peer.name.clone(), peer.target.clone());
        key(one).cmp(&key(other))
    });
    peers
}

fn one(client: &Calling, now: Instant) -> Option<wire::Peer> {
    let view = client.pool.upgrade()?.view();
    let budget = client.budget.upgrade()?;
    let rivals = Rivals::new(view.pick, &view.endpoints, now);
    let all = view.endpoints.iter().chain(&view.gone);
    Some(wire::Peer {
        caller: client.caller.to_owned(),
        name: client.peer.clone().unwrap_or_default(),
        target: view.target.to_string(),
        source: source(&view.discovery).into(),
        found_ago: view.discovery.resolved.and_then(|then| since(then, now)),
        error: error(&view.discovery),
        endpoints: all.map(|one| endpoint::one(one, &rivals, now)).collect(),
        waiting: count(view.waiting),
        most_waiting: count(view.most_waiting),
        retry_budget: Some(left(&budget)),
    })
}

fn source(discovery: &DiscoveryView) -> AddressSource {
    match discovery.source {
        "dns" => AddressSource::Dns,
        "static" => AddressSource::Static,
        "file" => AddressSource::File,
        "kubernetes" => AddressSource::Kubernetes,
        _ => AddressSource::Unspecified,
    }
}

// What was found at the same moment was not all of it.
fn error(discovery: &DiscoveryView) -> String {
    let failed = discovery.error.as_ref();
    let still = failed.filter(|(at, _)| discovery.resolved.is_none_or(|found| *at >= found));
    still.map(|(_, error)| error.clone()).unwrap_or_default()
}

fn left(budget: &Budget) -> wire::RetryBudget {
    let view = budget.view();
    let number = |tokens| u32::try_from(tokens).unwrap_or(u32::MAX);
    wire::RetryBudget {
        tokens_permille: number(view.tokens),
        most_permille: number(view.most),
        per_success_permille: number(view.per_success),
    }
}
