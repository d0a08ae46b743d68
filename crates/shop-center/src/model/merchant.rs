//! A merchant: who sells, whom we settle with.

use domain::{LateMoney, LateMoneyPolicy};
use proto::shop::v1;
use proto::time::to_proto;
use store::{Query, Row, StoreError, Value, row};
use work::Violations;

use super::{Entity, Stamp};
use crate::convert::{self, NOTIFY_KEY_NAME, NOTIFY_URL};
use crate::error::What;
use crate::queries::{MERCHANTS_CHANGE, MERCHANTS_GET};

/// Who sells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Merchant {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) late_money: LateMoneyPolicy,
    pub(crate) notify: Notify,
}

/// Where a merchant is told of its orders, and under which name the sender's configuration holds
/// the signing key: both, or neither where it is not told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notify {
    url: String,
    key_name: String,
}

impl Notify {
    /// Of both or of neither; else the field that is missing, and what to do.
    pub(crate) fn of(url: String, key_name: String) -> Result<Self, (&'static str, &'static str)> {
        match (url.is_empty(), key_name.is_empty()) {
            (true, true) | (false, false) => Ok(Self { url, key_name }),
            (true, false) => Err((
                NOTIFY_URL,
                "must be set with notify_key_name, or unset both",
            )),
            (false, true) => Err((
                NOTIFY_KEY_NAME,
                "must be set with notify_url, or unset both",
            )),
        }
    }
}

/// What is to become other.
#[derive(Debug, Default)]
pub(crate) struct MerchantChange {
    pub(crate) name: Option<String>,
    pub(crate) after_system: Option<LateMoney>,
    pub(crate) after_customer: Option<LateMoney>,
    pub(crate) after_store: Option<LateMoney>,
    pub(crate) notify_url: Option<String>,
    pub(crate) notify_key_name: Option<String>,
}

impl MerchantChange {
    /// The merchant it makes of `to`, unless that is told at a URL without a key, or the reverse.
    pub(crate) fn apply(&self, mut to: Merchant) -> Result<Merchant, Violations> {
        let policy = &mut to.late_money;
        policy.system = self.after_system.unwrap_or(policy.system);
        policy.customer = self.after_customer.unwrap_or(policy.customer);
        policy.store = self.after_store.unwrap_or(policy.store);
        let url = self.notify_url.clone().unwrap_or(to.notify.url);
        let key_name = self.notify_key_name.clone();
        let notify = Notify::of(url, key_name.unwrap_or(to.notify.key_name));
        Ok(Merchant {
            notify: notify.map_err(|(field, fix)| Violations::of(field, fix))?,
            name: self.name.clone().unwrap_or(to.name),
            ..to
        })
    }
}

impl Entity for Merchant {
    type Message = v1::Merchant;
    const WHAT: What = What::Merchant;
    const GET: &'static Query = &MERCHANTS_GET;
    const CHANGE: &'static Query = &MERCHANTS_CHANGE;

    fn id(&self) -> i64 {
        self.id
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        let late_money = LateMoneyPolicy::from_code(row.small("late_money")?);
        let notify = Notify::of(row.text("notify_url")?, row.text("notify_key_name")?);
        Ok(Self {
            id: row.int("merchant_id")?,
            name: row.text("name")?,
            late_money: late_money.map_err(|e| row.corrupt("late_money", e))?,
            notify: notify.map_err(|(_, fix)| row.corrupt("notify_url, notify_key_name", fix))?,
        })
    }

    fn changeable(&self) -> Vec<Value> {
        row![
            self.name.as_str(),
            self.late_money.code(),
            self.notify.url.as_str(),
            self.notify.key_name.as_str()
        ]
    }

    fn check(message: v1::Merchant) -> Result<Self, Violations> {
        convert::merchant(Some(message))
    }

    fn message(&self) -> v1::Merchant {
        v1::Merchant {
            merchant_id: self.id,
            name: self.name.clone(),
            late_money: Some(v1::LateMoneyPolicy {
                after_system: fate(self.late_money.system).into(),
                after_customer: fate(self.late_money.customer).into(),
                after_store: fate(self.late_money.store).into(),
            }),
            notify_url: self.notify.url.clone(),
            notify_key_name: self.notify.key_name.clone(),
            ..v1::Merchant::default()
        }
    }

    fn stamp(message: &mut v1::Merchant, stamp: &Stamp) {
        message.version = stamp.version;
        message.create_time = Some(to_proto(stamp.created_at));
        message.update_time = Some(to_proto(stamp.updated_at));
    }
}

fn fate(fate: LateMoney) -> v1::LateMoney {
    match fate {
        LateMoney::KeepPaid => v1::LateMoney::Keep,
        LateMoney::Refund => v1::LateMoney::Refund,
    }
}
