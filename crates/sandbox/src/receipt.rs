//! What the channel says about a paid charge, in notices and in answers to queries.

use crate::charge::{Charge, Payment};
use crate::china;
use crate::wire::Fields;

/// What is charged through `pay.weixin.jspay`.
pub(crate) const TRADE_TYPE: &str = "pay.weixin.jspay";

const OPENID_LENGTH: usize = 24;

/// The fields of a payment; empty ones are left out.
pub(crate) fn fields(charge: &Charge, payment: &Payment) -> Fields {
    let prepared = &charge.prepared;
    let amount = prepared.amount.to_string();
    let (openid, time_end) = (openid(&prepared.token_id), china::seconds(payment.paid_at));
    let fields = [
        ("attach", prepared.attach.as_str()),
        ("bank_type", "CFT"),
        ("device_info", &prepared.device_info),
        ("fee_type", "CNY"),
        ("is_subscribe", "N"),
        ("openid", &openid),
        ("out_trade_no", &prepared.out_trade_no),
        ("out_transaction_id", &payment.out_transaction_id),
        ("sub_appid", &prepared.sub_appid),
        ("sub_openid", &prepared.sub_openid),
        ("time_end", &time_end),
        ("total_fee", &amount),
        ("trade_type", TRADE_TYPE),
        ("transaction_id", &payment.transaction_id),
    ];
    let present = fields.into_iter().filter(|(_, value)| !value.is_empty());
    present
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The payer as the channel's own account knows it; the merchant names it by `sub_openid`.
fn openid(token_id: &str) -> String {
    let mut openid = String::from("oSBX");
    openid.extend(token_id.chars().take(OPENID_LENGTH));
    openid
}
