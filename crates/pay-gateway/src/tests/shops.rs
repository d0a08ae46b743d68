//! A shop-center whose shops are open until they are not; that knows merchant accounts, can
//! lose them, and can be away.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use mesh::{Client, ClientSettings, Lifecycle, Policies, Server, ServerSettings};
use proto::shop::v1::list_merchant_accounts_request::Owner;
use proto::shop::v1::shop_service_client::ShopServiceClient;
use proto::shop::v1::shop_service_server::{ShopService, ShopServiceServer};
use proto::shop::v1::{
    BatchGetShopsRequest, BatchGetShopsResponse, Channel, CreateMerchantAccountRequest,
    CreateMerchantAccountResponse, CreateMerchantRequest, CreateMerchantResponse,
    CreateShopRequest, CreateShopResponse, GetMerchantRequest, GetMerchantResponse, GetShopRequest,
    GetShopResponse, ListMerchantAccountsRequest, ListMerchantAccountsResponse,
    ListMerchantsRequest, ListMerchantsResponse, ListShopsRequest, ListShopsResponse,
    MerchantAccount, PayType, SetShopStatusRequest, SetShopStatusResponse, Shop, ShopStatus,
    UpdateMerchantAccountRequest, UpdateMerchantAccountResponse, UpdateMerchantRequest,
    UpdateMerchantResponse, UpdateShopRequest, UpdateShopResponse,
};
use seam::net::{Memory, Net};
use tonic::{Request, Response, Status};

/// The merchant of most payments, and another one.
pub(super) const MCH_ID: &str = "7551000001";
pub(super) const OTHER_MCH_ID: &str = "7551000002";
pub(super) const SHOP: i64 = 11;

#[derive(Clone, Default)]
pub(super) struct Shops(Arc<Known>);

#[derive(Default)]
struct Known {
    accounts: Mutex<Vec<MerchantAccount>>,
    statuses: Mutex<HashMap<i64, Option<ShopStatus>>>,
    away: AtomicBool,
    asked: AtomicUsize,
}

/// An account of [`SHOP`] for WeChat, with the first key.
pub(super) fn account(account_id: i64, mch_id: &str) -> MerchantAccount {
    MerchantAccount {
        account_id,
        shop_id: SHOP,
        channel: Channel::Swiftpass.into(),
        pay_type: PayType::SwiftpassWechat.into(),
        mch_id: mch_id.to_owned(),
        key_name: "one".to_owned(),
        weight: 100,
        enabled: true,
        ..MerchantAccount::default()
    }
}

/// An account of [`SHOP`] for codes that the merchant scans, with the first key.
pub(super) fn till(account_id: i64, mch_id: &str) -> MerchantAccount {
    MerchantAccount {
        pay_type: PayType::SwiftpassScan.into(),
        ..account(account_id, mch_id)
    }
}

impl Shops {
    /// Knows an account for each direction; and the client that reaches it.
    pub(super) async fn open(net: &Arc<Memory>) -> (Self, ShopServiceClient<Client>) {
        let shops = Self::default();
        shops.knows(vec![account(1, MCH_ID), till(9, MCH_ID)]);
        let listener = net.listen("127.0.0.1:0").await.unwrap();
        let target = listener.address().to_string();
        let policies = Policies::read(proto::DESCRIPTORS).unwrap();
        let settings = ServerSettings::new("shop-center");
        let server = Server::new(settings, policies.clone(), Lifecycle::new())
            .add(ShopServiceServer::new(shops.clone()));
        tokio::spawn(server.serve(listener));
        let settings = ClientSettings::new("pay-gateway", target);
        let net: Arc<dyn Net> = Arc::clone(net) as Arc<dyn Net>;
        let client = Client::new(settings, net, policies).unwrap();
        (shops, ShopServiceClient::new(client))
    }

    pub(super) fn knows(&self, accounts: Vec<MerchantAccount>) {
        *self.0.accounts.lock().unwrap() = accounts;
    }

    /// How [`SHOP`] stands; `None`: there is none.
    pub(super) fn stands(&self, status: Option<ShopStatus>) {
        self.0.statuses.lock().unwrap().insert(SHOP, status);
    }

    pub(super) fn is_away(&self, away: bool) {
        self.0.away.store(away, Ordering::SeqCst);
    }

    pub(super) fn times_asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }
}

macro_rules! only_shops_and_accounts_are_known {
    ($($method:ident($request:ty) -> $response:ty;)*) => {
        #[tonic::async_trait]
        impl ShopService for Shops {
            $(async fn $method(&self, _: Request<$request>) -> Result<Response<$response>, Status> {
                Err(Status::unimplemented("not here"))
            })*

            async fn get_shop(
                &self,
                request: Request<GetShopRequest>,
            ) -> Result<Response<GetShopResponse>, Status> {
                self.shop(request.get_ref().shop_id).map(Response::new)
            }

            async fn list_merchant_accounts(
                &self,
                request: Request<ListMerchantAccountsRequest>,
            ) -> Result<Response<ListMerchantAccountsResponse>, Status> {
                self.list(request.get_ref()).map(Response::new)
            }
        }
    };
}

only_shops_and_accounts_are_known! {
    create_merchant(CreateMerchantRequest) -> CreateMerchantResponse;
    get_merchant(GetMerchantRequest) -> GetMerchantResponse;
    list_merchants(ListMerchantsRequest) -> ListMerchantsResponse;
    update_merchant(UpdateMerchantRequest) -> UpdateMerchantResponse;
    create_shop(CreateShopRequest) -> CreateShopResponse;
    batch_get_shops(BatchGetShopsRequest) -> BatchGetShopsResponse;
    list_shops(ListShopsRequest) -> ListShopsResponse;
    update_shop(UpdateShopRequest) -> UpdateShopResponse;
    set_shop_status(SetShopStatusRequest) -> SetShopStatusResponse;
    create_merchant_account(CreateMerchantAccountRequest) -> CreateMerchantAccountResponse;
    update_merchant_account(UpdateMerchantAccountRequest) -> UpdateMerchantAccountResponse;
}

impl Shops {
    fn shop(&self, shop_id: i64) -> Result<GetShopResponse, Status> {
        if self.0.away.load(Ordering::SeqCst) {
            return Err(Status::unavailable("away"));
        }
        let statuses = self.0.statuses.lock().unwrap();
        let known = statuses.get(&shop_id).copied();
        let status = known.unwrap_or(Some(ShopStatus::Open));
        let status = status.ok_or_else(|| Status::not_found("no such shop"))?;
        let shop = Shop {
            shop_id,
            status: status.into(),
            ..Shop::default()
        };
        Ok(GetShopResponse {
            shop: Some(shop),
            merchant: None,
        })
    }

    // One a page, so that all pages are turned.
    fn list(
        &self,
        request: &ListMerchantAccountsRequest,
    ) -> Result<ListMerchantAccountsResponse, Status> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        if self.0.away.load(Ordering::SeqCst) {
            return Err(Status::unavailable("away"));
        }
        let page: usize = request.page_token.parse().unwrap_or(0);
        let accounts = self.0.accounts.lock().unwrap();
        let of_owner = accounts.iter().filter(|account| match &request.owner {
            Some(Owner::ShopId(shop_id)) => account.shop_id == *shop_id,
            Some(Owner::ChannelMerchant(merchant)) => account.mch_id == merchant.mch_id,
            None => false,
        });
        let all: Vec<_> = of_owner.cloned().collect();
        let more = page + 1 < all.len();
        Ok(ListMerchantAccountsResponse {
            accounts: all.into_iter().skip(page).take(1).collect(),
            next_page_token: Some(page + 1)
                .filter(|_| more)
                .map_or_else(String::new, |next| next.to_string()),
        })
    }
}
