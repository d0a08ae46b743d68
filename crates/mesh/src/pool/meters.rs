//! What the pool counts.

use std::sync::{Arc, OnceLock};

use metrics::Counter;

use crate::client::ClientSettings;
use crate::endpoint::Endpoint;

/// Connections that are open.
pub(crate) const CONNECTIONS: &str = "mesh_client_connections";
/// Dials, by what came of them.
pub(crate) const DIALS: &str = "mesh_client_dials_total";
/// Calls sent, by endpoint.
pub(crate) const PICKS: &str = "mesh_client_picks_total";
/// Calls that had to wait for a connection or a stream.
pub(crate) const WAITED: &str = "mesh_client_queued_total";

/// One pool's meters. What calls touch is made by the first one, when the recorder is surely
/// installed, and kept; what is rare is looked up each time, because it may come before that.
#[derive(Debug)]
pub(super) struct PoolMeters {
    caller: &'static str,
    target: Arc<str>,
    waited: OnceLock<Counter>,
}

impl PoolMeters {
    pub(super) fn new(settings: &ClientSettings) -> Self {
        Self {
            caller: settings.caller,
            target: settings.target.as_str().into(),
            waited: OnceLock::new(),
        }
    }

    pub(super) fn waited(&self) {
        let waited = self.waited.get_or_init(
            || metrics::counter!(WAITED, "caller" => self.caller, "target" => self.target.clone()),
        );
        waited.increment(1);
    }

    pub(super) fn picked(&self, endpoint: &Endpoint) {
        let picks = endpoint.picks.get_or_init(|| {
            metrics::counter!(
                PICKS,
                "caller" => self.caller,
                "target" => self.target.clone(),
                "endpoint" => endpoint.address().to_string(),
            )
        });
        picks.increment(1);
    }

    pub(super) fn dialled(&self, worked: bool) {
        let result = if worked { "ok" } else { "failed" };
        metrics::counter!(
            DIALS,
            "caller" => self.caller,
            "target" => self.target.clone(),
            "result" => result,
        )
        .increment(1);
    }

    pub(super) fn connections(&self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        metrics::gauge!(CONNECTIONS, "caller" => self.caller, "target" => self.target.clone())
            .set(count);
    }
}
