//! For operators and probes, on a port of its own: `/metrics`, `/livez` and `/readyz` over HTTP,
//! and explain, health and reflection over gRPC. Plain, whatever the servers' ports are.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use proto::mesh::v1::explain_service_server::SERVICE_NAME;
use seam::net::Listener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::explain::Explain;
use crate::health::FromLifecycle;
use crate::lifecycle::Lifecycle;
use crate::server::reflected;
use crate::web;

const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Serves until dropped, so that a draining process can still be seen: end it last.
pub async fn serve(
    listener: Listener,
    lifecycle: Lifecycle,
    metrics: PrometheusHandle,
    explain: Explain,
) -> io::Result<()> {
    let plain = router(lifecycle.clone(), metrics.clone());
    let all = with_services(plain, lifecycle, explain).map_err(io::Error::other)?;
    let never = CancellationToken::new();
    tokio::join!(web::serve(listener, all, never), upkeep(metrics));
    Ok(())
}

fn with_services(
    plain: Router,
    lifecycle: Lifecycle,
    explain: Explain,
) -> Result<Router, tonic_reflection::server::Error> {
    let health = FromLifecycle::of_process(lifecycle, explain.directory().clone());
    let policies = explain.policies().clone();
    let routes = Routes::from(plain)
        .add_service(health)
        .add_service(explain.service());
    Ok(reflected(routes, &policies, &[SERVICE_NAME])?.into_axum_router())
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
