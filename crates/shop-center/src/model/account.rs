//! An account a channel gave a shop (进件): where a payment's money goes.

use domain::{Channel, PayType};
use proto::shop::v1;
use proto::time::to_proto;
use store::{Query, Row, StoreError, Value, row};
use work::Violations;

use super::{Entity, Stamp};
use crate::convert;
use crate::error::What;
use crate::queries::{ACCOUNTS_CHANGE, ACCOUNTS_GET};

/// Where a shop's money goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) id: i64,
    pub(crate) route: Route,
    pub(crate) sign_agentno: String,
    pub(crate) groupno: String,
    pub(crate) sub_appid: String,
    pub(crate) key_name: String,
    pub(crate) weight: i32,
    pub(crate) enabled: bool,
}

/// What only one account may have, and what never changes: payments hold on to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) shop_id: i64,
    pub(crate) channel: Channel,
    pub(crate) pay_type: PayType,
    pub(crate) mch_id: String,
}

/// What is to become other.
#[derive(Debug, Default)]
pub(crate) struct AccountChange {
    pub(crate) sign_agentno: Option<String>,
    pub(crate) groupno: Option<String>,
    pub(crate) sub_appid: Option<String>,
    pub(crate) key_name: Option<String>,
    pub(crate) weight: Option<i32>,
    pub(crate) enabled: Option<bool>,
}

impl AccountChange {
    pub(crate) fn apply(&self, to: Account) -> Account {
        Account {
            sign_agentno: self.sign_agentno.clone().unwrap_or(to.sign_agentno),
            groupno: self.groupno.clone().unwrap_or(to.groupno),
            sub_appid: self.sub_appid.clone().unwrap_or(to.sub_appid),
            key_name: self.key_name.clone().unwrap_or(to.key_name),
            weight: self.weight.unwrap_or(to.weight),
            enabled: self.enabled.unwrap_or(to.enabled),
            ..to
        }
    }
}

impl Entity for Account {
    type Message = v1::MerchantAccount;
    const WHAT: What = What::Account;
    const GET: &'static Query = &ACCOUNTS_GET;
    const CHANGE: &'static Query = &ACCOUNTS_CHANGE;

    fn id(&self) -> i64 {
        self.id
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.int("account_id")?,
            route: Route::read(row)?,
            sign_agentno: row.text("sign_agentno")?,
            groupno: row.text("groupno")?,
            sub_appid: row.text("sub_appid")?,
            key_name: row.text("key_name")?,
            weight: row.small("weight")?,
            enabled: row.int("enabled")? == 1,
        })
    }

    fn changeable(&self) -> Vec<Value> {
        row![
            self.sign_agentno.as_str(),
            self.groupno.as_str(),
            self.sub_appid.as_str(),
            self.key_name.as_str(),
            self.weight,
            self.enabled
        ]
    }

    fn check(message: v1::MerchantAccount) -> Result<Self, Violations> {
        convert::account(Some(message))
    }

    fn message(&self) -> v1::MerchantAccount {
        v1::MerchantAccount {
            account_id: self.id,
            shop_id: self.route.shop_id,
            channel: self.route.channel.code().into(),
            pay_type: self.route.pay_type.code().into(),
            mch_id: self.route.mch_id.clone(),
            sign_agentno: self.sign_agentno.clone(),
            groupno: self.groupno.clone(),
            sub_appid: self.sub_appid.clone(),
            key_name: self.key_name.clone(),
            weight: self.weight,
            enabled: self.enabled,
            ..v1::MerchantAccount::default()
        }
    }

    fn stamp(message: &mut v1::MerchantAccount, stamp: &Stamp) {
        message.version = stamp.version;
        message.create_time = Some(to_proto(stamp.created_at));
        message.update_time = Some(to_proto(stamp.updated_at));
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

    /// Its columns.
    pub(crate) fn row(&self) -> Vec<Value> {
        row![
            self.shop_id,
            self.channel.code(),
            self.pay_type.code(),
            self.mch_id.as_str()
        ]
    }
}
