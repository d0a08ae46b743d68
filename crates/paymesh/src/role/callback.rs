//! `paymesh callback`: pay-gateway's callback ingress alone.

use pay_gateway::ingress;

use super::finish_tasks;
use crate::assemble;
use crate::failure::Failure;
use crate::ground::Ground;

pub async fn run(ground: &Ground) -> Result<(), Failure> {
    let listener = ground
        .listen("callback", &ground.config.listen.callback)
        .await?;
    ground.admin().await?;
    let gateway = assemble::pay_gateway(ground).await?;
    ground.lifecycle.ready();
    tracing::info!(address = %listener.address(), "receiving callbacks");
    let served = ingress::serve(gateway.clone(), listener, ground.lifecycle.token()).await;
    finish_tasks(ground).await;
    gateway.close().await;
    served.map_err(|e| Failure::new("SERVE_FAILED", e))
}
