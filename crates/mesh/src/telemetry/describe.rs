//! What each metric of the mesh means, in one line, as `/metrics` tells it. docs/metrics.md says
//! more, and a test compares the two with the code.

use metrics::{describe_counter, describe_gauge, describe_histogram};

use crate::layer::bulkhead::{IN_FLIGHT as BULKHEAD_IN_FLIGHT, REFUSED, WAIT as BULKHEAD_WAIT};
use crate::layer::deadline::EXPIRED;
use crate::layer::limit::{IN_FLIGHT, PLACES, WAIT as SERVER_WAIT};
use crate::layer::load_shed::SHED;
use crate::layer::metrics::{ATTEMPT, CLIENT, Names, SERVER};
use crate::layer::panic_guard::PANICS;
use crate::layer::retry::FAILED;
use crate::lifecycle::TASK_PANICS;
use crate::policy::RELOADS as POLICY_RELOADS;
use crate::pool::meters::{
    CONNECTIONS, DIALS, DISCONNECTS, DISCOVERIES, EJECTIONS, ENDPOINTS, PICKS, PROBES, UNSENT,
    WAIT as CLIENT_WAIT, WAITED,
};
use crate::server::DRAIN_ABORTED;
use crate::span::DROPPED;
use crate::tls::{EXPIRY, HANDSHAKES, RELOADS as TLS_RELOADS};

const COUNTERS: &[(&str, &str)] = &[
    (SHED, "RPCs refused unseen: overload, or a caller's rate"),
    (EXPIRED, "RPCs whose time was over, by side and stage"),
    (PANICS, "Handlers that panicked"),
    (TASK_PANICS, "Background tasks that panicked"),
    (DRAIN_ABORTED, "RPCs in flight when a drain's time was over"),
    (POLICY_RELOADS, "Changes of the policy file, by result"),
    (
        FAILED,
        "Attempts that failed, by cause and what was then done",
    ),
    (REFUSED, "RPCs for which a client's bulkhead had no place"),
    (DISCOVERIES, "Lookups of a peer's addresses, by result"),
    (DIALS, "Dials, by result"),
    (DISCONNECTS, "Connections let go of, by reason"),
    (PICKS, "RPCs sent, by what was known of the endpoint"),
    (WAITED, "RPCs that had to wait for a connection or a stream"),
    (UNSENT, "RPCs that got no connection, by reason"),
    (EJECTIONS, "Endpoints that a breaker ejected"),
    (PROBES, "RPCs that tried an ejected endpoint, by result"),
    (HANDSHAKES, "TLS handshakes on the server, by result"),
    (
        TLS_RELOADS,
        "New certificate files, by whether they could be used",
    ),
    (DROPPED, "Spans for which there was no room"),
    #[cfg(feature = "otlp")]
    (
        crate::otlp::EXPORTED,
        "Spans sent to the collector, by result",
    ),
    #[cfg(feature = "faults")]
    (
        crate::layer::fault::INJECTED,
        "RPCs that went wrong on purpose",
    ),
];

const GAUGES: &[(&str, &str)] = &[
    (IN_FLIGHT, "RPCs that hold a place on the server, by limit"),
    (PLACES, "Places there are on the server, by limit"),
    (
        BULKHEAD_IN_FLIGHT,
        "RPCs that hold a place in a client's bulkhead",
    ),
    (ENDPOINTS, "A peer's endpoints, by state"),
    (CONNECTIONS, "Connections that are open"),
    (
        EXPIRY,
        "When our certificate expires, in seconds since 1970",
    ),
];

const HISTOGRAMS: &[(&str, &str)] = &[
    (SERVER_WAIT, "Seconds a critical RPC waited for a place"),
    (
        BULKHEAD_WAIT,
        "Seconds an RPC waited in a client's bulkhead",
    ),
    (
        CLIENT_WAIT,
        "Seconds an RPC waited for a connection or a stream",
    ),
];

/// Tells the recorder.
pub(super) fn describe() {
    for (names, what) in [
        (SERVER, "RPCs on the server"),
        (CLIENT, "RPCs on the client, with all their attempts"),
        (ATTEMPT, "Attempts of RPCs on the client"),
    ] {
        let Names {
            started,
            handled,
            seconds,
            ..
        } = names;
        describe_counter!(*started, format!("{what}, begun"));
        describe_counter!(*handled, format!("{what}, ended, by code"));
        describe_histogram!(
            *seconds,
            format!("{what}: seconds to the end of the answer")
        );
    }
    for (name, what) in COUNTERS {
        describe_counter!(*name, *what);
    }
    for (name, what) in GAUGES {
        describe_gauge!(*name, *what);
    }
    for (name, what) in HISTOGRAMS {
        describe_histogram!(*name, *what);
    }
}
