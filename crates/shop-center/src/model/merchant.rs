//! A merchant: who sells, whom we settle with.

use domain::{LateMoney, LateMoneyPolicy};
use proto::shop::v1;
use proto::time::to_proto;
use store::{Query, Row, StoreError, Value, row};
use work::Violations;

use super::{Entity, Stamp};
use crate::convert;
use crate::error::What;
use crate::queries::{MERCHANTS_CHANGE, MERCHANTS_GET};

/// Who sells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Merchant {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) late_money: LateMoneyPolicy,
}

/// What is to become other.
#[derive(Debug, Default)]
pub(crate) struct MerchantChange {
    pub(crate) name: Option<String>,
    pub(crate) after_system: Option<LateMoney>,
    pub(crate) after_customer: Option<LateMoney>,
    pub(crate) after_store: Option<LateMoney>,
}

impl MerchantChange {
    pub(crate) fn apply(&self, mut to: Merchant) -> Merchant {
        let policy = &mut to.late_money;
        policy.system = self.after_system.unwrap_or(policy.system);
        policy.customer = self.after_customer.unwrap_or(policy.customer);
        policy.store = self.after_store.unwrap_or(policy.store);
        Merchant {
            name: self.name.clone().unwrap_or(to.name),
            ..to
        }
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
        Ok(Self {
            id: row.int("merchant_id")?,
            name: row.text("name")?,
            late_money: late_money.map_err(|e| row.corrupt("late_money", e))?,
        })
    }

    fn changeable(&self) -> Vec<Value> {
        row![self.name.as_str(), self.late_money.code()]
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
