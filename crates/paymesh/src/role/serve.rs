//! `paymesh serve SERVICE`: one service's RPCs.

use ::work::TaskServer;

use super::{finish_tasks, server};
use crate::assemble;
use crate::cli::Service;
use crate::failure::Failure;
use crate::ground::Ground;

pub async fn run(ground: &Ground, service: Service) -> Result<(), Failure> {
    ground.is_called(service.name())?;
    let listener = ground.listen("grpc", &ground.config.listen.grpc).await?;
    ground.admin().await?;
    let server = server(ground, service.name());
    match service {
        Service::ShopCenter => {
            let shops = assemble::shop_center(ground).await?;
            ground.lifecycle.ready();
            server.add(shops.service()).serve(listener).await?;
            finish_tasks(ground).await;
            shops.close().await;
        }
        Service::Rate => {
            let rates = assemble::rate(ground).await?;
            ground.lifecycle.ready();
            server.add(rates.service()).serve(listener).await?;
            finish_tasks(ground).await;
            rates.close().await;
        }
        Service::Trade => {
            let trade = assemble::trade(ground).await?;
            let work = assemble::trade_work(ground, &trade)?;
            let tasks = TaskServer::new(work.tasks(), &ground.lifecycle);
            ground.lifecycle.ready();
            server
                .add(trade.service())
                .add(tasks.service())
                .serve(listener)
                .await?;
            finish_tasks(ground).await;
            trade.close().await;
        }
        Service::PayGateway => {
            let gateway = assemble::pay_gateway(ground).await?;
            let work = assemble::gateway_work(ground, &gateway)?;
            let tasks = TaskServer::new(work.tasks(), &ground.lifecycle);
            let feed = assemble::gateway_feed(ground, &gateway);
            let server = server
                .add(gateway.service())
                .add(feed.service())
                .add(tasks.service());
            ground.lifecycle.ready();
            server.serve(listener).await?;
            finish_tasks(ground).await;
            gateway.close().await;
        }
    }
    Ok(())
}
