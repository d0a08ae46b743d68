//! The services of one mesh: all behind one address, or each behind its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use mesh::{Client, ClientSettings, Policies};
use proto::gateway::v1::payment_service_client::PaymentServiceClient;
use proto::rate::v1::rate_service_client::RateServiceClient;
use proto::sandbox::v1::sandbox_service_client::SandboxServiceClient;
use proto::shop::v1::shop_service_client::ShopServiceClient;
use proto::task::v1::task_service_client::TaskServiceClient;
use proto::trade::v1::trade_service_client::TradeServiceClient;
use seam::net::Tcp;

use crate::calls::{Calls, Counted};
use crate::error::DrillError;
use crate::split::papers::{CLIENT, OPERATOR, Papers};

/// Clients of the services; cheap to clone, over connections that are dialled again when lost.
#[derive(Clone)]
pub(crate) struct Peers {
    pub(crate) places: Places,
    pub(crate) calls: Calls,
    pub(crate) shop: ShopServiceClient<Counted>,
    pub(crate) rate: RateServiceClient<Counted>,
    pub(crate) trade: TradeServiceClient<Counted>,
    /// trade, for those who decide about refunds.
    pub(crate) desk: TradeServiceClient<Counted>,
    pub(crate) payments: PaymentServiceClient<Counted>,
    pub(crate) tasks: TaskServiceClient<Counted>,
    pub(crate) sandbox: SandboxServiceClient<Counted>,
}

/// Where each service is, as a client takes it.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) shop: String,
    pub(crate) rate: String,
    pub(crate) trade: String,
    pub(crate) gateway: String,
    pub(crate) sandbox: String,
    /// What commands that call them are configured by.
    pub(crate) config: Option<PathBuf>,
}

// Whom a client calls, and as whom.
struct To<'a> {
    place: &'a str,
    name: &'static str,
    caller: &'static str,
}

impl Places {
    fn all_at(place: &str) -> Self {
        let place = || place.to_owned();
        Self {
            shop: place(),
            rate: place(),
            trade: place(),
            gateway: place(),
            sandbox: place(),
            config: None,
        }
    }
}

impl Peers {
    /// Clients of the mesh at `grpc`, within a tokio runtime; nothing is dialled yet.
    pub(crate) fn at(grpc: SocketAddr) -> Result<Self, DrillError> {
        let settings = ClientSettings::new("drill", grpc.to_string());
        let policies = Policies::read(proto::DESCRIPTORS)?;
        let one = Client::new(settings, Arc::new(Tcp), policies)?;
        let places = Places::all_at(&grpc.to_string());
        Self::over(places, |_| Ok(one.clone()))
    }

    /// The same of services that are processes of their own, with certificates if there are any.
    pub(crate) fn among(places: Places, papers: Option<&Papers>) -> Result<Self, DrillError> {
        let policies = Policies::read(proto::DESCRIPTORS)?;
        Self::over(places, |to| {
            let tls = papers.map(|papers| papers.tls(to.caller)).transpose()?;
            let settings = ClientSettings {
                tls,
                peer: Some(to.name.to_owned()),
                ..ClientSettings::new("drill", to.place)
            };
            Ok(Client::new(settings, Arc::new(Tcp), policies.clone())?)
        })
    }

    fn over(
        places: Places,
        client: impl Fn(To<'_>) -> Result<Client, DrillError>,
    ) -> Result<Self, DrillError> {
        let calls = Calls::before();
        let to = |place: &str, name, caller| {
            let client = client(To {
                place,
                name,
                caller,
            })?;
            Ok::<_, DrillError>(Counted::new(client, calls.clone()))
        };
        let desk = to(&places.trade, "trade", OPERATOR)?;
        let gateway = to(&places.gateway, "pay-gateway", OPERATOR)?;
        Ok(Self {
            shop: ShopServiceClient::new(to(&places.shop, "shop-center", OPERATOR)?),
            rate: RateServiceClient::new(to(&places.rate, "rate", OPERATOR)?),
            payments: PaymentServiceClient::new(gateway),
            // Each service has tasks; all together have them only in one process.
            tasks: TaskServiceClient::new(desk.clone()),
            trade: TradeServiceClient::new(to(&places.trade, "trade", CLIENT)?),
            desk: TradeServiceClient::new(desk),
            sandbox: SandboxServiceClient::new(to(&places.sandbox, "sandbox", CLIENT)?),
            places,
            calls,
        })
    }
}
