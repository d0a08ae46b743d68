//! What changes are asked for: only the fields of the mask, and only those that may change.

use domain::LateMoneyPolicy;
use prost_types::FieldMask;
use proto::shop::v1::{self, ShopStatus};
use work::Violations;

use super::{AFTER_CUSTOMER, AFTER_STORE, AFTER_SYSTEM, NOTIFY_KEY_NAME, NOTIFY_URL};
use super::{field, missing};
use crate::model::{AccountChange, MerchantChange, ShopChange};

/// A change of one thing, meant for one version of it; `None`: whichever it is.
#[derive(Debug)]
pub(crate) struct Update<C> {
    pub(crate) id: i64,
    pub(crate) expected: Option<i64>,
    pub(crate) change: C,
}

// Every path of a message, and what stands against changing it.
type Paths = &'static [(&'static str, Option<&'static str>)];

const NEVER: Option<&str> = Some("never changes");
const SERVER: Option<&str> = Some("is set by the server");

const MERCHANT: Paths = &[
    ("name", None),
    ("late_money", None),
    ("late_money.after_system", None),
    ("late_money.after_customer", None),
    ("late_money.after_store", None),
    ("notify_url", None),
    ("notify_key_name", None),
    ("merchant_id", NEVER),
    ("create_time", SERVER),
    ("version", SERVER),
    ("update_time", SERVER),
];

const SHOP: Paths = &[
    ("name", None),
    ("status", Some("is changed by SetShopStatus")),
    ("shop_id", NEVER),
    ("merchant_id", NEVER),
    ("kind", NEVER),
    ("create_time", SERVER),
    ("version", SERVER),
    ("update_time", SERVER),
];

const ACCOUNT: Paths = &[
    ("sign_agentno", None),
    ("groupno", None),
    ("sub_appid", None),
    ("key_name", None),
    ("weight", None),
    ("enabled", None),
    ("account_id", NEVER),
    ("shop_id", NEVER),
    ("channel", NEVER),
    ("pay_type", NEVER),
    ("mch_id", NEVER),
    ("create_time", SERVER),
    ("version", SERVER),
    ("update_time", SERVER),
];

/// What a request wants changed of a merchant.
pub(crate) fn update_merchant(
    request: v1::UpdateMerchantRequest,
) -> Result<Update<MerchantChange>, Violations> {
    let message = request.merchant.ok_or_else(|| missing("merchant"))?;
    let mut asked = Asked::of(request.update_mask, MERCHANT);
    let id = asked.id("merchant.merchant_id", message.merchant_id);
    let (url, key_name) = (message.notify_url, message.notify_key_name);
    let late = message.late_money.unwrap_or_default();
    let change = MerchantChange {
        name: asked.take(&["name"], "merchant.name", || field::name(message.name)),
        notify_url: asked.take(&["notify_url"], NOTIFY_URL, || field::notify_url(&url)),
        notify_key_name: asked.take(&["notify_key_name"], NOTIFY_KEY_NAME, || {
            field::notify_key_name(key_name)
        }),
        ..late_money(&late, &mut asked)
    };
    asked.finish(id, request.expected_version, change)
}

// What is asked of the late-money policy, and nothing else.
fn late_money(late: &v1::LateMoneyPolicy, asked: &mut Asked) -> MerchantChange {
    let default = LateMoneyPolicy::default();
    let mut fate = |path, field, fate, default| {
        let read = move || field::late_money(fate, default);
        asked.take(&["late_money", path], field, read)
    };
    MerchantChange {
        after_system: fate(
            "late_money.after_system",
            AFTER_SYSTEM,
            late.after_system,
            default.system,
        ),
        after_customer: fate(
            "late_money.after_customer",
            AFTER_CUSTOMER,
            late.after_customer,
            default.customer,
        ),
        after_store: fate(
            "late_money.after_store",
            AFTER_STORE,
            late.after_store,
            default.store,
        ),
        ..MerchantChange::default()
    }
}

/// What a request wants changed of a shop.
pub(crate) fn update_shop(
    request: v1::UpdateShopRequest,
) -> Result<Update<ShopChange>, Violations> {
    let message = request.shop.ok_or_else(|| missing("shop"))?;
    let mut asked = Asked::of(request.update_mask, SHOP);
    let id = asked.id("shop.shop_id", message.shop_id);
    let name = asked.take(&["name"], "shop.name", || field::name(message.name));
    asked.finish(id, request.expected_version, ShopChange { name })
}

/// What a request wants changed of an account.
pub(crate) fn update_account(
    request: v1::UpdateMerchantAccountRequest,
) -> Result<Update<AccountChange>, Violations> {
    let message = request.account.ok_or_else(|| missing("account"))?;
    let mut asked = Asked::of(request.update_mask, ACCOUNT);
    let id = asked.id("account.account_id", message.account_id);
    let mut number = |path, field, number| {
        let read = || field::optional_number(number);
        asked.take(&[path], field, read)
    };
    let change = AccountChange {
        sign_agentno: number("sign_agentno", "account.sign_agentno", message.sign_agentno),
        groupno: number("groupno", "account.groupno", message.groupno),
        sub_appid: number("sub_appid", "account.sub_appid", message.sub_appid),
        key_name: asked.take(&["key_name"], "account.key_name", || {
            field::key_name(message.key_name)
        }),
        weight: asked.take(&["weight"], "account.weight", || {
            field::weight(message.weight)
        }),
        enabled: asked.take(&["enabled"], "account.enabled", || Ok(message.enabled)),
    };
    asked.finish(id, request.expected_version, change)
}

/// Which status a request wants a shop to have.
pub(crate) fn set_status(
    request: &v1::SetShopStatusRequest,
) -> Result<Update<ShopStatus>, Violations> {
    let mut wrong = Violations::default();
    let id = wrong.take("shop_id", field::id(request.shop_id));
    let status = wrong.take("status", field::named_status(request.status));
    let expected = Some(request.expected_version).filter(|version| *version != 0);
    let right = expected.is_none_or(|version| version > 0);
    wrong.unless(
        right,
        VERSION,
        "must be 1 or above, or unset for whichever it is",
    );
    match (id, status) {
        (Some(id), Some(change)) if wrong.is_empty() => Ok(Update {
            id,
            expected,
            change,
        }),
        _ => Err(wrong),
    }
}

const MASK: &str = "update_mask";
const VERSION: &str = "expected_version";

// A request to change something, as it is read.
struct Asked {
    mask: Vec<String>,
    wrong: Violations,
}

impl Asked {
    fn of(mask: Option<FieldMask>, paths: Paths) -> Self {
        let mask = mask.unwrap_or_default().paths;
        let mut wrong = Violations::default();
        if mask.is_empty() {
            wrong.add(
                MASK,
                format!("must name what changes: {}", changeable(paths)),
            );
        }
        for path in &mask {
            if let Some(why) = objection(path, paths) {
                wrong.add(MASK, why);
            }
        }
        Self { mask, wrong }
    }

    fn id(&mut self, field: &'static str, id: i64) -> Option<i64> {
        self.wrong.take(field, field::id(id))
    }

    // The field's value, if the mask has one of the paths.
    fn take<T>(
        &mut self,
        paths: &[&str],
        field: &'static str,
        read: impl FnOnce() -> Result<T, String>,
    ) -> Option<T> {
        let asked = self.mask.iter().any(|path| paths.contains(&path.as_str()));
        asked.then(|| self.wrong.take(field, read())).flatten()
    }

    fn finish<C>(
        mut self,
        id: Option<i64>,
        expected: i64,
        change: C,
    ) -> Result<Update<C>, Violations> {
        let fix = "must be the version that was read, 1 or above";
        self.wrong.unless(expected > 0, VERSION, fix);
        match id {
            Some(id) if self.wrong.is_empty() => Ok(Update {
                id,
                expected: Some(expected),
                change,
            }),
            _ => Err(self.wrong),
        }
    }
}

fn objection(path: &str, paths: Paths) -> Option<String> {
    let Some((_, objection)) = paths.iter().find(|(known, _)| *known == path) else {
        // What a stranger sent is not echoed at length.
        let path: String = path.chars().take(64).collect();
        return Some(format!(
            "{path:?} is no field; what may change: {}",
            changeable(paths)
        ));
    };
    objection.map(|why| format!("{path} {why}; what may change: {}", changeable(paths)))
}

fn changeable(paths: Paths) -> String {
    let may = paths.iter().filter(|(_, objection)| objection.is_none());
    may.map(|(path, _)| *path).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_types::{DescriptorProto, FileDescriptorSet};

    use super::*;

    #[test]
    fn every_field_of_the_messages_has_its_rule() {
        let files = FileDescriptorSet::decode(proto::DESCRIPTORS).unwrap();
        let messages = files.file.iter().flat_map(|file| &file.message_type);
        let find = |name: &str| {
            messages
                .clone()
                .find(|message| message.name() == name)
                .unwrap()
        };
        let fields = |message: &DescriptorProto| -> Vec<String> {
            let names = message.field.iter().map(|field| field.name().to_owned());
            names.collect()
        };
        for (name, paths) in [
            ("Merchant", MERCHANT),
            ("Shop", SHOP),
            ("MerchantAccount", ACCOUNT),
        ] {
            for field in fields(find(name)) {
                assert!(
                    paths.iter().any(|(path, _)| *path == field),
                    "{name}.{field}"
                );
            }
        }
        for field in fields(find("LateMoneyPolicy")) {
            let path = format!("late_money.{field}");
            assert!(MERCHANT.iter().any(|(known, _)| *known == path), "{path}");
        }
    }
}
