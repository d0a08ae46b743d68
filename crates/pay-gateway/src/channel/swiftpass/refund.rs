//! Gives money back (`unified.trade.refund`), and asks what became of it
//! (`unified.trade.refundquery`): an accepted refund is not a done one.

use super::{Swiftpass, clip, leaves_open, number, query, refusal};
use crate::channel::value::{fen, from_china_time};
use crate::channel::{Fields, Refund, RefundAnswer, RefundQuery, RefundQueryAnswer, Refunded};

/// How the platform, or the wallet behind it, says that there is no such refund.
const NOT_FOUND: [&str; 5] = [
    "REFUNDNOTEXIST",
    "REFUND_NOT_EXIST",
    "REFUND_NOT_EXISTS",
    "ACQ.REFUND_NOT_EXIST",
    "ACQ.REFUND_NOT_EXISTS",
];

impl Swiftpass {
    /// The request, unsigned.
    pub(super) fn refund_request(&self, refund: &Refund) -> Fields {
        let mut fields = self.request("unified.trade.refund", &refund.out_trade_no);
        fields.set("out_refund_no", &refund.out_refund_no);
        fields.set("total_fee", refund.total.to_string());
        fields.set("refund_fee", refund.amount.to_string());
        fields.set("op_user_id", &self.account.mch_id);
        fields.set("refund_channel", "ORIGINAL");
        fields
    }

    /// The question, unsigned. Of the two numbers the platform goes by the refund's.
    pub(super) fn refund_query(&self, query: &RefundQuery) -> Fields {
        let mut fields = self.request("unified.trade.refundquery", &query.out_trade_no);
        fields.set("out_refund_no", &query.out_refund_no);
        fields
    }

    /// What a reply to a refund says, or why it says nothing.
    pub(super) fn read_refund(&self, raw: &[u8], refund: &Refund) -> Result<RefundAnswer, String> {
        let reply = self.open_reply(raw, &refund.out_trade_no)?;
        let (result, code) = (reply.text("result_code"), reply.text("err_code"));
        if result == "0" {
            return accepted(&reply, refund);
        }
        if result.is_empty() || code.is_empty() || leaves_open(&reply) {
            return Err(refusal(&reply));
        }
        Ok(RefundAnswer::Refused {
            code: clip(code),
            message: clip(reply.text("err_msg")),
        })
    }

    /// What a reply to the question says, or why it says nothing.
    pub(super) fn read_refund_query(
        &self,
        raw: &[u8],
        query: &RefundQuery,
    ) -> Result<RefundQueryAnswer, String> {
        let reply = self.open_reply(raw, &query.out_trade_no)?;
        if reply.text("result_code") != "0" {
            return not_told(&reply);
        }
        match place_of(&reply, &query.out_refund_no)? {
            Some(place) => told(&reply, place),
            // They are all there, and ours is not.
            None => Ok(RefundQueryAnswer::NotFound),
        }
    }
}

/// Accepted, if what it says of the refund is what was asked.
fn accepted(reply: &Fields, refund: &Refund) -> Result<RefundAnswer, String> {
    let amount = refund.amount.to_string();
    let asked = [
        ("out_refund_no", refund.out_refund_no.as_str()),
        ("refund_fee", &amount),
    ];
    for (name, asked) in asked {
        if reply.get(name).unwrap_or(asked) != asked {
            return Err(format!("reply is for another {name}"));
        }
    }
    Ok(RefundAnswer::Accepted {
        channel_refund_no: number(reply, "refund_id").map(str::to_owned),
    })
}

/// A signed refusal: no such refund, or nothing certain.
fn not_told(reply: &Fields) -> Result<RefundQueryAnswer, String> {
    let (result, code) = (reply.text("result_code"), reply.text("err_code"));
    if reply.get("refund_count").is_some() || reply.get("refund_status_0").is_some() {
        return Err(format!("channel answered result {result:?} beside refunds"));
    }
    let not_found = NOT_FOUND.contains(&code) || query::NOT_FOUND.contains(&code);
    if !result.is_empty() && not_found {
        return Ok(RefundQueryAnswer::NotFound);
    }
    Err(refusal(reply))
}

/// Where among the reply's refunds ours stands; `None` if it is not among them.
fn place_of(reply: &Fields, out_refund_no: &str) -> Result<Option<usize>, String> {
    let count = fen(reply.text("refund_count")).ok_or("reply without a plain refund_count")?;
    let mut place = None;
    for n in 0..usize::try_from(count).unwrap_or(usize::MAX) {
        let told = reply.get(&format!("out_refund_no_{n}"));
        let told = told.ok_or_else(|| format!("reply has no out_refund_no_{n} of {count}"))?;
        if told == out_refund_no && place.replace(n).is_some() {
            return Err("reply names the refund twice".to_owned());
        }
    }
    Ok(place)
}

/// What the reply says of the refund at `place`.
fn told(reply: &Fields, place: usize) -> Result<RefundQueryAnswer, String> {
    let status = reply.text(&format!("refund_status_{place}"));
    let why = || format!("refund status {status}");
    match status {
        "SUCCESS" => refunded(reply, place).map(RefundQueryAnswer::Succeeded),
        "PROCESSING" => Ok(RefundQueryAnswer::Processing),
        "FAIL" => Ok(RefundQueryAnswer::Failed { why: why() }),
        "CHANGE" => Ok(RefundQueryAnswer::Changed { why: why() }),
        "NOTSURE" => Ok(RefundQueryAnswer::NotSure),
        other => Err(format!("channel answered refund status {other:?}")),
    }
}

/// The money that went back, if the reply names it.
fn refunded(reply: &Fields, place: usize) -> Result<Refunded, String> {
    let missing = |field| format!("a refund without a plain {field}_{place}");
    let at = |field: &str| format!("{field}_{place}");
    let amount = fen(reply.text(&at("refund_fee"))).filter(|fen| *fen > 0);
    let number = number(reply, &at("refund_id"));
    Ok(Refunded {
        channel_refund_no: number.ok_or_else(|| missing("refund_id"))?.to_owned(),
        amount: amount.ok_or_else(|| missing("refund_fee"))?,
        refunded_at: reply.get(&at("refund_time")).and_then(from_china_time),
    })
}

#[cfg(test)]
mod tests;
