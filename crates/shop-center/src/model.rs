//! Merchants, shops and accounts as they are stored.

use domain::{Channel, LateMoneyPolicy, PayType};
use jiff::Timestamp;
use proto::shop::v1::{ShopKind, ShopStatus};
use store::{Row, StoreError};

/// Who sells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Merchant {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) late_money: LateMoneyPolicy,
    pub(crate) created_at: Timestamp,
}

/// Where a merchant sells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shop {
    pub(crate) id: i64,
    pub(crate) merchant_id: i64,
    pub(crate) name: String,
    pub(crate) status: ShopStatus,
    pub(crate) kind: ShopKind,
    pub(crate) created_at: Timestamp,
}

/// Where a shop's money goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) id: i64,
    pub(crate) route: Route,
    pub(crate) sign_agentno: String,
    pub(crate) key_name: String,
    pub(crate) weight: i32,
    pub(crate) enabled: bool,
    pub(crate) created_at: Timestamp,
}

/// What only one account may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) shop_id: i64,
    pub(crate) channel: Channel,
    pub(crate) pay_type: PayType,
    pub(crate) mch_id: String,
}

impl Merchant {
    pub(crate) fn read(row: &Row) -> Result<Self, StoreError> {
        let late_money = LateMoneyPolicy::from_code(row.small("late_money")?);
        Ok(Self {
            id: row.int("merchant_id")?,
            name: row.text("merchant_name")?,
            late_money: late_money.map_err(|e| row.corrupt("late_money", e))?,
            created_at: row.time("merchant_created_at")?,
        })
    }

    pub(crate) fn has_content_of(&self, other: &Self) -> bool {
        *self
            == Self {
                created_at: self.created_at,
                ..other.clone()
            }
    }
}

impl Shop {
    pub(crate) fn read(row: &Row) -> Result<Self, StoreError> {
        let status = ShopStatus::try_from(row.small::<i32>("status")?);
        let kind = ShopKind::try_from(row.small::<i32>("kind")?);
        Ok(Self {
            id: row.int("shop_id")?,
            merchant_id: row.int("merchant_id")?,
            name: row.text("shop_name")?,
            status: status.map_err(|e| row.corrupt("status", e))?,
            kind: kind.map_err(|e| row.corrupt("kind", e))?,
            created_at: row.time("shop_created_at")?,
        })
    }

    pub(crate) fn has_content_of(&self, other: &Self) -> bool {
        *self
            == Self {
                created_at: self.created_at,
                ..other.clone()
            }
    }
}

impl Account {
    pub(crate) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.int("account_id")?,
            route: Route::read(row)?,
            sign_agentno: row.text("sign_agentno")?,
            key_name: row.text("key_name")?,
            weight: row.small("weight")?,
            enabled: row.int("enabled")? == 1,
            created_at: row.time("created_at")?,
        })
    }

    pub(crate) fn has_content_of(&self, other: &Self) -> bool {
        *self
            == Self {
                created_at: self.created_at,
                ..other.clone()
            }
    }
}

impl Route {
    fn read(row: &Row) -> Result<Self, StoreError> {
        let channel = Channel::from_code(row.small("channel")?);
        let pay_type = PayType::from_code(row.small("pay_type")?);
        Ok(Self {
            shop_id: row.int("shop_id")?,
            channel: channel.map_err(|e| row.corrupt("channel", e))?,
            pay_type: pay_type.map_err(|e| row.corrupt("pay_type", e))?,
            mch_id: row.text("mch_id")?,
        })
    }
}
