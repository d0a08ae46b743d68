//! The RPCs: decode, call the flow, encode.

use jiff::Timestamp;
use proto::shop::v1::shop_service_server::ShopService;
use proto::shop::v1::{
    CreateMerchantAccountRequest, CreateMerchantAccountResponse, CreateMerchantRequest,
    CreateMerchantResponse, CreateShopRequest, CreateShopResponse, GetMerchantRequest,
    GetMerchantResponse, GetShopRequest, GetShopResponse, ListMerchantAccountsRequest,
    ListMerchantAccountsResponse,
};
use store::Db;
use tonic::{Request, Response, Status};

use crate::flow::Created;
use crate::{convert, flow};

/// Serves `paymesh.shop.v1.ShopService`.
pub struct Service {
    db: Db,
}

impl Service {
    pub(crate) fn new(db: Db) -> Self {
        Self { db }
    }

    fn now(&self) -> Timestamp {
        self.db.clock().now()
    }
}

#[tonic::async_trait]
impl ShopService for Service {
    async fn create_merchant(
        &self,
        request: Request<CreateMerchantRequest>,
    ) -> Result<Response<CreateMerchantResponse>, Status> {
        let merchant = convert::merchant(request.into_inner().merchant, self.now())?;
        let Created { it, created } = flow::create_merchant(&self.db, merchant).await?;
        Ok(Response::new(CreateMerchantResponse {
            merchant: Some(it.into()),
            created,
        }))
    }

    async fn get_merchant(
        &self,
        request: Request<GetMerchantRequest>,
    ) -> Result<Response<GetMerchantResponse>, Status> {
        let id = convert::id("merchant_id", request.into_inner().merchant_id)?;
        let merchant = flow::get_merchant(&self.db, id).await?;
        Ok(Response::new(GetMerchantResponse {
            merchant: Some(merchant.into()),
        }))
    }

    async fn create_shop(
        &self,
        request: Request<CreateShopRequest>,
    ) -> Result<Response<CreateShopResponse>, Status> {
        let shop = convert::shop(request.into_inner().shop, self.now())?;
        let Created { it, created } = flow::create_shop(&self.db, shop).await?;
        Ok(Response::new(CreateShopResponse {
            shop: Some(it.into()),
            created,
        }))
    }

    async fn get_shop(
        &self,
        request: Request<GetShopRequest>,
    ) -> Result<Response<GetShopResponse>, Status> {
        let id = convert::id("shop_id", request.into_inner().shop_id)?;
        let (shop, merchant) = flow::get_shop(&self.db, id).await?;
        let (shop, merchant) = (Some(shop.into()), Some(merchant.into()));
        Ok(Response::new(GetShopResponse { shop, merchant }))
    }

    async fn create_merchant_account(
        &self,
        request: Request<CreateMerchantAccountRequest>,
    ) -> Result<Response<CreateMerchantAccountResponse>, Status> {
        let account = convert::account(request.into_inner().account, self.now())?;
        let Created { it, created } = flow::create_merchant_account(&self.db, account).await?;
        Ok(Response::new(CreateMerchantAccountResponse {
            account: Some(it.into()),
            created,
        }))
    }

    async fn list_merchant_accounts(
        &self,
        request: Request<ListMerchantAccountsRequest>,
    ) -> Result<Response<ListMerchantAccountsResponse>, Status> {
        let owner = convert::owner(request.into_inner())?;
        let accounts = flow::list_merchant_accounts(&self.db, owner).await?;
        let accounts = accounts.into_iter().map(Into::into).collect();
        Ok(Response::new(ListMerchantAccountsResponse { accounts }))
    }
}
