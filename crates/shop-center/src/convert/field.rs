//! One field of a request each: its value, or what it must be.

mod notify_url;

use domain::{Channel, LateMoney, PayType};
use proto::shop::v1;

pub(crate) use notify_url::notify_url;

/// A value, or how to put the field right.
type Read<T> = Result<T, String>;

pub(crate) fn id(id: i64) -> Read<i64> {
    if id > 0 {
        Ok(id)
    } else {
        Err("must be 1 or above".to_owned())
    }
}

const NAME: usize = 128;

pub(crate) fn name(name: String) -> Read<String> {
    if name.trim().is_empty() || name.chars().count() > NAME || name.chars().any(char::is_control) {
        return Err(format!(
            "must be 1 to {NAME} characters, not blank, without control characters"
        ));
    }
    Ok(name)
}

pub(crate) fn late_money(fate: i32, default: LateMoney) -> Read<LateMoney> {
    match v1::LateMoney::try_from(fate) {
        Ok(v1::LateMoney::Unspecified) => Ok(default),
        Ok(v1::LateMoney::Keep) => Ok(LateMoney::KeepPaid),
        Ok(v1::LateMoney::Refund) => Ok(LateMoney::Refund),
        Err(_) => Err("must be LATE_MONEY_KEEP or LATE_MONEY_REFUND, or unset".to_owned()),
    }
}

pub(crate) fn status(status: i32) -> Read<v1::ShopStatus> {
    match v1::ShopStatus::try_from(status) {
        Ok(v1::ShopStatus::Unspecified) => Ok(v1::ShopStatus::Open),
        Ok(status) => Ok(status),
        Err(_) => Err("must be SHOP_STATUS_OPEN, SUSPENDED or CLOSED, or unset".to_owned()),
    }
}

/// A status that must be said.
pub(crate) fn named_status(status: i32) -> Read<v1::ShopStatus> {
    match v1::ShopStatus::try_from(status) {
        Ok(v1::ShopStatus::Unspecified) | Err(_) => {
            Err("must be SHOP_STATUS_OPEN, SUSPENDED or CLOSED".to_owned())
        }
        Ok(status) => Ok(status),
    }
}

pub(crate) fn kind(kind: i32) -> Read<v1::ShopKind> {
    match v1::ShopKind::try_from(kind) {
        Ok(v1::ShopKind::Unspecified) => Ok(v1::ShopKind::Regular),
        Ok(kind) => Ok(kind),
        Err(_) => Err("must be SHOP_KIND_REGULAR, or unset".to_owned()),
    }
}

// The numbers on the wire and those stored are the same, the original ones; only what
// the contract names is taken.
pub(crate) fn channel(channel: i32) -> Read<Channel> {
    let named = v1::Channel::try_from(channel)
        .ok()
        .and_then(|_| i16::try_from(channel).ok());
    let channel = named.and_then(|code| Channel::from_code(code).ok());
    channel.ok_or_else(|| "must be a channel, e.g. CHANNEL_SWIFTPASS".to_owned())
}

pub(crate) fn pay_type(pay_type: i32) -> Read<PayType> {
    let named = v1::PayType::try_from(pay_type)
        .ok()
        .and_then(|_| i16::try_from(pay_type).ok());
    let pay_type = named.and_then(|code| PayType::from_code(code).ok());
    pay_type.ok_or_else(|| "must be a pay type, e.g. PAY_TYPE_SWIFTPASS_WECHAT".to_owned())
}

pub(crate) fn through(pay_type: PayType, channel: Channel) -> Read<()> {
    let through = pay_type.channel();
    if through == channel {
        Ok(())
    } else {
        Err(format!("goes through {through}, not {channel}"))
    }
}

const NUMBER: usize = 32;

pub(crate) fn mch_id(mch_id: String) -> Read<String> {
    let fits = (1..=NUMBER).contains(&mch_id.len()) && is_alphanumeric(&mch_id);
    if fits {
        Ok(mch_id)
    } else {
        Err(format!("must be 1 to {NUMBER} letters or digits"))
    }
}

/// A number or name at a channel that may be left out.
pub(crate) fn optional_number(number: String) -> Read<String> {
    let fits = number.len() <= NUMBER && is_alphanumeric(&number);
    if fits {
        Ok(number)
    } else {
        Err(format!(
            "must be at most {NUMBER} letters or digits, or unset"
        ))
    }
}

const KEY_NAME: usize = 64;

pub(crate) fn key_name(name: String) -> Read<String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=KEY_NAME).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(name);
    }
    Err(format!(
        "must be 1 to {KEY_NAME} letters, digits, dots, dashes or underscores"
    ))
}

/// A key's name that may be left out.
pub(crate) fn notify_key_name(name: String) -> Read<String> {
    if name.is_empty() {
        return Ok(name);
    }
    key_name(name)
}

pub(crate) fn weight(weight: i32) -> Read<i32> {
    match weight {
        0 => Ok(100),
        1..=1000 => Ok(weight),
        _ => Err("must be 1 to 1000, or unset for 100".to_owned()),
    }
}

fn is_alphanumeric(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_begin_at_one() {
        assert_eq!(id(1), Ok(1));
        assert!(id(0).is_err() && id(-1).is_err() && id(i64::MIN).is_err());
    }

    #[test]
    fn names_are_counted_in_characters() {
        assert!(name("店".repeat(128)).is_ok());
        assert!(name("店".repeat(129)).is_err());
        for bad in ["", "  ", "a\0b", "a\nb"] {
            assert!(name(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn channel_numbers_are_letters_or_digits() {
        assert!(mch_id("7551000001".to_owned()).is_ok());
        assert!(mch_id("a".repeat(32)).is_ok());
        for bad in ["", " 755", "755-1", "７５５", &"a".repeat(33)] {
            assert!(mch_id(bad.to_owned()).is_err(), "{bad:?}");
        }
        assert!(optional_number(String::new()).is_ok());
        assert!(optional_number("a b".to_owned()).is_err());
        assert!(key_name("swiftpass-7551000001".to_owned()).is_ok());
        assert!(key_name(String::new()).is_err() && key_name("../key".to_owned()).is_err());
    }

    #[test]
    fn unset_fields_take_their_defaults() {
        assert_eq!(weight(0), Ok(100));
        assert_eq!(status(0), Ok(v1::ShopStatus::Open));
        assert_eq!(kind(0), Ok(v1::ShopKind::Regular));
        assert_eq!(late_money(0, LateMoney::Refund), Ok(LateMoney::Refund));
        assert!(weight(-1).is_err() && weight(1001).is_err());
        assert!(status(4).is_err() && kind(2).is_err());
        assert!(late_money(3, LateMoney::Refund).is_err());
    }

    #[test]
    fn every_pay_type_of_the_contract_is_known_and_no_other() {
        assert_eq!(channel(1), Ok(Channel::Swiftpass));
        assert_eq!(pay_type(43), Ok(PayType::SwiftpassWeChat));
        for code in [i32::MIN, -1, 0, 2, 44, 65_579, i32::MAX] {
            assert!(pay_type(code).is_err(), "{code}");
        }
        assert!(channel(0).is_err() && channel(65_537).is_err());
        assert!(through(PayType::SwiftpassWeChat, Channel::Swiftpass).is_ok());
        assert!(through(PayType::SwiftpassWeChat, Channel::Alipay).is_err());
    }
}
