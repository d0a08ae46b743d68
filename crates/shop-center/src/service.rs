//! The RPCs: decode, call the flow, encode.

use std::sync::Arc;

use proto::shop::v1 as wire;
use proto::shop::v1::shop_service_server::ShopService;
use tonic::{Request, Response, Status};
use work::By;

use crate::flow::Created;
use crate::{Inner, convert, flow};

/// Serves `paymesh.shop.v1.ShopService`.
pub struct Service(pub(crate) Arc<Inner>);

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl ShopService for Service {
    async fn create_merchant(
        &self,
        request: Request<wire::CreateMerchantRequest>,
    ) -> Answer<wire::CreateMerchantResponse> {
        let by = By::of(&request);
        let merchant = convert::merchant(request.into_inner().merchant)?;
        let Created { kept, created } = flow::create_merchant(&self.0, merchant, &by).await?;
        let merchant = Some(kept.into_message());
        Ok(Response::new(wire::CreateMerchantResponse {
            merchant,
            created,
        }))
    }

    async fn get_merchant(
        &self,
        request: Request<wire::GetMerchantRequest>,
    ) -> Answer<wire::GetMerchantResponse> {
        let id = convert::id("merchant_id", request.into_inner().merchant_id)?;
        let merchant = flow::get_merchant(&self.0, id).await?.into_message();
        let merchant = Some(merchant);
        Ok(Response::new(wire::GetMerchantResponse { merchant }))
    }

    async fn list_merchants(
        &self,
        request: Request<wire::ListMerchantsRequest>,
    ) -> Answer<wire::ListMerchantsResponse> {
        let page = convert::merchants(request.get_ref())?;
        Ok(Response::new(flow::list_merchants(&self.0, page).await?))
    }

    async fn update_merchant(
        &self,
        request: Request<wire::UpdateMerchantRequest>,
    ) -> Answer<wire::UpdateMerchantResponse> {
        let by = By::of(&request);
        let update = convert::update_merchant(request.into_inner())?;
        let changed = flow::update_merchant(&self.0, update, &by).await?;
        let merchant = Some(changed.into_message());
        Ok(Response::new(wire::UpdateMerchantResponse { merchant }))
    }

    async fn create_shop(
        &self,
        request: Request<wire::CreateShopRequest>,
    ) -> Answer<wire::CreateShopResponse> {
        let by = By::of(&request);
        let shop = convert::shop(request.into_inner().shop)?;
        let Created { kept, created } = flow::create_shop(&self.0, shop, &by).await?;
        let shop = Some(kept.into_message());
        Ok(Response::new(wire::CreateShopResponse { shop, created }))
    }

    async fn get_shop(
        &self,
        request: Request<wire::GetShopRequest>,
    ) -> Answer<wire::GetShopResponse> {
        let id = convert::id("shop_id", request.into_inner().shop_id)?;
        let (shop, merchant) = flow::get_shop(&self.0, id).await?;
        let (shop, merchant) = (Some(shop), Some(merchant));
        Ok(Response::new(wire::GetShopResponse { shop, merchant }))
    }

    async fn batch_get_shops(
        &self,
        request: Request<wire::BatchGetShopsRequest>,
    ) -> Answer<wire::BatchGetShopsResponse> {
        let ids = convert::ids(&request.into_inner().shop_ids)?;
        Ok(Response::new(flow::batch_get_shops(&self.0, ids).await?))
    }

    async fn list_shops(
        &self,
        request: Request<wire::ListShopsRequest>,
    ) -> Answer<wire::ListShopsResponse> {
        let (of, page) = convert::shops(request.get_ref())?;
        Ok(Response::new(flow::list_shops(&self.0, of, page).await?))
    }

    async fn update_shop(
        &self,
        request: Request<wire::UpdateShopRequest>,
    ) -> Answer<wire::UpdateShopResponse> {
        let by = By::of(&request);
        let update = convert::update_shop(request.into_inner())?;
        let changed = flow::update_shop(&self.0, update, &by).await?;
        let shop = Some(changed.into_message());
        Ok(Response::new(wire::UpdateShopResponse { shop }))
    }

    async fn set_shop_status(
        &self,
        request: Request<wire::SetShopStatusRequest>,
    ) -> Answer<wire::SetShopStatusResponse> {
        let by = By::of(&request);
        let update = convert::set_status(request.get_ref())?;
        let changed = flow::set_shop_status(&self.0, update, &by).await?;
        let shop = Some(changed.into_message());
        Ok(Response::new(wire::SetShopStatusResponse { shop }))
    }

    async fn create_merchant_account(
        &self,
        request: Request<wire::CreateMerchantAccountRequest>,
    ) -> Answer<wire::CreateMerchantAccountResponse> {
        let by = By::of(&request);
        let account = convert::account(request.into_inner().account)?;
        let created = flow::create_merchant_account(&self.0, account, &by).await?;
        let Created { kept, created } = created;
        let account = Some(kept.into_message());
        Ok(Response::new(wire::CreateMerchantAccountResponse {
            account,
            created,
        }))
    }

    async fn list_merchant_accounts(
        &self,
        request: Request<wire::ListMerchantAccountsRequest>,
    ) -> Answer<wire::ListMerchantAccountsResponse> {
        let (owner, page) = convert::accounts_of(request.into_inner())?;
        let listed = flow::list_merchant_accounts(&self.0, owner, page).await?;
        Ok(Response::new(listed))
    }

    async fn update_merchant_account(
        &self,
        request: Request<wire::UpdateMerchantAccountRequest>,
    ) -> Answer<wire::UpdateMerchantAccountResponse> {
        let by = By::of(&request);
        let update = convert::update_account(request.into_inner())?;
        let changed = flow::update_merchant_account(&self.0, update, &by).await?;
        let account = Some(changed.into_message());
        Ok(Response::new(wire::UpdateMerchantAccountResponse {
            account,
        }))
    }
}
