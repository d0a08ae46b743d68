//! `paymesh sandbox`: the channel simulator by itself.

use std::sync::Arc;

use ::sandbox::{Sandbox, SandboxError};

use super::{finish_tasks, server};
use crate::failure::Failure;
use crate::ground::Ground;

pub async fn run(ground: &Ground) -> Result<(), Failure> {
    let grpc = ground.listen("grpc", &ground.config.listen.grpc).await?;
    ground.admin().await?;
    let sandbox = open(ground).await?;
    start(ground, &sandbox).await?;
    ground.lifecycle.ready();
    server(ground, "sandbox")
        .add(sandbox.service())
        .serve(grpc)
        .await?;
    finish_tasks(ground).await;
    sandbox.close().await;
    Ok(())
}

/// Opens the ledger.
pub async fn open(ground: &Ground) -> Result<Sandbox, Failure> {
    let (clock, ids, net) = (&ground.clock, &ground.ids, &ground.net);
    let settings = ground.config.sandbox.clone();
    let opened = Sandbox::open(
        settings,
        Arc::clone(clock),
        Arc::clone(ids),
        Arc::clone(net),
    )
    .await;
    opened.map_err(|error| match error {
        SandboxError::LedgerInUse { .. } => Failure::new("DATABASE_IN_USE", error),
        error => Failure::new("SANDBOX_FAILED", error),
    })
}

/// Starts its HTTP side and its notices.
pub async fn start(ground: &Ground, sandbox: &Sandbox) -> Result<std::net::SocketAddr, Failure> {
    let http = ground
        .listen("sandbox", &ground.config.listen.sandbox)
        .await?;
    let (address, stop) = (http.address(), ground.lifecycle.token());
    let (http, notices) = (sandbox.http(http, stop.clone()), sandbox.notifier(stop));
    ground.lifecycle.spawn("sandbox http", report(http));
    ground.lifecycle.spawn("sandbox notices", report(notices));
    Ok(address)
}

async fn report(part: impl Future<Output = Result<(), SandboxError>>) {
    if let Err(error) = part.await {
        tracing::error!(%error, "sandbox");
    }
}
