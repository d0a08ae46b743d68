//! The fields of a request and the rules they are read by.

use crate::gateway::Refused;
use crate::mischief::Order;
use crate::wire::Fields;

/// A request.
pub(super) struct Request(Fields);

impl Request {
    /// A request of these fields.
    pub(super) fn new(fields: Fields) -> Self {
        Self(fields)
    }

    /// All fields, the signature included.
    pub(super) fn fields(&self) -> &Fields {
        &self.0
    }

    /// A field; empty when it is absent, which the channel does not tell apart.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Whose key signs: the agent, the chain, or the merchant itself.
    pub(super) fn signer(&self) -> &str {
        let numbers = ["sign_agentno", "groupno", "mch_id"].map(|name| self.get(name));
        numbers
            .into_iter()
            .find(|number| !number.is_empty())
            .unwrap_or_default()
    }

    /// The order it is about, in its own words.
    pub(super) fn order(&self) -> Order {
        Order {
            out_trade_no: self.get("out_trade_no").to_owned(),
            mch_id: self.get("mch_id").to_owned(),
            amount: self.get("total_fee").parse().ok(),
            body: self.get("body").to_owned(),
        }
    }

    /// A field that may be left out, of at most `length` characters.
    pub(super) fn optional(&self, name: &str, length: usize) -> Result<String, Refused> {
        let value = self.get(name);
        if value.chars().count() > length {
            return Err(Refused::invalid(format!("{name} is longer than {length}")));
        }
        Ok(value.to_owned())
    }

    /// A field that must be there, of at most `length` characters.
    pub(super) fn required(&self, name: &str, length: usize) -> Result<String, Refused> {
        let value = self.optional(name, length)?;
        if value.is_empty() {
            Err(Refused::invalid(format!("{name} is missing")))
        } else {
            Ok(value)
        }
    }

    /// An amount in fen, above 0, that must be there.
    pub(super) fn fen(&self, name: &str) -> Result<i64, Refused> {
        let text = self.required(name, 19)?;
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let amount = text.parse().ok().filter(|amount| digits && *amount > 0);
        amount.ok_or_else(|| Refused::invalid(format!("{name} must be a positive number of fen")))
    }
}
