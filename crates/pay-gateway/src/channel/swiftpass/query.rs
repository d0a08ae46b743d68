//! What became of a payment (`unified.trade.query`). What is contradictory, or cannot be read,
//! is no evidence: neither of money nor of its absence.

use super::{Swiftpass, leaves_open, number, refusal};
use crate::channel::value::{fen, from_china_time};
use crate::channel::{Fields, Paid, QueryAnswer};

/// How the platform, or the wallet behind it, says that there is no such order.
pub(super) const NOT_FOUND: [&str; 5] = [
    "ORDERNOTEXIST",
    "ORDER_NOT_EXIST",
    "ORDER_NOT_EXISTS",
    "TRADE_NOT_EXIST",
    "ACQ.TRADE_NOT_EXIST",
];

impl Swiftpass {
    /// What a reply says, or why it says nothing.
    pub(super) fn read_query(&self, raw: &[u8], out_trade_no: &str) -> Result<QueryAnswer, String> {
        let reply = self.open_reply(raw, out_trade_no)?;
        if reply.text("result_code") == "0" {
            answer(&reply)
        } else {
            refused(&reply)
        }
    }
}

/// What the trade's state means, beside the other fields.
fn answer(reply: &Fields) -> Result<QueryAnswer, String> {
    let state = reply.text("trade_state");
    let told_paid = reply.text("pay_result") == "0";
    match state {
        "SUCCESS" => Ok(QueryAnswer::Succeeded(paid(reply)?)),
        // Paid first; how much went back is for the refund query to say.
        "REFUND" => Ok(QueryAnswer::RefundedAfterPaid(paid(reply)?)),
        "REVERSE" | "REVOKED" if !told_paid => Ok(QueryAnswer::Reversed),
        // What has a time of payment was paid, whatever was done to it later.
        _ if told_paid || reply.get("time_end").is_some() => {
            Err(contradiction(state, "signs of payment"))
        }
        "NOTPAY" | "USERPAYING" => Ok(QueryAnswer::Waiting),
        "CLOSED" => Ok(QueryAnswer::Closed),
        "PAYERROR" => Ok(QueryAnswer::NotPaid),
        other => Err(format!("channel answered state {other:?}")),
    }
}

/// The money, if the reply names it without contradicting itself.
fn paid(reply: &Fields) -> Result<Paid, String> {
    let state = reply.text("trade_state");
    if leaves_open(reply) || !["", "0"].contains(&reply.text("pay_result")) {
        return Err(contradiction(state, "signs of failure"));
    }
    money(reply, &format!("state {state:?}"))
}

/// The money that a reply names which says that it came.
pub(super) fn money(reply: &Fields, said: &str) -> Result<Paid, String> {
    let missing = |field| format!("{said} without a plain {field}");
    reply
        .get("out_trade_no")
        .ok_or_else(|| missing("out_trade_no"))?;
    let number = number(reply, "transaction_id");
    Ok(Paid {
        channel_trade_no: number.ok_or_else(|| missing("transaction_id"))?.to_owned(),
        amount: fen(reply.text("total_fee")).ok_or_else(|| missing("total_fee"))?,
        currency: reply.get("fee_type").unwrap_or("CNY").to_owned(),
        paid_at: reply.get("time_end").and_then(from_china_time),
    })
}

/// A signed refusal: no such order, or nothing certain.
fn refused(reply: &Fields) -> Result<QueryAnswer, String> {
    let told = ["trade_state", "pay_result", "time_end"];
    let result = reply.text("result_code");
    if let Some(field) = told.iter().find(|field| reply.get(field).is_some()) {
        return Err(format!("channel answered result {result:?} beside {field}"));
    }
    if !result.is_empty() && NOT_FOUND.contains(&reply.text("err_code")) {
        return Ok(QueryAnswer::NotFound);
    }
    Err(refusal(reply))
}

fn contradiction(state: &str, signs: &str) -> String {
    format!("channel answered state {state:?} beside {signs}")
}

#[cfg(test)]
mod tests;
