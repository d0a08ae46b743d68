//! Merchant accounts (进件), and whether a shop sells: asked of shop-center, believed for a
//! while; and the channel adapter each account is spoken to through.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{DeclineReason, Direction};
use mesh::Context;
use prost::Message;
use proto::shop::v1::list_merchant_accounts_request::Owner;
use proto::shop::v1::shop_service_client::ShopServiceClient;
use proto::shop::v1::{
    Channel as WireChannel, ChannelMerchant, GetShopRequest, ListMerchantAccountsRequest,
    ListMerchantAccountsResponse, MerchantAccount, Shop, ShopStatus,
};
use seam::net::Net;
use seam::{Clock, Ids};
use store::cache::{Cache, InProcess, ReadThrough, ReadThroughSettings};
use tonic::Code;

use crate::channel::http::{ChannelHttp, HttpSettings};
use crate::channel::swiftpass::{self, Signer, Swiftpass};
use crate::channel::{Channel, Limited};
use crate::config::PayGatewayConfig;
use crate::error::GatewayError;
use crate::payment::{Account, Asked};
use crate::rotation::{Rotation, by_weight};

const ASK: Duration = Duration::from_secs(2);
// A few hundred bytes an account, of those whose payments are called back within minutes.
const SIGNERS: u64 = 16 * 1024 * 1024;

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
    // In this process: nothing that others share stands between a callback and its commit.
    merchants: ReadThrough<tonic::Status>,
    known_shops: ReadThrough<tonic::Status>,
    signers: BTreeMap<String, Signer>,
    config: PayGatewayConfig,
    net: Arc<dyn Net>,
    ids: Arc<dyn Ids>,
    rotation: Rotation,
    adapters: Mutex<HashMap<Account, Arc<dyn Channel>>>,
}

impl Accounts {
    pub(crate) fn new(
        config: PayGatewayConfig,
        peers: Peers,
        (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>),
    ) -> Result<Self, GatewayError> {
        let signers = config.swiftpass.signers().map_err(GatewayError::Config)?;
        let believed = |name| ReadThroughSettings {
            name,
            ttl: config.account_cache,
            negative_ttl: config.account_cache / 10,
            stale: config.account_cache * 20,
            remembered: Duration::ZERO,
        };
        let known = |name, cache: &Arc<dyn Cache>| {
            ReadThrough::new(believed(name), Arc::clone(cache), Arc::clone(&clock))
        };
        let own: Arc<dyn Cache> = Arc::new(InProcess::new(SIGNERS, Arc::clone(&clock)));
        Ok(Self {
            known: known("accounts", &peers.cache),
            merchants: known("signers", &own),
            known_shops: known("selling", &peers.cache),
            shops: peers.shops,
            rotation: Rotation(peers.cache),
            signers,
            config,
            net: peers.net,
            ids,
            adapters: Mutex::new(HashMap::new()),
        })
    }

    /// The account that takes a shop's payment, or why none does: by weight among those that
    /// are enabled; a payer who scans gets another one next time, if there is another.
    pub(crate) async fn pick(
        &self,
        asked: &Asked,
    ) -> Result<Result<Account, DeclineReason>, GatewayError> {
        if !self.sells(asked.shop_id).await? {
            return Ok(Err(DeclineReason::ShopClosed));
        }
        let key = format!("shop:{}", asked.shop_id);
        let owner = Owner::ShopId(asked.shop_id);
        let accounts = self.ask(&self.known, &key, owner).await?;
        let fits = |account: &&MerchantAccount| {
            account.enabled
                && account.pay_type == i32::from(asked.pay_type.code())
                && self.signers.contains_key(&account.key_name)
        };
        let fitting: Vec<&MerchantAccount> = accounts.iter().filter(fits).collect();
        let picked = match asked.pay_type.direction() {
            Direction::CustomerScans => self.rotation.next(asked, &fitting, self.ids.bits()).await,
            Direction::MerchantScans => by_weight(&fitting, self.ids.bits()),
        };
        let picked = picked.map(Account::of);
        Ok(picked.ok_or(DeclineReason::NoMerchantAccount))
    }

    // Whether a shop is there and open.
    async fn sells(&self, shop_id: i64) -> Result<bool, GatewayError> {
        let mut shops = self.shops.clone();
        let load = move |_| {
            // Others may wait for the same answer: its deadline is its own.
            Context::background(ASK).scope(async move {
                match shops.get_shop(GetShopRequest { shop_id }).await {
                    Ok(answer) => Ok(answer.into_inner().shop.map(|shop| shop.encode_to_vec())),
                    Err(status) if status.code() == Code::NotFound => Ok(None),
                    Err(status) => Err(status),
                }
            })
        };
        let found = self.known_shops.get(&shop_id.to_string(), load).await;
        let found = found.map_err(|status| (*status).clone())?;
        let shop = found.as_deref().map(Shop::decode).transpose();
        let shop = shop.map_err(|e| tonic::Status::internal(format!("cached shop: {e}")))?;
        let shop = shop.filter(|shop| shop.shop_id == shop_id);
        Ok(shop.is_some_and(|shop| shop.status() == ShopStatus::Open))
    }

    /// The signers that may have signed a message of a channel's merchant.
    pub(crate) async fn signers_of(&self, mch_id: &str) -> Result<Vec<Signer>, GatewayError> {
        let merchant = ChannelMerchant {
            channel: WireChannel::Swiftpass.into(),
            mch_id: mch_id.to_owned(),
        };
        let owner = Owner::ChannelMerchant(merchant);
        let accounts = self.ask(&self.merchants, mch_id, owner).await?;
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

    /// The adapter an account is spoken to through; each has a connection pool and a limit of
    /// its own.
    pub(crate) fn channel(&self, account: &Account) -> Option<Arc<dyn Channel>> {
        let signer = self.signers.get(&account.key_name)?;
        let mut adapters = self.adapters.lock().unwrap_or_else(PoisonError::into_inner);
        let made = adapters
            .entry(account.clone())
            .or_insert_with(|| Arc::new(self.swiftpass(account, signer)));
        Some(Arc::clone(made))
    }

    /// From now on an account is spoken to through this.
    #[cfg(test)]
    pub(crate) fn stand_in(&self, account: Account, channel: Arc<dyn Channel>) {
        self.adapters.lock().unwrap().insert(account, channel);
    }

    fn swiftpass(&self, account: &Account, signer: &Signer) -> Limited<Swiftpass> {
        let config = &self.config.swiftpass;
        let http = HttpSettings {
            connect_timeout: config.connect_timeout,
            ..HttpSettings::default()
        };
        let if_any = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let callback_url = self.config.callback_url.trim_end_matches('/');
        let account = swiftpass::Account {
            gateway_url: config.gateway_url.clone(),
            mch_id: account.mch_id.clone(),
            sign_agentno: if_any(&account.sign_agentno),
            sub_appid: if_any(&account.sub_appid),
            groupno: if_any(&account.groupno),
            notify_url: format!("{callback_url}/callback/swiftpass"),
            signer: signer.clone(),
        };
        let http = ChannelHttp::new(Arc::clone(&self.net), http);
        let channel = Swiftpass::new(account, http, Arc::clone(&self.ids));
        Limited::new("swiftpass", channel, config.concurrency)
    }

    async fn ask(
        &self,
        known: &ReadThrough<tonic::Status>,
        key: &str,
        owner: Owner,
    ) -> Result<Vec<MerchantAccount>, GatewayError> {
        let (mut shops, whose) = (self.shops.clone(), owner.clone());
        let load = move |_| {
            // Others may wait for the same answer: its deadline is its own.
            Context::background(ASK).scope(async move {
                let accounts = all_of(&mut shops, owner).await?;
                let answer = ListMerchantAccountsResponse {
                    accounts,
                    ..Default::default()
                };
                Ok(Some(answer.encode_to_vec()).filter(|_| !answer.accounts.is_empty()))
            })
        };
        let found = known.get(key, load).await;
        let found = found.map_err(|status| (*status).clone())?;
        let answer = found
            .as_deref()
            .map(ListMerchantAccountsResponse::decode)
            .transpose();
        let answer =
            answer.map_err(|e| tonic::Status::internal(format!("cached accounts: {e}")))?;
        let mut accounts = answer.unwrap_or_default().accounts;
        // Money goes where they say: whatever else a cache may keep under their key counts for nothing.
        accounts.retain(|account| is_of(account, &whose));
        Ok(accounts)
    }
}

fn is_of(account: &MerchantAccount, owner: &Owner) -> bool {
    match owner {
        Owner::ShopId(shop) => account.shop_id == *shop,
        Owner::ChannelMerchant(merchant) => {
            (account.channel, &account.mch_id) == (merchant.channel, &merchant.mch_id)
        }
    }
}

async fn all_of(
    shops: &mut ShopServiceClient<mesh::Client>,
    owner: Owner,
) -> Result<Vec<MerchantAccount>, tonic::Status> {
    let mut accounts = Vec::new();
    let mut request = ListMerchantAccountsRequest {
        owner: Some(owner),
        ..Default::default()
    };
    loop {
        let page = shops
            .list_merchant_accounts(request.clone())
            .await?
            .into_inner();
        accounts.extend(page.accounts);
        if page.next_page_token.is_empty() {
            return Ok(accounts);
        }
        request.page_token = page.next_page_token;
    }
}
