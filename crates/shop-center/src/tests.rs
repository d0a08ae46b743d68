//! The service as callers see it, on both engines.

mod changing;
mod creating;
mod listing;
mod looking_up;
mod notifying;
mod requests;
mod sub_ids;

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use prost_types::FieldMask;
use proto::shop::v1::list_merchant_accounts_request::Owner;
use proto::shop::v1::shop_service_server::ShopService as _;
use proto::shop::v1::{
    BatchGetShopsRequest, BatchGetShopsResponse, Channel, ChannelMerchant,
    CreateMerchantAccountRequest, CreateMerchantAccountResponse, CreateMerchantRequest,
    CreateMerchantResponse, CreateShopRequest, CreateShopResponse, GetMerchantRequest,
    GetShopRequest, LateMoney, LateMoneyPolicy, ListMerchantAccountsRequest, ListMerchantsRequest,
    ListShopsRequest, Merchant, MerchantAccount, PayType, SetShopStatusRequest, Shop, ShopKind,
    ShopStatus, UpdateMerchantAccountRequest, UpdateMerchantRequest, UpdateShopRequest,
};
use seam::{Clock, ManualClock, SystemIds};
use store::Engine;
use store::cache::InProcess;
use testkit::{ENGINES, TestDb};
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt;

use crate::{MIGRATIONS, Parts, Service, ShopCenter, ShopCenterConfig, queries};

struct Bench {
    service: Service,
    center: ShopCenter,
    clock: Arc<ManualClock>,
    database: TestDb,
}

impl Bench {
    async fn on(engine: Engine) -> Self {
        Self::with(engine, ShopCenterConfig::default()).await
    }

    async fn with(engine: Engine, config: ShopCenterConfig) -> Self {
        let database = TestDb::create(engine).await;
        store::migrate::migrate("test", database.url(), MIGRATIONS)
            .await
            .unwrap();
        let clock = testkit::clock();
        let center = open(&database, config, &clock).await;
        Self {
            service: Service(Arc::clone(&center.0)),
            center,
            clock,
            database,
        }
    }

    /// With merchant 1 and its shop 10.
    async fn with_shop(engine: Engine) -> Self {
        let bench = Self::on(engine).await;
        bench.merchant(merchant(1)).await.unwrap();
        bench.shop(shop(10, 1)).await.unwrap();
        bench
    }

    async fn merchant(&self, merchant: Merchant) -> Result<CreateMerchantResponse, Status> {
        let merchant = Some(merchant);
        let request = Request::new(CreateMerchantRequest { merchant });
        self.service
            .create_merchant(request)
            .await
            .map(Response::into_inner)
    }

    async fn shop(&self, shop: Shop) -> Result<CreateShopResponse, Status> {
        let request = Request::new(CreateShopRequest { shop: Some(shop) });
        self.service
            .create_shop(request)
            .await
            .map(Response::into_inner)
    }

    async fn account(
        &self,
        account: MerchantAccount,
    ) -> Result<CreateMerchantAccountResponse, Status> {
        let account = Some(account);
        let request = Request::new(CreateMerchantAccountRequest { account });
        self.service
            .create_merchant_account(request)
            .await
            .map(Response::into_inner)
    }

    async fn get_shop(&self, shop_id: i64) -> Result<(Shop, Merchant), Status> {
        let request = Request::new(GetShopRequest { shop_id });
        let got = self.service.get_shop(request).await?.into_inner();
        Ok((got.shop.unwrap(), got.merchant.unwrap()))
    }

    async fn get_merchant(&self, merchant_id: i64) -> Result<Merchant, Status> {
        let request = Request::new(GetMerchantRequest { merchant_id });
        let got = self.service.get_merchant(request).await?.into_inner();
        Ok(got.merchant.unwrap())
    }

    async fn batch(&self, shop_ids: &[i64]) -> Result<BatchGetShopsResponse, Status> {
        let shop_ids = shop_ids.to_vec();
        let request = Request::new(BatchGetShopsRequest { shop_ids });
        self.service
            .batch_get_shops(request)
            .await
            .map(Response::into_inner)
    }

    async fn accounts(&self, owner: Owner) -> Result<Vec<MerchantAccount>, Status> {
        let request = Request::new(ListMerchantAccountsRequest {
            owner: Some(owner),
            ..ListMerchantAccountsRequest::default()
        });
        let listed = self.service.list_merchant_accounts(request).await?;
        Ok(listed.into_inner().accounts)
    }

    async fn list(&self, owner: Owner) -> Result<Vec<i64>, Status> {
        let accounts = self.accounts(owner).await?;
        Ok(accounts.iter().map(|it| it.account_id).collect())
    }

    async fn set_status(
        &self,
        (shop_id, expected_version): (i64, i64),
        status: ShopStatus,
    ) -> Result<Shop, Status> {
        let request = Request::new(SetShopStatusRequest {
            shop_id,
            status: status.into(),
            expected_version,
        });
        let set = self.service.set_shop_status(request).await?;
        Ok(set.into_inner().shop.unwrap())
    }

    async fn rename(&self, (shop_id, version): (i64, i64), name: &str) -> Result<Shop, Status> {
        let shop = Shop {
            shop_id,
            name: name.to_owned(),
            ..Shop::default()
        };
        self.update_shop(shop, &["name"], version).await
    }

    async fn update_shop(&self, shop: Shop, paths: &[&str], version: i64) -> Result<Shop, Status> {
        let request = Request::new(UpdateShopRequest {
            shop: Some(shop),
            update_mask: Some(mask(paths)),
            expected_version: version,
        });
        let updated = self.service.update_shop(request).await?;
        Ok(updated.into_inner().shop.unwrap())
    }

    async fn update_merchant(
        &self,
        merchant: Merchant,
        paths: &[&str],
        version: i64,
    ) -> Result<Merchant, Status> {
        let request = Request::new(UpdateMerchantRequest {
            merchant: Some(merchant),
            update_mask: Some(mask(paths)),
            expected_version: version,
        });
        let updated = self.service.update_merchant(request).await?;
        Ok(updated.into_inner().merchant.unwrap())
    }

    async fn update_account(
        &self,
        account: MerchantAccount,
        paths: &[&str],
        version: i64,
    ) -> Result<MerchantAccount, Status> {
        let request = Request::new(UpdateMerchantAccountRequest {
            account: Some(account),
            update_mask: Some(mask(paths)),
            expected_version: version,
        });
        let updated = self.service.update_merchant_account(request).await?;
        Ok(updated.into_inner().account.unwrap())
    }

    /// How often lookups have read the database.
    fn reads(&self) -> usize {
        self.center.0.lookups.gate().passed()
    }
}

async fn open(database: &TestDb, config: ShopCenterConfig, clock: &Arc<ManualClock>) -> ShopCenter {
    let parts = Parts {
        config,
        database: database.settings(),
        cache: Arc::new(InProcess::new(1 << 20, clock.clone())),
    };
    let opened = ShopCenter::open(parts, clock.clone(), Arc::new(SystemIds));
    opened.await.unwrap()
}

fn mask(paths: &[&str]) -> FieldMask {
    FieldMask {
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
    }
}

fn merchant(id: i64) -> Merchant {
    Merchant {
        merchant_id: id,
        name: "上海早餐 🥢".to_owned(),
        ..Merchant::default()
    }
}

fn shop(id: i64, merchant_id: i64) -> Shop {
    Shop {
        shop_id: id,
        merchant_id,
        name: "南京路店".to_owned(),
        ..Shop::default()
    }
}

fn account(id: i64, shop_id: i64, mch_id: &str) -> MerchantAccount {
    MerchantAccount {
        account_id: id,
        shop_id,
        channel: Channel::Swiftpass.into(),
        pay_type: PayType::SwiftpassWechat.into(),
        mch_id: mch_id.to_owned(),
        key_name: "swiftpass-main".to_owned(),
        enabled: true,
        ..MerchantAccount::default()
    }
}

fn told(status: &Status) -> (Code, String) {
    (status.code(), mesh::reason_of(status).unwrap())
}

fn reason(code: Code, reason: &str) -> (Code, String) {
    (code, reason.to_owned())
}

fn fields(status: &Status) -> Vec<String> {
    assert_eq!(
        told(status),
        reason(Code::InvalidArgument, "INVALID_ARGUMENT")
    );
    let violations = status.get_details_bad_request().unwrap().field_violations;
    violations
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

fn metadata(status: &Status, key: &str) -> String {
    status.get_details_error_info().unwrap().metadata[key].clone()
}

#[tokio::test]
async fn every_query_is_understood() {
    for engine in ENGINES {
        let bench = Bench::on(engine).await;
        for query in queries::ALL {
            bench.center.0.db.prepare(query).await.unwrap();
            let first = query.sql(engine).lines().next();
            assert_eq!(first, Some(format!("-- {}", query.name()).as_str()));
        }
    }
}
