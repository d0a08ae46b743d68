//! What must exist before an order: a merchant, its shops, their accounts and rates.
//! The ids are fixed and the content too, so seeding again changes nothing.

use proto::rate::v1::{RateScheme, SetRateSchemeRequest};
use proto::shop::v1::{
    Channel, CreateMerchantAccountRequest, CreateMerchantRequest, CreateShopRequest, Merchant,
    MerchantAccount, PayType, Shop,
};

use crate::error::DrillError;
use crate::peers::Peers;
use crate::persist::persist;

const MERCHANT: i64 = 7001;

/// The name under which pay-gateway holds the simulated channel's key.
const KEY: &str = "sandbox";

/// A shop that takes orders.
pub(crate) struct Seller {
    pub(crate) shop_id: i64,
    name: &'static str,
    mch_id: &'static str,
    rate_ppm: i32,
    min_fee_fen: i64,
}

/// The shops of the demo; their rates differ, so that a fee at the wrong one shows.
pub(crate) const SELLERS: [Seller; 2] = [
    Seller {
        shop_id: 7101,
        name: "Noodle bar",
        mch_id: "105570000001",
        rate_ppm: 6000,
        min_fee_fen: 0,
    },
    Seller {
        shop_id: 7102,
        name: "Tea house",
        mch_id: "105570000002",
        rate_ppm: 3800,
        min_fee_fen: 1,
    },
];

/// Creates what is missing.
pub(crate) async fn seed(peers: &Peers) -> Result<(), DrillError> {
    let merchant = Merchant {
        merchant_id: MERCHANT,
        name: "Demo merchant".to_owned(),
        ..Merchant::default()
    };
    let request = CreateMerchantRequest {
        merchant: Some(merchant),
    };
    persist(|| {
        let (mut shop, request) = (peers.shop.clone(), request.clone());
        async move { shop.create_merchant(request).await }
    })
    .await
    .map_err(DrillError::call("the merchant cannot be created"))?;
    for seller in &SELLERS {
        open(peers, seller).await?;
        equip(peers, seller).await?;
        price(peers, seller).await?;
    }
    Ok(())
}

async fn open(peers: &Peers, seller: &Seller) -> Result<(), DrillError> {
    let shop = Shop {
        shop_id: seller.shop_id,
        merchant_id: MERCHANT,
        name: seller.name.to_owned(),
        ..Shop::default()
    };
    let request = CreateShopRequest { shop: Some(shop) };
    let opened = persist(|| {
        let (mut shop, request) = (peers.shop.clone(), request.clone());
        async move { shop.create_shop(request).await }
    });
    opened
        .await
        .map_err(DrillError::call("a shop cannot be created"))?;
    Ok(())
}

async fn equip(peers: &Peers, seller: &Seller) -> Result<(), DrillError> {
    let account = MerchantAccount {
        account_id: seller.shop_id,
        shop_id: seller.shop_id,
        channel: Channel::Swiftpass.into(),
        pay_type: PayType::SwiftpassWechat.into(),
        mch_id: seller.mch_id.to_owned(),
        key_name: KEY.to_owned(),
        enabled: true,
        ..MerchantAccount::default()
    };
    let request = CreateMerchantAccountRequest {
        account: Some(account),
    };
    let equipped = persist(|| {
        let (mut shop, request) = (peers.shop.clone(), request.clone());
        async move { shop.create_merchant_account(request).await }
    });
    equipped
        .await
        .map_err(DrillError::call("a merchant account cannot be created"))?;
    Ok(())
}

async fn price(peers: &Peers, seller: &Seller) -> Result<(), DrillError> {
    let scheme = RateScheme {
        shop_id: seller.shop_id,
        pay_type: PayType::SwiftpassWechat.into(),
        version: 1,
        current_ppm: seller.rate_ppm,
        min_fee_fen: seller.min_fee_fen,
        ..RateScheme::default()
    };
    let request = SetRateSchemeRequest {
        scheme: Some(scheme),
    };
    let priced = persist(|| {
        let mut rate = peers.rate.clone();
        async move { rate.set_rate_scheme(request).await }
    });
    priced
        .await
        .map_err(DrillError::call("a rate scheme cannot be set"))?;
    Ok(())
}
