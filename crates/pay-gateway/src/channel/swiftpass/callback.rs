//! Swiftpass's callback: opened to learn whose key to try, verified, and only then read.

use super::{Signer, leaves_open, wire};
use crate::channel::value::{fen, from_china_time};
use crate::channel::{Callback, Fields, MAX_FIELDS, MessageError, Outcome};

/// A callback as it came. Only its merchant id can be had, and only to find the key.
#[derive(Debug)]
pub struct Sealed {
    mch_id: String,
    fields: Fields,
}

impl Sealed {
    /// Reads the raw message; nothing in it is believed.
    pub fn open(raw: &[u8]) -> Result<Self, MessageError> {
        let fields = wire::read_at_most(raw, MAX_FIELDS)?;
        let mch_id = fields
            .get("mch_id")
            .ok_or(MessageError::MissingField("mch_id"))?
            .to_owned();
        fields
            .get("sign")
            .ok_or(MessageError::MissingField("sign"))?;
        // Nobody's number looks otherwise; whoever looks it up need not guard against it.
        if mch_id.len() > 32 || !mch_id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(MessageError::UnknownMerchant);
        }
        Ok(Self { mch_id, fields })
    }

    /// Whose message it claims to be: 1 to 32 letters or digits.
    pub fn mch_id(&self) -> &str {
        &self.mch_id
    }

    /// What it says, if it is signed with the account's key. Two keys are tried one after the other.
    pub fn verify(&self, signer: &Signer) -> Result<Callback, MessageError> {
        signer.verify(&self.fields)?;
        Ok(read(&self.mch_id, &self.fields))
    }
}

/// What a message claims to be about, for a log: of what anybody may have sent, no signature and
/// no payer.
pub fn claims(raw: &[u8]) -> String {
    let brief = |text: &str| text.escape_debug().take(BRIEF).collect::<String>();
    let Ok(fields) = wire::read_at_most(raw, MAX_FIELDS) else {
        let begins = raw.get(..BRIEF).unwrap_or(raw);
        return brief(&String::from_utf8_lossy(begins));
    };
    let told = TOLD
        .iter()
        .filter_map(|name| Some((name, fields.get(name)?)));
    let told = told.map(|(name, value)| format!("{name}={}", brief(value)));
    told.collect::<Vec<_>>().join(" ")
}

const BRIEF: usize = 64;
const TOLD: [&str; 6] = [
    "mch_id",
    "out_trade_no",
    "transaction_id",
    "total_fee",
    "pay_result",
    "sign_type",
];

/// Never fails: what is signed is stored, readable or not.
fn read(mch_id: &str, fields: &Fields) -> Callback {
    Callback {
        mch_id: mch_id.to_owned(),
        out_trade_no: fields.text("out_trade_no").to_owned(),
        channel_trade_no: fields.text("transaction_id").to_owned(),
        amount: fields.get("total_fee").and_then(fen),
        currency: fields.get("fee_type").unwrap_or("CNY").to_owned(),
        outcome: outcome(fields),
        paid_at: fields.get("time_end").and_then(from_china_time),
        fields: fields.clone(),
    }
}

fn outcome(fields: &Fields) -> Outcome {
    match [
        fields.text("status"),
        fields.text("result_code"),
        fields.text("pay_result"),
    ] {
        ["0", "0", "0"] => paid(fields),
        ["0", "0", ""] => Outcome::Unclear {
            field: "pay_result",
        },
        ["0", "0", _] => Outcome::NotPaid,
        ["0", "", _] => Outcome::Unclear {
            field: "result_code",
        },
        ["0", ..] if leaves_open(fields) => Outcome::Unclear { field: "err_code" },
        ["0", ..] => Outcome::NotPaid,
        // Communication failed: that says nothing of the payment.
        _ => Outcome::Unclear { field: "status" },
    }
}

/// Paid, if it also says which payment, and how much.
fn paid(fields: &Fields) -> Outcome {
    let missing = ["out_trade_no", "transaction_id"]
        .into_iter()
        .find(|name| fields.get(name).is_none());
    let amount = fields.get("total_fee").and_then(fen);
    match missing.or(amount.is_none().then_some("total_fee")) {
        Some(field) => Outcome::Unclear { field },
        None => Outcome::Paid,
    }
}

#[cfg(test)]
mod tests;
