//! The services trade calls.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use mesh::{Context, ErrorKind, Fault};
use prost::Message;
use proto::gateway::v1::payment_service_client::PaymentServiceClient;
use proto::rate::v1::rate_service_client::RateServiceClient;
use proto::shop::v1::shop_service_client::ShopServiceClient;
use proto::shop::v1::{GetShopRequest, GetShopResponse};
use seam::{Ids, SystemIds};
use store::cache::ReadThrough;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tonic::Code;

use crate::error::TradeError;

const ASK: Duration = Duration::from_secs(2);
// At least, and up to a second more: with 64 turns, 64 wrong numbers a second.
const PENALTY: Duration = Duration::from_millis(500);
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
    /// How many shops that nobody remembers are asked for at once; more are refused, so that a
    /// storm of wrong numbers costs orders of known shops nothing.
    pub lookups: Arc<Semaphore>,
    /// Shops, for a while.
    pub known_shops: Arc<ReadThrough<tonic::Status>>,
}

impl Peers {
    /// A shop and its merchant, from the cache or from shop-center.
    pub(crate) async fn shop(&self, shop_id: i64) -> Result<GetShopResponse, TradeError> {
        let load = |remembered: bool| {
            // Taken first: a storm's refusals cost nothing but this. Who was there before is no
            // stranger, and waits for none.
            let turn = (!remembered).then(|| Arc::clone(&self.lookups).try_acquire_owned());
            let turn = turn.transpose().map(|turn| (turn, self.shops.clone()));
            async move {
                let Ok((turn, shops)) = turn else {
                    return Err(busy());
                };
                // Others may wait for the same answer: its deadline is its own.
                let asked = Context::background(ASK).scope(ask(shops, shop_id)).await;
                if let (Ok(None), Some(turn)) = (&asked, turn) {
                    tokio::spawn(penalty(turn));
                }
                asked
            }
        };
        let found = self.known_shops.get(&shop_id.to_string(), load).await;
        let found = found.map_err(Arc::unwrap_or_clone)?;
        let found = found.ok_or(TradeError::ShopNotFound(shop_id))?;
        let shop = GetShopResponse::decode(found.as_slice());
        shop.map_err(|e| tonic::Status::internal(format!("cached shop: {e}")).into())
    }
}

async fn ask(
    mut shops: ShopServiceClient<mesh::Client>,
    shop_id: i64,
) -> Result<Option<Vec<u8>>, tonic::Status> {
    match shops.get_shop(GetShopRequest { shop_id }).await {
        Ok(answer) => Ok(Some(answer.into_inner().encode_to_vec())),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(status),
    }
}

// A turn that found nothing is not given to the next at once: wrong numbers may cost so many
// reads a second, and no more. Each waits for a time of its own: taken all at once, turns would
// else come back all at once for ever, and orders wait behind so many reads together.
async fn penalty(turn: OwnedSemaphorePermit) {
    let more = Duration::from_millis(SystemIds.permille().into());
    sleep(PENALTY + more).await;
    drop(turn);
}

fn busy() -> tonic::Status {
    // Encoded once: it is always the same.
    static BUSY: LazyLock<tonic::Status> = LazyLock::new(|| {
        let text = "too many unknown shops are being asked for";
        Fault::new(ErrorKind::Throttled, "SHOP_LOOKUPS_BUSY", text)
            .retry_after(SOON)
            .into()
    });
    BUSY.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn turns_that_found_nothing_come_back_after_a_while_and_not_all_at_once() {
        let lookups = Arc::new(Semaphore::new(64));
        for _ in 0..64 {
            let turn = Arc::clone(&lookups).try_acquire_owned().unwrap();
            tokio::spawn(penalty(turn));
        }
        sleep(PENALTY.saturating_sub(Duration::from_millis(1))).await;
        assert_eq!(lookups.available_permits(), 0);
        sleep(Duration::from_millis(501)).await;
        assert!((1..64).contains(&lookups.available_permits()));
        sleep(Duration::from_millis(501)).await;
        assert_eq!(lookups.available_permits(), 64);
    }
}
