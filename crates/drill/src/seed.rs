//! What must exist before an order: a merchant, its shops, their accounts and rates, and what
//! the channel is told to do. Ids, names and content are fixed: seeding again changes nothing.

use proto::rate::v1::{RateScheme, SetRateSchemeRequest};
use proto::sandbox::v1::{Script, SetScriptRequest};
use proto::shop::v1::{
    Channel, CreateMerchantAccountRequest, CreateMerchantRequest, CreateShopRequest, Merchant,
    MerchantAccount, PayType, Shop,
};

use crate::error::DrillError;
use crate::peers::Peers;
use crate::persist::persist;
use crate::plan::script::scripts;

const MERCHANT: i64 = 7001;

/// The name under which pay-gateway holds the simulated channel's key.
const KEY: &str = "sandbox";

/// A shop that takes orders.
pub(crate) struct Seller {
    pub(crate) shop_id: i64,
    name: &'static str,
    pub(crate) tills: [Till; 3],
}

/// Where a shop takes one pay type, and at which rate.
pub(crate) struct Till {
    account_id: i64,
    pub(crate) pay_type: PayType,
    pub(crate) mch_id: &'static str,
    rate_ppm: i32,
    min_fee_fen: i64,
}

const fn wechat(account_id: i64, mch_id: &'static str, (ppm, min): (i32, i64)) -> Till {
    Till {
        account_id,
        pay_type: PayType::SwiftpassWechat,
        mch_id,
        rate_ppm: ppm,
        min_fee_fen: min,
    }
}

const fn alipay(account_id: i64, mch_id: &'static str, (ppm, min): (i32, i64)) -> Till {
    Till {
        pay_type: PayType::SwiftpassAlipay,
        ..wechat(account_id, mch_id, (ppm, min))
    }
}

const fn scan(account_id: i64, mch_id: &'static str, (ppm, min): (i32, i64)) -> Till {
    Till {
        pay_type: PayType::SwiftpassScan,
        ..wechat(account_id, mch_id, (ppm, min))
    }
}

/// The shops of the demo; all rates differ, so that a fee at the wrong one shows.
pub(crate) const SELLERS: [Seller; 2] = [
    Seller {
        shop_id: 7101,
        name: "Noodle bar",
        tills: [
            wechat(7101, "105570000001", (6000, 0)),
            alipay(7147, "105570000011", (5500, 0)),
            scan(7146, "105570000021", (5800, 0)),
        ],
    },
    Seller {
        shop_id: 7102,
        name: "Tea house",
        tills: [
            wechat(7102, "105570000002", (3800, 1)),
            alipay(7247, "105570000012", (3000, 2)),
            scan(7246, "105570000022", (3400, 1)),
        ],
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
        for till in &seller.tills {
            equip(peers, seller, till).await?;
            price(peers, seller, till).await?;
        }
    }
    for script in scripts() {
        direct(peers, script).await?;
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

async fn equip(peers: &Peers, seller: &Seller, till: &Till) -> Result<(), DrillError> {
    let account = MerchantAccount {
        account_id: till.account_id,
        shop_id: seller.shop_id,
        channel: Channel::Swiftpass.into(),
        pay_type: till.pay_type.into(),
        mch_id: till.mch_id.to_owned(),
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

async fn price(peers: &Peers, seller: &Seller, till: &Till) -> Result<(), DrillError> {
    let scheme = RateScheme {
        shop_id: seller.shop_id,
        pay_type: till.pay_type.into(),
        version: 1,
        current_ppm: till.rate_ppm,
        min_fee_fen: till.min_fee_fen,
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

/// Tells the channel what to do; telling it again changes nothing.
pub(crate) async fn direct(peers: &Peers, script: Script) -> Result<(), DrillError> {
    let request = SetScriptRequest {
        script: Some(script),
    };
    let directed = persist(|| {
        let (mut sandbox, request) = (peers.sandbox.clone(), request.clone());
        async move { sandbox.set_script(request).await }
    });
    directed
        .await
        .map_err(DrillError::call("the channel cannot be scripted"))?;
    Ok(())
}
