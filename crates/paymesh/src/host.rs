//! Services in one process, each with its own background work: all of them for `up`, and any
//! of them where a SQLite file, which belongs to one process, has to serve every role.

use ::work::TaskServer;
use mesh::Server;
use pay_gateway::{PayGateway, ingress};
use rate::Rate;
use seam::net::Listener;
use shop_center::ShopCenter;
use trade::Trade;

use crate::assemble;
use crate::cli::Service;
use crate::failure::Failure;
use crate::ground::Ground;
use crate::role;

/// Every service.
pub const ALL: [Service; 4] = [
    Service::ShopCenter,
    Service::Rate,
    Service::Trade,
    Service::PayGateway,
];

/// The opened services of a process.
pub struct Host {
    ground: Ground,
    shops: Option<ShopCenter>,
    rates: Option<Rate>,
    gateway: Option<PayGateway>,
    trade: Option<Trade>,
}

impl Host {
    /// Opens these services on databases whose migrations are all applied.
    pub async fn open(ground: &Ground, services: &[Service]) -> Result<Self, Failure> {
        let mut host = Self {
            ground: ground.clone(),
            shops: None,
            rates: None,
            gateway: None,
            trade: None,
        };
        for service in services {
            match service {
                Service::ShopCenter => host.shops = Some(assemble::shop_center(ground).await?),
                Service::Rate => host.rates = Some(assemble::rate(ground).await?),
                Service::Trade => host.trade = Some(assemble::trade(ground).await?),
                Service::PayGateway => host.gateway = Some(assemble::pay_gateway(ground).await?),
            }
        }
        Ok(host)
    }

    /// trade, if it is here.
    pub fn trade(&self) -> Option<&Trade> {
        self.trade.as_ref()
    }

    /// pay-gateway, if it is here.
    pub fn gateway(&self) -> Option<&PayGateway> {
        self.gateway.as_ref()
    }

    /// Starts to work off what the services owe, until the lifecycle stops.
    pub fn work(&self) -> Result<(), Failure> {
        if let Some(gateway) = &self.gateway {
            assemble::gateway_work(&self.ground, gateway)?.start();
        }
        if let Some(trade) = &self.trade {
            assemble::trade_work(&self.ground, trade)?.start();
        }
        Ok(())
    }

    /// Takes in the channels' callbacks at `listener`, until the lifecycle stops.
    pub fn receive(&self, listener: Listener) {
        let Some(gateway) = &self.gateway else { return };
        let lifecycle = &self.ground.lifecycle;
        let ingress = ingress::serve(gateway.clone(), listener, lifecycle.token());
        lifecycle.spawn("callback ingress", ingress);
    }

    /// A server of the services' RPCs, feeds and tasks.
    pub fn server(&self, name: &'static str) -> Result<Server, Failure> {
        let ground = &self.ground;
        let mut server = role::server(ground, name);
        let mut tasks = Vec::new();
        if let Some(shops) = &self.shops {
            server = server.add(shops.service());
        }
        if let Some(rates) = &self.rates {
            server = server.add(rates.service());
        }
        if let Some(gateway) = &self.gateway {
            let feed = assemble::gateway_feed(ground, gateway).service();
            server = server.add(gateway.service()).add(feed);
            tasks.extend(assemble::gateway_work(ground, gateway)?.tasks());
        }
        if let Some(trade) = &self.trade {
            server = server.add(trade.service());
            tasks.extend(assemble::trade_work(ground, trade)?.tasks());
        }
        if tasks.is_empty() {
            return Ok(server);
        }
        Ok(server.add(TaskServer::new(tasks, &ground.lifecycle).service()))
    }

    /// Waits for background tasks, writes what waits, closes the databases. The servers have
    /// drained before.
    pub async fn close(self) {
        role::finish_tasks(&self.ground).await;
        if let Some(trade) = self.trade {
            trade.close().await;
        }
        if let Some(gateway) = self.gateway {
            gateway.close().await;
        }
        if let Some(rates) = self.rates {
            rates.close().await;
        }
        if let Some(shops) = self.shops {
            shops.close().await;
        }
    }
}

/// Brings the databases of these services up to date.
pub async fn migrate(ground: &Ground, services: &[Service]) -> Result<(), Failure> {
    for service in services {
        let url = service.database(ground)?.url;
        store::migrate::migrate(service.name(), &url, service.migrations()).await?;
    }
    Ok(())
}
