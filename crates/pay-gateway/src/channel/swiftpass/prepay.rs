//! Prepares a payment in WeChat (`pay.weixin.jspay`) or Alipay (`pay.alipay.jspay`).

use domain::PayType;

use super::{Swiftpass, clip, leaves_open, refusal};
use crate::channel::value::china_time;
use crate::channel::{Fields, Prepay, PrepayAnswer};

impl Swiftpass {
    /// The request, unsigned; `None` for a pay type that is not prepared here.
    pub(super) fn jspay(&self, prepay: &Prepay) -> Option<Fields> {
        let (service, payer) = match prepay.pay_type {
            PayType::SwiftpassWeChat => ("pay.weixin.jspay", "sub_openid"),
            PayType::SwiftpassAlipay => ("pay.alipay.jspay", buyer(&prepay.payer_id)),
            _ => return None,
        };
        let mut fields = self.request(service, &prepay.out_trade_no);
        if prepay.pay_type == PayType::SwiftpassWeChat {
            fields.set("is_raw", "1");
            fields.set("sub_appid", self.sub_appid());
        }
        fields.set(payer, &prepay.payer_id);
        fields.set("notify_url", &self.account.notify_url);
        fields.set("mch_create_ip", &prepay.client_ip);
        // Control characters do not survive XML, and the signature would not match.
        fields.set("body", prepay.description.replace(char::is_control, " "));
        fields.set("total_fee", prepay.amount.to_string());
        // Either alone has no effect.
        fields.set("time_start", china_time(prepay.starts));
        fields.set("time_expire", china_time(prepay.expires));
        Some(fields)
    }

    /// What a reply says, or why it says nothing.
    pub(super) fn read_prepay(
        &self,
        raw: &[u8],
        out_trade_no: &str,
    ) -> Result<PrepayAnswer, String> {
        let reply = self.open_reply(raw, out_trade_no)?;
        if reply.text("result_code") != "0" {
            return refused(&reply);
        }
        let pay_info = reply.get("pay_info").ok_or("reply has no pay_info")?;
        Ok(PrepayAnswer::Ready {
            pay_info: pay_info.to_owned(),
            channel_prepay_id: reply.get("token_id").map(str::to_owned),
            pay_url: reply.get("pay_url").map(str::to_owned),
        })
    }
}

/// The field for an Alipay payer: user ids are 16 digits that begin with 2088, all else is a login.
fn buyer(payer_id: &str) -> &'static str {
    let digits = payer_id.bytes().all(|byte| byte.is_ascii_digit());
    if digits && payer_id.len() == 16 && payer_id.starts_with("2088") {
        "buyer_id"
    } else {
        "buyer_logon_id"
    }
}

/// A signed refusal: final, or an unknown that looks like one.
fn refused(reply: &Fields) -> Result<PrepayAnswer, String> {
    let (result, code) = (reply.text("result_code"), reply.text("err_code"));
    if result.is_empty() || code.is_empty() || leaves_open(reply) {
        return Err(refusal(reply));
    }
    let message = clip(reply.text("err_msg"));
    Ok(PrepayAnswer::Declined {
        code: clip(code),
        message,
    })
}

#[cfg(test)]
mod tests;
