//! The services trade calls.

use std::sync::Arc;
use std::time::Duration;

use mesh::{Context, ErrorKind, Fault};
use prost::Message;
use proto::gateway::v1::payment_service_client::PaymentServiceClient;
use proto::rate::v1::rate_service_client::RateServiceClient;
use proto::shop::v1::shop_service_client::ShopServiceClient;
use proto::shop::v1::{GetShopRequest, GetShopResponse};
use store::cache::ReadThrough;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tonic::Code;

use crate::error::TradeError;

const ASK: Duration = Duration::from_secs(2);
// With 64 turns: 320 wrong numbers a second.
const PENALTY: Duration = Duration::from_millis(200);
const SOON: Duration = Duration::from_secs(1);

/// Clients of the services trade calls.
#[derive(Clone)]
pub struct Peers {
    /// May this shop sell; its merchant.
    pub shops: ShopServiceClient<mesh::Client>,
    /// Payments.
    pub payments: PaymentServiceClient<mesh::Client>,
    /// What a payment costs.
    pub rates: RateServiceClient<mesh::Client>,
    /// How many shops that are not known are asked for at once; more are refused, so that a
    /// storm of wrong numbers costs orders of known shops nothing.
    pub lookups: Arc<Semaphore>,
    /// Shops, for a while.
    pub known_shops: Arc<ReadThrough<tonic::Status>>,
}

impl Peers {
    /// A shop and its merchant, from the cache or from shop-center.
    pub(crate) async fn shop(&self, shop_id: i64) -> Result<GetShopResponse, TradeError> {
        let (mut shops, lookups) = (self.shops.clone(), Arc::clone(&self.lookups));
        // Others may wait for the same answer: its deadline is its own.
        let load = move || {
            Context::background(ASK).scope(async move {
                let Ok(turn) = lookups.try_acquire_owned() else {
                    return Err(busy());
                };
                match shops.get_shop(GetShopRequest { shop_id }).await {
                    Ok(answer) => Ok(Some(answer.into_inner().encode_to_vec())),
                    Err(status) if status.code() == Code::NotFound => {
                        tokio::spawn(penalty(turn));
                        Ok(None)
                    }
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

// A turn that found nothing is not given to the next at once: wrong numbers may cost so many
// reads a second, and no more.
async fn penalty(turn: OwnedSemaphorePermit) {
    sleep(PENALTY).await;
    drop(turn);
}

fn busy() -> tonic::Status {
    let text = "too many unknown shops are being asked for";
    Fault::new(ErrorKind::Throttled, "SHOP_LOOKUPS_BUSY", text)
        .retry_after(SOON)
        .into()
}
