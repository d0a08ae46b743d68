//! `paymesh callback`: pay-gateway's callback ingress alone.

use pay_gateway::ingress;

use super::finish_tasks;
use crate::assemble;
use crate::cli::Service;
use crate::failure::Failure;
use crate::ground::Ground;

pub async fn run(ground: &Ground) -> Result<(), Failure> {
    ground.is_called(Service::PayGateway.name())?;
    let listener = ground
        .listen("callback", &ground.config.listen.callback)
        .await?;
    ground.admin().await?;
    let gateway = assemble::pay_gateway(ground).await?;
    ground.lifecycle.ready();
    tracing::info!(address = %listener.address(), "receiving callbacks");
    ingress::serve(gateway.clone(), listener, ground.lifecycle.token()).await;
    finish_tasks(ground).await;
    gateway.close().await;
    Ok(())
}
