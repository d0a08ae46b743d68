//! A script: which orders misbehave, at which step, and how.

use serde::{Deserialize, Serialize};

use super::{Act, Order};
use crate::SandboxError;

const NAME_LENGTH: usize = 64;
const EACH: u32 = 1000;

/// What makes orders misbehave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// Its name in reports, 1 to 64 characters.
    pub name: String,
    /// Which orders. Default: all.
    #[serde(default)]
    pub orders: Orders,
    /// How many of a thousand such orders, 1 to 1000. Default: 1000. An order is chosen once
    /// and for all.
    #[serde(default = "each")]
    pub permille: u32,
    /// How often at most it happens to an order at a step. Default: 0, each time.
    #[serde(default)]
    pub times: u32,
    /// At which step. Default: each that the misbehaviour has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Step>,
    /// What happens.
    pub act: Act,
}

fn each() -> u32 {
    EACH
}

/// Which orders: all that is set must be so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Orders {
    /// How `out_trade_no` begins; it begins with the order's number.
    pub out_trade_no_prefix: String,
    /// The merchant.
    pub mch_id: String,
    /// `total_fee`, in fen; 0: any.
    pub amount_fen: i64,
    /// What `body`, the description, contains.
    pub body_contains: String,
}

/// Where misbehaviour comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A merchant prepares a charge.
    Prepay,
    /// A merchant asks.
    Query,
    /// A merchant is told.
    Notify,
    /// A merchant charges a payer's code.
    Micropay,
    /// A merchant closes.
    Close,
    /// A merchant reverses.
    Reverse,
    /// A merchant refunds.
    Refund,
    /// A merchant asks about a refund.
    RefundQuery,
}

impl Step {
    /// Those at which a merchant sends a request.
    pub(super) const REQUESTS: [Self; 7] = [
        Self::Prepay,
        Self::Query,
        Self::Micropay,
        Self::Close,
        Self::Reverse,
        Self::Refund,
        Self::RefundQuery,
    ];

    /// As the ledger and the `.proto` have it.
    pub(crate) fn code(self) -> i32 {
        match self {
            Self::Prepay => 1,
            Self::Query => 2,
            Self::Notify => 3,
            Self::Micropay => 4,
            Self::Close => 5,
            Self::Reverse => 6,
            Self::Refund => 7,
            Self::RefundQuery => 8,
        }
    }
}

impl Orders {
    /// Whether `order` is one of them.
    pub(crate) fn have(&self, order: &Order) -> bool {
        order.out_trade_no.starts_with(&self.out_trade_no_prefix)
            && (self.mch_id.is_empty() || self.mch_id == order.mch_id)
            && (self.amount_fen == 0 || order.amount == Some(self.amount_fen))
            && order.body.contains(&self.body_contains)
    }
}

impl Script {
    /// A script for all orders, at every step, each time.
    pub fn new(name: impl Into<String>, act: Act) -> Self {
        Self {
            name: name.into(),
            orders: Orders::default(),
            permille: EACH,
            times: 0,
            step: None,
            act,
        }
    }

    /// Whether it has a say at this step.
    pub(crate) fn applies(&self, step: Step) -> bool {
        self.step.is_none_or(|own| own == step) && self.act.steps().contains(&step)
    }

    /// Refuses a script that cannot work.
    pub(crate) fn validate(&self) -> Result<(), SandboxError> {
        self.wrong()
            .map_or(Ok(()), |(field, problem)| self.refused(field, problem))
    }

    fn wrong(&self) -> Option<(&'static str, &'static str)> {
        if !(1..=NAME_LENGTH).contains(&self.name.chars().count()) {
            return Some(("name", "1 to 64 characters"));
        }
        if !(1..=EACH).contains(&self.permille) {
            return Some(("permille", "1 to 1000"));
        }
        if self.orders.amount_fen < 0 {
            return Some(("amount_fen", "0 for any, or more"));
        }
        if self.step.is_some_and(|step| !self.applies(step)) {
            return Some(("step", "this misbehaviour does not happen there"));
        }
        if self.times > 0 && !self.act.has_times() {
            return Some(("times", "this misbehaviour counts for itself; leave it 0"));
        }
        self.act.wrong()
    }

    fn refused(&self, field: &'static str, problem: &'static str) -> Result<(), SandboxError> {
        Err(SandboxError::Script {
            script: self.name.clone(),
            field,
            problem,
        })
    }
}
