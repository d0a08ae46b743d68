//! The services, put together from the configuration: the same parts for every role.

use std::sync::Arc;
use std::time::Duration;

use pay_gateway::PayGateway;
use proto::feed::v1::feed_service_client::FeedServiceClient;
use proto::gateway::v1::payment_service_client::PaymentServiceClient;
use proto::rate::v1::rate_service_client::RateServiceClient;
use proto::shop::v1::shop_service_client::ShopServiceClient;
use rate::Rate;
use shop_center::ShopCenter;
use store::cache::{ReadThrough, ReadThroughSettings};
use store::config::DatabaseConfig;
use store::{DbSettings, Migration};
use tokio::sync::Semaphore;
use trade::Trade;
use work::{
    Drain, FeedServer, FeedServerSettings, Puller, PullerSettings, Runner, Sequencer, Task,
};

use crate::cli::Service;
use crate::failure::Failure;
use crate::ground::Ground;
use crate::task;

pub const SHOP_CENTER: &str = "shop-center";
pub const RATE: &str = "rate";
pub const PAY_GATEWAY: &str = "pay-gateway";
pub const TRADE: &str = "trade";

impl Service {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::ShopCenter => SHOP_CENTER,
            Self::Rate => RATE,
            Self::Trade => TRADE,
            Self::PayGateway => PAY_GATEWAY,
        }
    }

    /// Where its database is.
    pub fn database(self, ground: &Ground) -> Result<DbSettings, Failure> {
        let config = &ground.config;
        let database: &DatabaseConfig = match self {
            Self::ShopCenter => &config.shop_center.database,
            Self::Rate => &config.rate.database,
            Self::Trade => &config.trade.database,
            Self::PayGateway => &config.pay_gateway.database,
        };
        Ok(database.settings(self.name(), None)?)
    }

    /// Its schema.
    pub fn migrations(self) -> &'static [Migration] {
        match self {
            Self::ShopCenter => shop_center::MIGRATIONS,
            Self::Rate => rate::MIGRATIONS,
            Self::Trade => trade::MIGRATIONS,
            Self::PayGateway => pay_gateway::MIGRATIONS,
        }
    }
}

pub async fn shop_center(ground: &Ground) -> Result<ShopCenter, Failure> {
    let config = ground.config.shop_center.clone();
    config.validate()?;
    let parts = shop_center::Parts {
        config,
        database: Service::ShopCenter.database(ground)?,
        cache: Arc::clone(&ground.cache),
    };
    Ok(ShopCenter::open(parts, Arc::clone(&ground.clock), Arc::clone(&ground.ids)).await?)
}

pub async fn rate(ground: &Ground) -> Result<Rate, Failure> {
    ground.config.rate.validate()?;
    let database = Service::Rate.database(ground)?;
    Ok(Rate::open(
        &database,
        Arc::clone(&ground.clock),
        Arc::clone(&ground.ids),
    )
    .await?)
}

pub async fn trade(ground: &Ground) -> Result<Trade, Failure> {
    let config = ground.config.trade.clone();
    config.validate().map_err(Failure::config)?;
    let peers = &ground.config.peers;
    let settings = ReadThroughSettings {
        name: "shops",
        ttl: config.shop_cache,
        negative_ttl: config.shop_cache / 10,
        stale: config.shop_cache * 2,
        // Whoever sold something yesterday is no stranger.
        remembered: Duration::from_hours(24),
    };
    let shops = ReadThrough::new(
        settings,
        Arc::clone(&ground.cache),
        Arc::clone(&ground.clock),
    );
    let peers = trade::Peers {
        shops: ShopServiceClient::new(ground.client(TRADE, &peers.shop_center, SHOP_CENTER)?),
        payments: PaymentServiceClient::new(ground.client(
            TRADE,
            &peers.pay_gateway,
            PAY_GATEWAY,
        )?),
        rates: RateServiceClient::new(ground.client(TRADE, &peers.rate, RATE)?),
        lookups: Arc::new(Semaphore::new(config.shop_lookups)),
        known_shops: Arc::new(shops),
    };
    let parts = trade::Parts {
        config,
        database: Service::Trade.database(ground)?,
        environment: ground.config.environment()?,
        peers,
        stop: ground.lifecycle.token(),
    };
    let trade = Trade::open(parts, Arc::clone(&ground.clock), Arc::clone(&ground.ids)).await?;
    trade.share_wake_ups(Arc::clone(&ground.bell));
    let (kept, stop) = (trade.clone(), ground.lifecycle.token());
    ground
        .lifecycle
        .spawn("node number", async move { kept.keep_numbers(stop).await });
    Ok(trade)
}

pub async fn pay_gateway(ground: &Ground) -> Result<PayGateway, Failure> {
    let config = ground.config.pay_gateway.clone();
    config.validate().map_err(Failure::config)?;
    let shops = &ground.config.peers.shop_center;
    let shops = ground.client(PAY_GATEWAY, shops, SHOP_CENTER)?;
    let parts = pay_gateway::Parts {
        config,
        database: Service::PayGateway.database(ground)?,
        environment: ground.config.environment()?,
        peers: pay_gateway::Peers {
            shops: ShopServiceClient::new(shops),
            cache: Arc::clone(&ground.cache),
            net: Arc::clone(&ground.net),
        },
    };
    Ok(PayGateway::open(parts, Arc::clone(&ground.clock), Arc::clone(&ground.ids)).await?)
}

/// trade's background work: pay-gateway's feed comes in, what is owed is done.
pub struct TradeWork {
    runner: Runner,
    puller: Puller,
}

pub fn trade_work(ground: &Ground, trade: &Trade) -> Result<TradeWork, Failure> {
    let gateway = &ground.config.peers.pay_gateway;
    let feed = FeedServiceClient::new(ground.client(TRADE, gateway, PAY_GATEWAY)?);
    let settings = PullerSettings::new(PAY_GATEWAY, TRADE);
    let sink = (trade.db().clone(), trade.subscriber());
    let puller = Puller::new(feed, settings, sink, &ground.lifecycle);
    let mut jobs = trade.jobs();
    jobs.push(Arc::new(puller.parked_job()));
    let jobs_settings = ground.config.jobs.clone();
    let runner = Runner::new(trade.db().clone(), jobs, jobs_settings, &ground.lifecycle)?;
    Ok(TradeWork { runner, puller })
}

impl TradeWork {
    pub fn start(&self) {
        self.puller.start();
        self.runner.start();
    }

    /// The same work, on demand.
    pub fn tasks(&self) -> Vec<Task> {
        task::of(Service::Trade, |kinds| match kinds {
            [] => {
                let all = self.runner.kinds();
                Drain::new(self.runner.clone(), all).pulling(self.puller.clone())
            }
            some => Drain::new(self.runner.clone(), task::codes(some)),
        })
    }
}

/// pay-gateway's background work: callbacks are taken in, its feed gets its order.
pub struct GatewayWork {
    runner: Runner,
    sequencer: Sequencer,
}

pub fn gateway_work(ground: &Ground, gateway: &PayGateway) -> Result<GatewayWork, Failure> {
    let (db, lifecycle) = (gateway.db().clone(), &ground.lifecycle);
    let runner = Runner::new(
        db.clone(),
        gateway.jobs(),
        ground.config.jobs.clone(),
        lifecycle,
    )?;
    let sequencer = Sequencer::new(db, ground.config.sequencer.clone(), lifecycle);
    Ok(GatewayWork { runner, sequencer })
}

impl GatewayWork {
    pub fn start(&self) {
        self.sequencer.start();
        self.runner.start();
    }

    /// The same work, on demand; what a task finds out is told in the feed.
    pub fn tasks(&self) -> Vec<Task> {
        task::of(Service::PayGateway, |kinds| {
            let kinds = match kinds {
                [] => self.runner.kinds(),
                some => task::codes(some),
            };
            Drain::new(self.runner.clone(), kinds).sequencing(self.sequencer.clone())
        })
    }
}

/// pay-gateway's feed, for its subscribers.
pub fn gateway_feed(ground: &Ground, gateway: &PayGateway) -> FeedServer {
    let publisher = (PAY_GATEWAY.to_owned(), gateway.db().clone());
    FeedServer::new(
        [publisher],
        FeedServerSettings::default(),
        &ground.lifecycle,
    )
}

/// How long the end of a role may take after its servers have drained.
pub const LAST_TASKS: Duration = Duration::from_secs(10);
