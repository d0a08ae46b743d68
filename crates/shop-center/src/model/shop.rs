//! A shop of a merchant, and the moves its status may make.

use proto::shop::v1::{self, ShopKind, ShopStatus};
use proto::time::to_proto;
use store::{Query, Row, StoreError, Value, row};
use work::Violations;

use super::{Entity, Stamp};
use crate::convert;
use crate::error::{ShopCenterError, What};
use crate::queries::{SHOPS_CHANGE, SHOPS_GET};

/// Where a merchant sells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shop {
    pub(crate) id: i64,
    pub(crate) merchant_id: i64,
    pub(crate) name: String,
    pub(crate) status: ShopStatus,
    pub(crate) kind: ShopKind,
}

/// What is to become other.
#[derive(Debug, Default)]
pub(crate) struct ShopChange {
    pub(crate) name: Option<String>,
}

impl ShopChange {
    pub(crate) fn apply(&self, to: Shop) -> Shop {
        Shop {
            name: self.name.clone().unwrap_or(to.name),
            ..to
        }
    }
}

impl Shop {
    /// The same with another status; a closed shop stays closed.
    pub(crate) fn becomes(self, status: ShopStatus) -> Result<Self, ShopCenterError> {
        match (self.status, status) {
            (ShopStatus::Closed, ShopStatus::Closed) => Ok(self),
            (ShopStatus::Closed, to) => Err(ShopCenterError::ShopClosed { id: self.id, to }),
            _ => Ok(Self { status, ..self }),
        }
    }
}

impl Entity for Shop {
    type Message = v1::Shop;
    const WHAT: What = What::Shop;
    const GET: &'static Query = &SHOPS_GET;
    const CHANGE: &'static Query = &SHOPS_CHANGE;

    fn id(&self) -> i64 {
        self.id
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        let status = ShopStatus::try_from(row.small::<i32>("status")?);
        let kind = ShopKind::try_from(row.small::<i32>("kind")?);
        Ok(Self {
            id: row.int("shop_id")?,
            merchant_id: row.int("merchant_id")?,
            name: row.text("name")?,
            status: status.map_err(|e| row.corrupt("status", e))?,
            kind: kind.map_err(|e| row.corrupt("kind", e))?,
        })
    }

    fn changeable(&self) -> Vec<Value> {
        row![self.name.as_str(), i32::from(self.status)]
    }

    fn check(message: v1::Shop) -> Result<Self, Violations> {
        convert::shop(Some(message))
    }

    fn message(&self) -> v1::Shop {
        v1::Shop {
            shop_id: self.id,
            merchant_id: self.merchant_id,
            name: self.name.clone(),
            status: self.status.into(),
            kind: self.kind.into(),
            ..v1::Shop::default()
        }
    }

    fn stamp(message: &mut v1::Shop, stamp: &Stamp) {
        message.version = stamp.version;
        message.create_time = Some(to_proto(stamp.created_at));
        message.update_time = Some(to_proto(stamp.updated_at));
    }
}

#[cfg(test)]
mod tests {
    use ShopStatus::{Closed, Open, Suspended};

    use super::*;

    #[test]
    fn a_closed_shop_stays_closed_and_every_other_move_is_legal() {
        for from in [Open, Suspended, Closed] {
            for to in [Open, Suspended, Closed] {
                let shop = Shop {
                    id: 1,
                    merchant_id: 1,
                    name: "n".to_owned(),
                    status: from,
                    kind: ShopKind::Regular,
                };
                let legal = from != Closed || to == Closed;
                let moved = shop.becomes(to).map(|shop| shop.status).ok();
                assert_eq!(moved, legal.then_some(to), "{from:?} to {to:?}");
            }
        }
    }
}
