//! What the channel says about a paid charge, in notices and in answers to queries.

use crate::charge::{Charge, Payment};
use crate::china;
use crate::wallet::Wallet;
use crate::wire::Fields;

const OPENID_LENGTH: usize = 24;

/// The fields of a payment; empty ones are left out.
pub(crate) fn fields(charge: &Charge, payment: &Payment) -> Fields {
    let prepared = &charge.prepared;
    let (amount, time_end) = (prepared.amount.to_string(), china::seconds(payment.paid_at));
    let common = [
        ("attach", prepared.attach.as_str()),
        ("device_info", &prepared.device_info),
        ("fee_type", "CNY"),
        ("out_trade_no", &prepared.out_trade_no),
        ("out_transaction_id", &payment.out_transaction_id),
        ("time_end", &time_end),
        ("total_fee", &amount),
        ("trade_type", prepared.trade_type()),
        ("transaction_id", &payment.transaction_id),
    ];
    let openid = openid(&prepared.token_id);
    let of_wallet = match prepared.wallet {
        Wallet::WeChat => vec![
            ("bank_type", "CFT"),
            ("is_subscribe", "N"),
            ("openid", openid.as_str()),
            ("sub_appid", &prepared.sub_appid),
            ("sub_openid", &prepared.sub_openid),
        ],
        // No bank, and nobody subscribes to anything.
        Wallet::Alipay => vec![("coupon_fee", "0"), ("openid", prepared.buyer_id.as_str())],
    };
    let fields = common.into_iter().chain(of_wallet);
    let present = fields.filter(|(_, value)| !value.is_empty());
    present
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// An amount in yuan, with two decimals.
pub(crate) fn yuan(fen: i64) -> String {
    format!("{}.{:02}", fen / 100, fen % 100)
}

/// The payer as the channel's own account knows it; the merchant names it by `sub_openid`.
fn openid(token_id: &str) -> String {
    let mut openid = String::from("oSBX");
    openid.extend(token_id.chars().take(OPENID_LENGTH));
    openid
}
