//! The services trade calls.

use std::sync::Arc;
use std::time::Duration;

use mesh::Context;
use prost::Message;
use proto::gateway::v1::payment_service_client::PaymentServiceClient;
use proto::rate::v1::rate_service_client::RateServiceClient;
use proto::shop::v1::shop_service_client::ShopServiceClient;
use proto::shop::v1::{GetShopRequest, GetShopResponse};
use store::cache::ReadThrough;
use tonic::Code;

use crate::error::TradeError;

const ASK: Duration = Duration::from_secs(2);

/// Clients of the services trade calls.
#[derive(Clone)]
pub struct Peers {
    /// May this shop sell; its merchant.
    pub shops: ShopServiceClient<mesh::Client>,
    /// Payments.
    pub payments: PaymentServiceClient<mesh::Client>,
    /// What a payment costs.
    pub rates: RateServiceClient<mesh::Client>,
    /// Shops, for a while.
    pub known_shops: Arc<ReadThrough<tonic::Status>>,
}

impl Peers {
    /// A shop and its merchant, from the cache or from shop-center.
    pub(crate) async fn shop(&self, shop_id: i64) -> Result<GetShopResponse, TradeError> {
        let mut shops = self.shops.clone();
        // Others may wait for the same answer: its deadline is its own.
        let load = move || {
            Context::background(ASK).scope(async move {
                match shops.get_shop(GetShopRequest { shop_id }).await {
                    Ok(answer) => Ok(Some(answer.into_inner().encode_to_vec())),
                    Err(status) if status.code() == Code::NotFound => Ok(None),
                    Err(status) => Err(status),
                }
            })
        };
        let found = self.known_shops.get(&shop_id.to_string(), load).await;
        let found = found.map_err(|status| (*status).clone())?;
        let found = found.ok_or(TradeError::ShopNotFound(shop_id))?;
        let shop = GetShopResponse::decode(found.as_slice());
        shop.map_err(|e| tonic::Status::internal(format!("cached shop: {e}")).into())
    }
}
