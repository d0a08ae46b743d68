//! Takes a payment by the payer's code (`unified.trade.micropay`), either wallet.

use super::query::money;
use super::{Swiftpass, clip, leaves_open, refusal};
use crate::channel::value::china_time;
use crate::channel::{Fields, Pay, PayAnswer};

impl Swiftpass {
    /// The request, unsigned. The platform calls nobody back for it: there is no `notify_url`.
    pub(super) fn micropay(&self, pay: &Pay) -> Fields {
        let mut fields = self.request("unified.trade.micropay", &pay.out_trade_no);
        fields.set("auth_code", pay.auth_code.digits());
        fields.set("sub_appid", self.sub_appid());
        fields.set("mch_create_ip", &pay.client_ip);
        // Control characters do not survive XML, and the signature would not match.
        fields.set("body", pay.description.replace(char::is_control, " "));
        fields.set("total_fee", pay.amount.to_string());
        // Either alone has no effect.
        fields.set("time_start", china_time(pay.starts));
        fields.set("time_expire", china_time(pay.expires));
        fields
    }

    /// What a reply says, or why it says nothing.
    pub(super) fn read_pay(&self, raw: &[u8], pay: &Pay) -> Result<PayAnswer, String> {
        let reply = self.open_reply(raw, &pay.out_trade_no)?;
        let told_paid = reply.text("pay_result") == "0";
        match reply.text("result_code") {
            "0" if told_paid => paid(&reply),
            // Half a success: what has a time of payment was paid, whatever else it says.
            _ if told_paid || reply.get("time_end").is_some() => {
                Err(format!("{}, beside signs of payment", refusal(&reply)))
            }
            // Without `pay_result`, nobody said that it failed.
            "0" if reply.get("pay_result").is_none() => Err(refusal(&reply)),
            _ => refused(&reply, pay),
        }
    }
}

/// The money, if the reply names it without contradicting itself.
fn paid(reply: &Fields) -> Result<PayAnswer, String> {
    if leaves_open(reply) {
        return Err(format!("{}, beside signs of failure", refusal(reply)));
    }
    // `total_fee` alone: the wallet's own amounts are in yuan.
    money(reply, "a success").map(PayAnswer::Succeeded)
}

/// A signed refusal: final only where the channel says that no query is needed.
fn refused(reply: &Fields, pay: &Pay) -> Result<PayAnswer, String> {
    let told = |name| clip(&pay.auth_code.kept_out_of(reply.text(name)));
    let (code, message) = (told("err_code"), told("err_msg"));
    if code == "USERPAYING" {
        return Ok(PayAnswer::Waiting { code, message });
    }
    // Left out, `need_query` means Y.
    let final_ = reply.text("need_query") == "N" && !leaves_open(reply);
    if final_ && !code.is_empty() && reply.get("result_code").is_some() {
        return Ok(PayAnswer::Declined { code, message });
    }
    Err(refusal(reply))
}

#[cfg(test)]
mod tests;
