//! The callback ingress: HTTP from the channels, on a port of its own.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use mesh::Context;
use seam::net::Listener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::PayGateway;
use crate::channel::{MAX_MESSAGE, MessageError, swiftpass};
use crate::flow::receive::{self, Refused};

// A channel waits 5 s for the answer and repeats; whoever sends a body slower than this is none. For
// what comes before it, the server has a limit of its own.
const READ: Duration = Duration::from_secs(10);
const HANDLE: Duration = Duration::from_secs(5);

/// Serves `POST /callback/{channel}` until told to stop; what is being answered is answered.
pub async fn serve(gateway: PayGateway, listener: Listener, stop: CancellationToken) {
    let router = Router::new()
        .route("/callback/{channel}", post(callback))
        .with_state(gateway);
    mesh::web::serve(listener, router, stop).await;
}

type Answer = (StatusCode, &'static str);

async fn callback(
    State(gateway): State<PayGateway>,
    Path(channel): Path<String>,
    body: Body,
) -> Answer {
    if channel != "swiftpass" {
        return (StatusCode::NOT_FOUND, "unknown channel");
    }
    let Ok(Ok(raw)) = timeout(READ, to_bytes(body, MAX_MESSAGE)).await else {
        count(MessageError::TooLarge.reason());
        return (StatusCode::PAYLOAD_TOO_LARGE, swiftpass::REFUSED);
    };
    let handled = Context::background(HANDLE)
        .scope(receive::swiftpass(&gateway.0, &raw))
        .await;
    if let Err(Refused::Message(error)) = &handled
        && gateway.0.sampled.may()
    {
        let (reason, bytes, claims) = (error.reason(), raw.len(), swiftpass::claims(&raw));
        info!(
            reason,
            bytes, claims, "callback refused; of a second, one is told"
        );
    }
    answer(handled)
}

fn answer(handled: Result<(), Refused>) -> Answer {
    match handled {
        Ok(()) => {
            count("STORED");
            (StatusCode::OK, swiftpass::ACKNOWLEDGED)
        }
        Err(Refused::Message(error)) => {
            count(error.reason());
            (StatusCode::BAD_REQUEST, swiftpass::REFUSED)
        }
        Err(Refused::Gateway(error)) => {
            count("UNAVAILABLE");
            warn!(%error, "callback not stored; the channel will repeat it");
            (StatusCode::SERVICE_UNAVAILABLE, swiftpass::REFUSED)
        }
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("gateway_callbacks_total", "channel" => "swiftpass", "outcome" => outcome)
        .increment(1);
}
