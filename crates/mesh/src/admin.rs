//! HTTP for operators and probes: `/metrics`, `/livez`, `/readyz`.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use seam::net::Listener;

use crate::incoming::Incoming;
use crate::lifecycle::Lifecycle;

const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Serves until dropped, so that a draining process can still be seen: end it last.
pub async fn serve(
    listener: Listener,
    lifecycle: Lifecycle,
    metrics: PrometheusHandle,
) -> io::Result<()> {
    let router = router(lifecycle, metrics.clone());
    let served = axum::serve(Incoming(listener), router);
    tokio::select! {
        ended = served => ended,
        () = upkeep(metrics) => Ok(()),
    }
}

fn router(lifecycle: Lifecycle, metrics: PrometheusHandle) -> Router {
    let readyz = move || {
        let ready = lifecycle.is_ready();
        async move {
            if ready {
                (StatusCode::OK, "ready\n")
            } else {
                (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
            }
        }
    };
    Router::new()
        .route(
            "/metrics",
            get(move || async move { ([(CONTENT_TYPE, EXPOSITION)], metrics.render()) }),
        )
        .route("/livez", get(async || "live\n"))
        .route("/readyz", get(readyz))
}

// Histograms grow until somebody scrapes them, and perhaps nobody does.
async fn upkeep(metrics: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP_EVERY).await;
        metrics.run_upkeep();
    }
}
