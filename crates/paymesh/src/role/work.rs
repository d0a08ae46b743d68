//! `paymesh work SERVICE`: background work, continuously.

use super::finish_tasks;
use crate::assemble;
use crate::cli::{Service, Worker};
use crate::failure::Failure;
use crate::ground::Ground;

pub async fn run(ground: &Ground, worker: Worker) -> Result<(), Failure> {
    let service = match worker {
        Worker::Trade => Service::Trade,
        Worker::PayGateway => Service::PayGateway,
    };
    ground.is_called(service.name())?;
    ground.admin().await?;
    match worker {
        Worker::Trade => {
            let trade = assemble::trade(ground).await?;
            assemble::trade_work(ground, &trade)?.start();
            until_stopped(ground).await;
            trade.close().await;
        }
        Worker::PayGateway => {
            let gateway = assemble::pay_gateway(ground).await?;
            assemble::gateway_work(ground, &gateway)?.start();
            until_stopped(ground).await;
            gateway.close().await;
        }
    }
    Ok(())
}

async fn until_stopped(ground: &Ground) {
    ground.lifecycle.ready();
    tracing::info!("working");
    ground.lifecycle.stopping().await;
    finish_tasks(ground).await;
}
