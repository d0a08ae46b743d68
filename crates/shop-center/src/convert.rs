//! Between messages and what they mean. Every bad field of a request is named at once.

pub(crate) mod field;

use jiff::Timestamp;
use proto::shop::v1;
use proto::time::to_proto;

use crate::ShopCenterError;
use crate::model::{Account, Merchant, Route, Shop};
use field::Fields;

/// Whose accounts are listed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Shop(i64),
    ChannelMerchant(domain::Channel, String),
}

/// The merchant a request wants created.
pub(crate) fn merchant(
    message: Option<v1::Merchant>,
    created_at: Timestamp,
) -> Result<Merchant, ShopCenterError> {
    let mut fields = Fields::default();
    let Some(message) = message else {
        return Err(fields.missing("merchant"));
    };
    let id = fields.take("merchant.merchant_id", field::id(message.merchant_id));
    let name = fields.take("merchant.name", field::name(message.name));
    let late_money = late_money(&message.late_money.unwrap_or_default(), &mut fields);
    match (id, name, late_money) {
        (Some(id), Some(name), Some(late_money)) => Ok(Merchant {
            id,
            name,
            late_money,
            created_at,
        }),
        _ => Err(fields.into()),
    }
}

fn late_money(
    message: &v1::LateMoneyPolicy,
    fields: &mut Fields,
) -> Option<domain::LateMoneyPolicy> {
    let default = domain::LateMoneyPolicy::default();
    let v1::LateMoneyPolicy {
        after_system,
        after_customer,
        after_store,
    } = *message;
    let mut take = |name, fate, default| fields.take(name, field::late_money(fate, default));
    let system = take(
        "merchant.late_money.after_system",
        after_system,
        default.system,
    );
    let customer = take(
        "merchant.late_money.after_customer",
        after_customer,
        default.customer,
    );
    let store = take(
        "merchant.late_money.after_store",
        after_store,
        default.store,
    );
    Some(domain::LateMoneyPolicy {
        system: system?,
        customer: customer?,
        store: store?,
    })
}

/// The shop a request wants created.
pub(crate) fn shop(
    message: Option<v1::Shop>,
    created_at: Timestamp,
) -> Result<Shop, ShopCenterError> {
    let mut fields = Fields::default();
    let Some(message) = message else {
        return Err(fields.missing("shop"));
    };
    let id = fields.take("shop.shop_id", field::id(message.shop_id));
    let merchant_id = fields.take("shop.merchant_id", field::id(message.merchant_id));
    let name = fields.take("shop.name", field::name(message.name));
    let status = fields.take("shop.status", field::status(message.status));
    let kind = fields.take("shop.kind", field::kind(message.kind));
    match (id, merchant_id, name, status, kind) {
        (Some(id), Some(merchant_id), Some(name), Some(status), Some(kind)) => Ok(Shop {
            id,
            merchant_id,
            name,
            status,
            kind,
            created_at,
        }),
        _ => Err(fields.into()),
    }
}

/// The account a request wants created.
pub(crate) fn account(
    message: Option<v1::MerchantAccount>,
    created_at: Timestamp,
) -> Result<Account, ShopCenterError> {
    let mut fields = Fields::default();
    let Some(message) = message else {
        return Err(fields.missing("account"));
    };
    let id = fields.take("account.account_id", field::id(message.account_id));
    let route = route(&message, &mut fields);
    let agent = fields.take(
        "account.sign_agentno",
        field::sign_agentno(message.sign_agentno),
    );
    let key_name = fields.take("account.key_name", field::key_name(message.key_name));
    let weight = fields.take("account.weight", field::weight(message.weight));
    let enabled = message.enabled;
    match (id, route, agent, key_name, weight) {
        (Some(id), Some(route), Some(sign_agentno), Some(key_name), Some(weight)) => Ok(Account {
            id,
            route,
            sign_agentno,
            key_name,
            weight,
            enabled,
            created_at,
        }),
        _ => Err(fields.into()),
    }
}

fn route(message: &v1::MerchantAccount, fields: &mut Fields) -> Option<Route> {
    let shop_id = fields.take("account.shop_id", field::id(message.shop_id));
    let channel = fields.take("account.channel", field::channel(message.channel));
    let pay_type = fields.take("account.pay_type", field::pay_type(message.pay_type));
    let mch_id = fields.take("account.mch_id", field::mch_id(message.mch_id.clone()));
    let (channel, pay_type) = (channel?, pay_type?);
    fields.take("account.pay_type", field::through(pay_type, channel))?;
    Some(Route {
        shop_id: shop_id?,
        channel,
        pay_type,
        mch_id: mch_id?,
    })
}

/// An id a request asks about.
pub(crate) fn id(name: &'static str, id: i64) -> Result<i64, ShopCenterError> {
    let mut fields = Fields::default();
    fields
        .take(name, field::id(id))
        .ok_or_else(|| fields.into())
}

/// Whose accounts a request asks for.
pub(crate) fn owner(request: v1::ListMerchantAccountsRequest) -> Result<Owner, ShopCenterError> {
    use v1::list_merchant_accounts_request::Owner as Asked;
    let mut fields = Fields::default();
    match request.owner {
        None => Err(fields.wrong("owner", "set shop_id or channel_merchant")),
        Some(Asked::ShopId(shop_id)) => id("shop_id", shop_id).map(Owner::Shop),
        Some(Asked::ChannelMerchant(asked)) => {
            let channel = fields.take("channel_merchant.channel", field::channel(asked.channel));
            let mch_id = fields.take("channel_merchant.mch_id", field::mch_id(asked.mch_id));
            let owner = channel
                .zip(mch_id)
                .map(|(channel, id)| Owner::ChannelMerchant(channel, id));
            owner.ok_or_else(|| fields.into())
        }
    }
}

impl From<Merchant> for v1::Merchant {
    fn from(merchant: Merchant) -> Self {
        let late_money = merchant.late_money;
        Self {
            merchant_id: merchant.id,
            name: merchant.name,
            late_money: Some(v1::LateMoneyPolicy {
                after_system: fate(late_money.system).into(),
                after_customer: fate(late_money.customer).into(),
                after_store: fate(late_money.store).into(),
            }),
            create_time: Some(to_proto(merchant.created_at)),
        }
    }
}

fn fate(fate: domain::LateMoney) -> v1::LateMoney {
    match fate {
        domain::LateMoney::KeepPaid => v1::LateMoney::Keep,
        domain::LateMoney::Refund => v1::LateMoney::Refund,
    }
}

impl From<Shop> for v1::Shop {
    fn from(shop: Shop) -> Self {
        Self {
            shop_id: shop.id,
            merchant_id: shop.merchant_id,
            name: shop.name,
            status: shop.status.into(),
            kind: shop.kind.into(),
            create_time: Some(to_proto(shop.created_at)),
        }
    }
}

impl From<Account> for v1::MerchantAccount {
    fn from(account: Account) -> Self {
        Self {
            account_id: account.id,
            shop_id: account.route.shop_id,
            channel: account.route.channel.code().into(),
            pay_type: account.route.pay_type.code().into(),
            mch_id: account.route.mch_id,
            sign_agentno: account.sign_agentno,
            key_name: account.key_name,
            weight: account.weight,
            enabled: account.enabled,
            create_time: Some(to_proto(account.created_at)),
        }
    }
}
