//! Merchant accounts (进件): asked of shop-center, believed for a while, and the channel
//! adapter each is spoken to through.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::PayType;
use mesh::Context;
use prost::Message;
use proto::shop::v1::list_merchant_accounts_request::Owner;
use proto::shop::v1::shop_service_client::ShopServiceClient;
use proto::shop::v1::{
    Channel as WireChannel, ChannelMerchant, ListMerchantAccountsRequest,
    ListMerchantAccountsResponse, MerchantAccount,
};
use seam::net::Net;
use seam::{Clock, Ids};
use store::cache::{Cache, ReadThrough, ReadThroughSettings};

use crate::channel::Channel;
use crate::channel::http::{ChannelHttp, HttpSettings};
use crate::channel::swiftpass::{self, Signer, Swiftpass};
use crate::config::PayGatewayConfig;
use crate::error::GatewayError;

const ASK: Duration = Duration::from_secs(2);

/// How pay-gateway reaches the world.
#[derive(Clone)]
pub struct Peers {
    /// Whose accounts these are.
    pub shops: ShopServiceClient<mesh::Client>,
    /// What shop-center said, for a while.
    pub cache: Arc<dyn Cache>,
    /// The way to the channels.
    pub net: Arc<dyn Net>,
}

pub(crate) struct Accounts {
    shops: ShopServiceClient<mesh::Client>,
    known: ReadThrough<tonic::Status>,
    signers: BTreeMap<String, Signer>,
    config: PayGatewayConfig,
    net: Arc<dyn Net>,
    ids: Arc<dyn Ids>,
    adapters: Mutex<HashMap<(i64, String), Arc<dyn Channel>>>,
}

impl Accounts {
    pub(crate) fn new(
        config: PayGatewayConfig,
        peers: Peers,
        (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>),
    ) -> Result<Self, GatewayError> {
        let signers = config.swiftpass.signers().map_err(GatewayError::Config)?;
        let settings = ReadThroughSettings {
            name: "accounts",
            ttl: config.account_cache,
            negative_ttl: config.account_cache / 10,
            stale: config.account_cache * 20,
        };
        Ok(Self {
            shops: peers.shops,
            known: ReadThrough::new(settings, peers.cache, clock),
            signers,
            config,
            net: peers.net,
            ids,
            adapters: Mutex::new(HashMap::new()),
        })
    }

    /// The account that takes a shop's payment: by weight among those that are enabled.
    pub(crate) async fn pick(
        &self,
        shop_id: i64,
        pay_type: PayType,
    ) -> Result<Option<MerchantAccount>, GatewayError> {
        let key = format!("shop:{shop_id}");
        let accounts = self.ask(&key, Owner::ShopId(shop_id)).await?;
        let fits = |account: &&MerchantAccount| {
            account.enabled
                && account.pay_type == i32::from(pay_type.code())
                && self.signers.contains_key(&account.key_name)
        };
        let fitting: Vec<&MerchantAccount> = accounts.iter().filter(fits).collect();
        Ok(by_weight(&fitting, self.ids.bits()).cloned())
    }

    /// The signers that may have signed a message of a channel's merchant.
    pub(crate) async fn signers_of(&self, mch_id: &str) -> Result<Vec<Signer>, GatewayError> {
        let key = format!("merchant:{mch_id}");
        let merchant = ChannelMerchant {
            channel: WireChannel::Swiftpass.into(),
            mch_id: mch_id.to_owned(),
        };
        let accounts = self.ask(&key, Owner::ChannelMerchant(merchant)).await?;
        let mut names: Vec<&str> = accounts
            .iter()
            .map(|account| account.key_name.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        Ok(names
            .iter()
            .filter_map(|name| self.signers.get(*name).cloned())
            .collect())
    }

    /// The adapter an account is spoken to through; each has a connection pool of its own.
    pub(crate) fn channel(&self, account: &MerchantAccount) -> Option<Arc<dyn Channel>> {
        let signer = self.signers.get(&account.key_name)?;
        let mut adapters = self.adapters.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (account.account_id, account.key_name.clone());
        let made = adapters
            .entry(key)
            .or_insert_with(|| Arc::new(self.swiftpass(account, signer)));
        Some(Arc::clone(made))
    }

    fn swiftpass(&self, account: &MerchantAccount, signer: &Signer) -> Swiftpass {
        let config = &self.config.swiftpass;
        let http = HttpSettings {
            connect_timeout: config.connect_timeout,
            ..HttpSettings::default()
        };
        let agent = Some(account.sign_agentno.clone()).filter(|agent| !agent.is_empty());
        let account = swiftpass::Account {
            gateway_url: config.gateway_url.clone(),
            mch_id: account.mch_id.clone(),
            sign_agentno: agent,
            notify_url: format!(
                "{}/callback/swiftpass",
                self.config.callback_url.trim_end_matches('/')
            ),
            signer: signer.clone(),
        };
        Swiftpass::new(
            account,
            ChannelHttp::new(Arc::clone(&self.net), http),
            Arc::clone(&self.ids),
        )
    }

    async fn ask(&self, key: &str, owner: Owner) -> Result<Vec<MerchantAccount>, GatewayError> {
        let mut shops = self.shops.clone();
        let load = move || {
            let request = ListMerchantAccountsRequest { owner: Some(owner) };
            // Others may wait for the same answer: its deadline is its own.
            Context::background(ASK).scope(async move {
                let answer = shops.list_merchant_accounts(request).await?.into_inner();
                Ok(Some(answer.encode_to_vec()).filter(|_| !answer.accounts.is_empty()))
            })
        };
        let found = self
            .known
            .get(key, load)
            .await
            .map_err(|status| (*status).clone())?;
        let answer = found
            .as_deref()
            .map(ListMerchantAccountsResponse::decode)
            .transpose();
        let answer =
            answer.map_err(|e| tonic::Status::internal(format!("cached accounts: {e}")))?;
        Ok(answer.unwrap_or_default().accounts)
    }
}

fn by_weight<'a>(accounts: &[&'a MerchantAccount], random: u64) -> Option<&'a MerchantAccount> {
    let weight = |account: &MerchantAccount| u64::from(account.weight.unsigned_abs().max(1));
    let total: u64 = accounts.iter().map(|account| weight(account)).sum();
    let mut left = random.checked_rem(total)?;
    accounts.iter().copied().find(|account| {
        let here = left < weight(account);
        left = left.saturating_sub(weight(account));
        here
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_picked_by_their_weight() {
        let account = |account_id, weight| MerchantAccount {
            account_id,
            weight,
            ..MerchantAccount::default()
        };
        let (small, large) = (account(1, 100), account(2, 300));
        let picked =
            |random| by_weight(&[&small, &large], random).map(|account| account.account_id);
        let ones = (0..400).filter(|&random| picked(random) == Some(1)).count();
        assert_eq!(ones, 100);
        assert_eq!(by_weight(&[], 7), None);
    }
}
