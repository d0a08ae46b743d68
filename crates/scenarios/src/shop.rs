//! Who sells: merchants, shops, accounts and rates, seeded through the services.

use proto::rate::v1::{RateScheme, SetRateSchemeRequest};
use proto::shop::v1::{
    Channel, CreateMerchantAccountRequest, CreateMerchantRequest, CreateShopRequest, Merchant,
    MerchantAccount, PayType, Shop as ShopMessage, ShopStatus,
};

use crate::TestMesh;

/// A merchant of the channel whose key is another than that of all others.
pub const OTHER_MCH_ID: &str = "7551000099";

/// A shop that was seeded.
#[derive(Debug, Clone)]
pub struct Shop {
    /// Its merchant.
    pub merchant_id: i64,
    /// Itself.
    pub shop_id: i64,
    /// Its merchant id at the channel.
    pub mch_id: String,
}

impl TestMesh {
    /// A shop that can sell: merchant, account and rate (0.6 %) are there.
    pub async fn shop(&self) -> Shop {
        let shop = self.bare_shop(ShopStatus::Open).await;
        self.account(&shop, "sandbox").await;
        self.rate(&shop, 1, 6000).await;
        shop
    }

    /// A shop without account and rate.
    pub async fn bare_shop(&self, status: ShopStatus) -> Shop {
        let merchant_id = self.number();
        let shop_id = self.number();
        let merchant = Merchant {
            merchant_id,
            name: "merchant".to_owned(),
            ..Merchant::default()
        };
        let request = CreateMerchantRequest {
            merchant: Some(merchant),
        };
        self.shops()
            .create_merchant(request)
            .await
            .expect("a merchant");
        let shop = ShopMessage {
            shop_id,
            merchant_id,
            name: "shop".to_owned(),
            status: status.into(),
            ..ShopMessage::default()
        };
        let request = CreateShopRequest { shop: Some(shop) };
        self.shops().create_shop(request).await.expect("a shop");
        Shop {
            merchant_id,
            shop_id,
            mch_id: format!("7551{shop_id:06}"),
        }
    }

    /// Lets a shop scan payers' codes, too (b→c), at the same rate.
    pub async fn scans(&self, shop: &Shop) {
        self.account_for(shop, ("sandbox", ""), PayType::SwiftpassScan)
            .await;
        self.rate_for(shop, (1, 6000), PayType::SwiftpassScan).await;
    }

    /// An account at the channel for `shop`, signing with the key of this name.
    pub async fn account(&self, shop: &Shop, key_name: &str) {
        self.account_for(shop, (key_name, ""), PayType::SwiftpassWechat)
            .await;
    }

    /// The other merchant of the channel, taking money in both ways: its accounts sign with the
    /// key of this name, for a service provider unless that is empty.
    pub async fn shop_signing(&self, key_name: &str, provider: &str) -> Shop {
        let shop = Shop {
            mch_id: OTHER_MCH_ID.to_owned(),
            ..self.bare_shop(ShopStatus::Open).await
        };
        for pay_type in [PayType::SwiftpassWechat, PayType::SwiftpassScan] {
            self.account_for(&shop, (key_name, provider), pay_type)
                .await;
            self.rate_for(&shop, (1, 6000), pay_type).await;
        }
        shop
    }

    async fn account_for(
        &self,
        shop: &Shop,
        (key_name, provider): (&str, &str),
        pay_type: PayType,
    ) {
        let account = MerchantAccount {
            account_id: self.number(),
            shop_id: shop.shop_id,
            channel: Channel::Swiftpass.into(),
            pay_type: pay_type.into(),
            mch_id: shop.mch_id.clone(),
            key_name: key_name.to_owned(),
            sign_agentno: provider.to_owned(),
            enabled: true,
            ..MerchantAccount::default()
        };
        let request = CreateMerchantAccountRequest {
            account: Some(account),
        };
        self.shops()
            .create_merchant_account(request)
            .await
            .expect("an account");
    }

    /// Another merchant of the channel, with a key and a shop of its own.
    pub async fn other_merchant(&self) -> Shop {
        let shop = self.bare_shop(ShopStatus::Open).await;
        let shop = Shop {
            mch_id: OTHER_MCH_ID.to_owned(),
            ..shop
        };
        self.account(&shop, "other").await;
        self.rate(&shop, 1, 6000).await;
        shop
    }

    /// Publishes a version of the shop's rate scheme.
    pub async fn rate(&self, shop: &Shop, version: i64, current_ppm: i32) {
        let rate = (version, current_ppm);
        self.rate_for(shop, rate, PayType::SwiftpassWechat).await;
    }

    async fn rate_for(&self, shop: &Shop, (version, current_ppm): (i64, i32), pay_type: PayType) {
        let scheme = RateScheme {
            shop_id: shop.shop_id,
            pay_type: pay_type.into(),
            version,
            current_ppm,
            ..RateScheme::default()
        };
        let request = SetRateSchemeRequest {
            scheme: Some(scheme),
        };
        self.rates().set_rate_scheme(request).await.expect("a rate");
    }
}
