//! The services of one mesh, all behind one address.

use std::net::SocketAddr;
use std::sync::Arc;

use mesh::{Client, ClientSettings, Policies};
use proto::gateway::v1::payment_service_client::PaymentServiceClient;
use proto::rate::v1::rate_service_client::RateServiceClient;
use proto::sandbox::v1::sandbox_service_client::SandboxServiceClient;
use proto::shop::v1::shop_service_client::ShopServiceClient;
use proto::task::v1::task_service_client::TaskServiceClient;
use proto::trade::v1::trade_service_client::TradeServiceClient;
use seam::net::Tcp;

use crate::error::DrillError;

/// Clients of the services; cheap to clone, over one connection that is dialled again when lost.
#[derive(Clone)]
pub(crate) struct Peers {
    pub(crate) client: Client,
    pub(crate) shop: ShopServiceClient<Client>,
    pub(crate) rate: RateServiceClient<Client>,
    pub(crate) trade: TradeServiceClient<Client>,
    pub(crate) payments: PaymentServiceClient<Client>,
    pub(crate) tasks: TaskServiceClient<Client>,
    pub(crate) sandbox: SandboxServiceClient<Client>,
}

impl Peers {
    /// Clients of the mesh at `grpc`, within a tokio runtime; nothing is dialled yet.
    pub(crate) fn at(grpc: SocketAddr) -> Result<Self, DrillError> {
        let policies = Policies::read(proto::DESCRIPTORS)?;
        let settings = ClientSettings::new("drill", grpc.to_string());
        let client = Client::new(settings, Arc::new(Tcp), policies)?;
        Ok(Self {
            shop: ShopServiceClient::new(client.clone()),
            rate: RateServiceClient::new(client.clone()),
            trade: TradeServiceClient::new(client.clone()),
            payments: PaymentServiceClient::new(client.clone()),
            tasks: TaskServiceClient::new(client.clone()),
            sandbox: SandboxServiceClient::new(client.clone()),
            client,
        })
    }
}
