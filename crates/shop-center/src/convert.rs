//! From messages to what they mean. Every bad field of a request is named at once.

pub(crate) mod field;
mod list;
mod update;

use proto::shop::v1;
use work::Violations;

use crate::model::{Account, Merchant, Notify, Route, Shop};

pub(crate) use list::{ACCOUNTS, Owner, accounts_of, ids, merchants, shops};
pub(crate) use update::{Update, set_status, update_account, update_merchant, update_shop};

/// The merchant a request wants created.
pub(crate) fn merchant(message: Option<v1::Merchant>) -> Result<Merchant, Violations> {
    let message = message.ok_or_else(|| missing("merchant"))?;
    let mut wrong = Violations::default();
    let id = wrong.take("merchant.merchant_id", field::id(message.merchant_id));
    let name = wrong.take("merchant.name", field::name(message.name));
    let late_money = late_money(&message.late_money.unwrap_or_default(), &mut wrong);
    let notify = notify((message.notify_url, message.notify_key_name), &mut wrong);
    match (id, name, late_money, notify) {
        (Some(id), Some(name), Some(late_money), Some(notify)) => Ok(Merchant {
            id,
            name,
            late_money,
            notify,
        }),
        _ => Err(wrong),
    }
}

const AFTER_SYSTEM: &str = "merchant.late_money.after_system";
const AFTER_CUSTOMER: &str = "merchant.late_money.after_customer";
const AFTER_STORE: &str = "merchant.late_money.after_store";

fn late_money(
    message: &v1::LateMoneyPolicy,
    wrong: &mut Violations,
) -> Option<domain::LateMoneyPolicy> {
    let default = domain::LateMoneyPolicy::default();
    let mut take = |name, fate, default| wrong.take(name, field::late_money(fate, default));
    let system = take(AFTER_SYSTEM, message.after_system, default.system);
    let customer = take(AFTER_CUSTOMER, message.after_customer, default.customer);
    let store = take(AFTER_STORE, message.after_store, default.store);
    Some(domain::LateMoneyPolicy {
        system: system?,
        customer: customer?,
        store: store?,
    })
}

pub(crate) const NOTIFY_URL: &str = "merchant.notify_url";
pub(crate) const NOTIFY_KEY_NAME: &str = "merchant.notify_key_name";

fn notify((url, key_name): (String, String), wrong: &mut Violations) -> Option<Notify> {
    let url = wrong.take(NOTIFY_URL, field::notify_url(&url));
    let key_name = wrong.take(NOTIFY_KEY_NAME, field::notify_key_name(key_name));
    let notify = Notify::of(url?, key_name?);
    notify.map_err(|(field, fix)| wrong.add(field, fix)).ok()
}

/// The shop a request wants created.
pub(crate) fn shop(message: Option<v1::Shop>) -> Result<Shop, Violations> {
    let message = message.ok_or_else(|| missing("shop"))?;
    let mut wrong = Violations::default();
    let id = wrong.take("shop.shop_id", field::id(message.shop_id));
    let merchant_id = wrong.take("shop.merchant_id", field::id(message.merchant_id));
    let name = wrong.take("shop.name", field::name(message.name));
    let status = wrong.take("shop.status", field::status(message.status));
    let kind = wrong.take("shop.kind", field::kind(message.kind));
    match (id, merchant_id, name, status, kind) {
        (Some(id), Some(merchant_id), Some(name), Some(status), Some(kind)) => Ok(Shop {
            id,
            merchant_id,
            name,
            status,
            kind,
        }),
        _ => Err(wrong),
    }
}

/// The account a request wants created.
pub(crate) fn account(message: Option<v1::MerchantAccount>) -> Result<Account, Violations> {
    let message = message.ok_or_else(|| missing("account"))?;
    let mut wrong = Violations::default();
    read_account(message, &mut wrong).ok_or(wrong)
}

fn read_account(message: v1::MerchantAccount, wrong: &mut Violations) -> Option<Account> {
    let id = wrong.take("account.account_id", field::id(message.account_id));
    let route = route(&message, wrong);
    let mut number = |name, number| wrong.take(name, field::optional_number(number));
    let sign_agentno = number("account.sign_agentno", message.sign_agentno);
    let groupno = number("account.groupno", message.groupno);
    let sub_appid = number("account.sub_appid", message.sub_appid);
    let key_name = wrong.take("account.key_name", field::key_name(message.key_name));
    let weight = wrong.take("account.weight", field::weight(message.weight));
    Some(Account {
        id: id?,
        route: route?,
        sign_agentno: sign_agentno?,
        groupno: groupno?,
        sub_appid: sub_appid?,
        key_name: key_name?,
        weight: weight?,
        enabled: message.enabled,
    })
}

fn route(message: &v1::MerchantAccount, wrong: &mut Violations) -> Option<Route> {
    let shop_id = wrong.take("account.shop_id", field::id(message.shop_id));
    let channel = wrong.take("account.channel", field::channel(message.channel));
    let pay_type = wrong.take("account.pay_type", field::pay_type(message.pay_type));
    let mch_id = wrong.take("account.mch_id", field::mch_id(message.mch_id.clone()));
    let (channel, pay_type) = (channel?, pay_type?);
    wrong.take("account.pay_type", field::through(pay_type, channel))?;
    Some(Route {
        shop_id: shop_id?,
        channel,
        pay_type,
        mch_id: mch_id?,
    })
}

/// An id a request asks about.
pub(crate) fn id(name: &'static str, id: i64) -> Result<i64, Violations> {
    field::id(id).map_err(|fix| Violations::of(name, fix))
}

fn missing(name: &'static str) -> Violations {
    Violations::of(name, "must be set")
}
