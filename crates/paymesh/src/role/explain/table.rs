//! What a mesh knows, as people read it.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};
use prost_types::Duration as Lasting;
use proto::mesh::v1::{
    Breaker, BreakerState, Connection, Endpoint, ExplainResponse, Method, Peer, PolicySource,
    Server, Tls, ValueSource,
};
use proto::time::from_proto;

/// All of it.
pub(super) fn all(told: &ExplainResponse) -> String {
    let mut parts = vec![head(told)];
    parts.extend(told.peers.iter().map(peer));
    parts.extend(told.servers.iter().map(server));
    if !told.methods.is_empty() {
        parts.push(methods(&told.methods));
    }
    parts.join("\n\n")
}

fn head(told: &ExplainResponse) -> String {
    let policy = told.policy.clone().unwrap_or_default();
    let tls = told
        .tls
        .as_ref()
        .map_or_else(|| "identity: none, TLS is off".to_owned(), identity);
    let mut lines = vec![tls, source(&policy)];
    if told.peers.is_empty() && told.servers.is_empty() && told.methods.is_empty() {
        lines.push("nothing is known here by that name".to_owned());
    }
    lines.join("\n")
}

fn identity(tls: &Tls) -> String {
    let time = |time: Option<&prost_types::Timestamp>| {
        let time = time.and_then(from_proto);
        time.map(|time| time.to_string()).unwrap_or_default()
    };
    let mut text = format!(
        "identity: {}, until {}",
        tls.identity,
        time(tls.expires_at.as_ref())
    );
    if !tls.error.is_empty() {
        let _ = write!(text, "\n  wrong: {}", tls.error);
    }
    if !tls.refused.is_empty() {
        let at = time(tls.refused_at.as_ref());
        let _ = write!(text, "\n  refused last: {} ({at})", tls.refused);
    }
    text
}

fn source(policy: &PolicySource) -> String {
    let mut text = "policies: method options".to_owned();
    match (&policy.applied_ago, policy.file.is_empty()) {
        (Some(ago), _) => {
            let _ = write!(
                text,
                ", and above them {} (read {} ago)",
                policy.file,
                shown(ago)
            );
        }
        (None, false) => text += " alone",
        (None, true) => {}
    }
    if !policy.error.is_empty() {
        let _ = write!(text, "\n  wrong: {}", policy.error);
    }
    text
}

fn peer(peer: &Peer) -> String {
    let name = if peer.name.is_empty() { "" } else { " at " };
    let found = match &peer.found_ago {
        Some(ago) => format!("found {} ago", shown(ago)),
        None => "not found yet".to_owned(),
    };
    let source = lower(peer.source().as_str_name(), "ADDRESS_SOURCE_");
    let mut lines = vec![format!(
        "{} calls {}{name}{} ({source}, {found})",
        peer.caller, peer.name, peer.target
    )];
    if !peer.error.is_empty() {
        lines.push(format!("  wrong: {}", peer.error));
    }
    let budget = peer.retry_budget.unwrap_or_default();
    lines.push(format!(
        "  {} of {} calls wait for a connection; {} of {} retry tokens are left",
        peer.waiting,
        peer.most_waiting,
        tokens(budget.tokens_permille),
        tokens(budget.most_permille),
    ));
    if !peer.endpoints.is_empty() {
        lines.push(endpoints(&peer.endpoints));
        lines.extend(peer.endpoints.iter().map(words));
    }
    lines.join("\n")
}

fn endpoints(endpoints: &[Endpoint]) -> String {
    let mut table = plain(&[
        "endpoint",
        "state",
        "breaker",
        "calls",
        "under way",
        "latency",
        "load",
        "streams",
    ]);
    for endpoint in endpoints {
        let connections = endpoint.connections.iter();
        let streams = connections.map(streams);
        table.add_row([
            endpoint.address.clone(),
            lower(endpoint.state().as_str_name(), "ENDPOINT_STATE_"),
            endpoint.breaker.as_ref().map(breaker).unwrap_or_default(),
            endpoint.calls.to_string(),
            endpoint.pending.to_string(),
            endpoint.latency.as_ref().map(shown).unwrap_or_default(),
            endpoint.load.to_string(),
            streams.collect::<Vec<_>>().join(" "),
        ]);
    }
    for column in table.column_iter_mut().skip(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

fn streams(line: &Connection) -> String {
    match line.most_streams {
        // Whoever sets no limit says so.
        u32::MAX => line.streams.to_string(),
        most => format!("{}/{most}", line.streams),
    }
}

fn breaker(breaker: &Breaker) -> String {
    let state = match breaker.state() {
        BreakerState::Unspecified => return String::new(),
        BreakerState::Closed => "closed",
        BreakerState::Open => "open",
        BreakerState::HalfOpen => "half open",
    };
    let left = breaker.open_left.as_ref();
    let left = left.map_or_else(String::new, |left| format!(" for {}", shown(left)));
    match breaker.ejections {
        0 => state.to_owned(),
        times => format!("{state}{left}, opened {times}x"),
    }
}

// What does not fit into a table: why it is as it is.
fn words(endpoint: &Endpoint) -> String {
    let said = [&endpoint.reason, &endpoint.pick].into_iter();
    let said: Vec<_> = said.filter(|text| !text.is_empty()).cloned().collect();
    let mut lines = vec![format!("  {}: {}", endpoint.address, said.join("; "))];
    let failures = endpoint.failures.iter().map(|failure| {
        let ago = failure.ago.as_ref().map(shown).unwrap_or_default();
        format!("    {ago} ago: {}", failure.what)
    });
    lines.extend(failures);
    lines.join("\n")
}

fn server(server: &Server) -> String {
    let state = if server.ready { "ready" } else { "not ready" };
    let mut lines = vec![format!(
        "{} serves at {} ({state}, {} calls under way)",
        server.name, server.address, server.in_flight
    )];
    lines.push(format!("  {}", server.services.join(", ")));
    for limit in &server.limits {
        lines.push(format!(
            "  limit {}: {} of {}, {} of {} queued",
            limit.name, limit.taken, limit.most, limit.queued, limit.most_queued
        ));
    }
    for limit in &server.caller_limits {
        let caller = if limit.caller.is_empty() {
            "others"
        } else {
            &limit.caller
        };
        lines.push(format!(
            "  caller {caller}: {} a second, {} at once",
            limit.per_second, limit.burst
        ));
    }
    lines.join("\n")
}

fn methods(methods: &[Method]) -> String {
    let mut table = plain(&[
        "method", "timeout", "attempts", "callers", "matters", "refused",
    ]);
    for method in methods {
        table.add_row([
            format!("{}/{}", method.service, method.name),
            timeout(method),
            attempts(method),
            from(&method.callers.join(" "), method.callers_source()),
            lower(method.criticality().as_str_name(), "CRITICALITY_").replace("unspecified", "-"),
            (method.shed_overloaded + method.shed_rate_limited).to_string(),
        ]);
    }
    let last = table.column_iter_mut().last();
    if let Some(column) = last {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{table}\no: method option, c: service config, s: server's configuration")
}

fn timeout(method: &Method) -> String {
    if method.endless {
        return "none".to_owned();
    }
    let timeout = method.timeout.as_ref().map(shown).unwrap_or_default();
    from(&timeout, method.timeout_source())
}

fn attempts(method: &Method) -> String {
    let attempts = method.max_attempts.to_string();
    if method.max_attempts < 2 {
        return from(&attempts, method.retry_source());
    }
    let codes = method.retryable_codes.join(" ");
    from(&format!("{attempts} on {codes}"), method.retry_source())
}

fn from(value: &str, source: ValueSource) -> String {
    match source {
        ValueSource::Unspecified | ValueSource::Default => value.to_owned(),
        ValueSource::MethodOption => format!("{value} o"),
        ValueSource::ServiceConfig => format!("{value} c"),
        ValueSource::Configuration => format!("{value} s"),
    }
}

fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_header(header);
    table
}

fn lower(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix)
        .to_lowercase()
        .replace('_', " ")
}

fn tokens(permille: u32) -> String {
    format!("{}.{}", permille / 1000, permille % 1000 / 100)
}

fn shown(time: &Lasting) -> String {
    let time = std::time::Duration::try_from(*time).unwrap_or_default();
    match time.as_secs() {
        0..60 => format!("{time:.1?}"),
        seconds @ 60..3600 => format!("{}m{}s", seconds / 60, seconds % 60),
        seconds => format!("{}h{}m", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests;
