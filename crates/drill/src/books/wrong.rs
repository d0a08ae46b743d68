//! What can be wrong with an order or a charge.

use std::fmt;

use proto::sandbox::v1::MisbehaviourKind;
use proto::trade::v1::{OrderStatus, RefundStatus};

use crate::plan::end::End;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The number of the order, or of the charge if no order is known.
    pub number: String,
    /// What is wrong with it.
    pub wrong: Wrong,
}

/// What can be wrong; all amounts in fen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// It was acknowledged, and trade does not know it.
    OrderGone,
    /// The channel keeps it under a number that no order has.
    ChargeWithoutOrder(i64),
    /// The channel keeps more than the order has.
    MoneyNotHeld(i64, OrderStatus),
    /// The channel keeps less than the order has.
    MoneyMissing(i64, OrderStatus),
    /// The ledger's amount and the order's differ.
    AmountDiffers {
        /// What was paid.
        charged: i64,
        /// What the order says.
        ordered: i64,
    },
    /// So much less was settled than the channel keeps.
    NotSettled(i64),
    /// So much more was settled than the channel keeps.
    SettledTooMuch(i64),
    /// One charge, refund or reversal was settled this many times too often.
    SettledOften(usize),
    /// Gross is not net + fee.
    FeeDiffers {
        /// Gross.
        gross: i64,
        /// Fee.
        fee: i64,
        /// Net.
        net: i64,
    },
    /// All of a payment went back, and so much of its fee did not.
    FeeKept(i64),
    /// A refund went, says trade; the channel knows nothing of it.
    RefundNotPaid(i64),
    /// The channel sent it back, and trade does not say so.
    RefundUnknown(i64),
    /// The order's sum of what went back is not that of its refunds.
    RefundedDiffers {
        /// What the order says.
        shown: i64,
        /// What its refunds say.
        gone: i64,
    },
    /// The order's refund status is not that of its refunds.
    RefundStatusDiffers(RefundStatus),
    /// Its columns may not stand together.
    Inconsistent(OrderStatus),
    /// It was charged, and its payer never paid.
    ChargedUnasked(i64),
    /// So many forged callbacks were acknowledged.
    ForgeryBelieved(i64),
    /// It has not ended.
    Unfinished(OrderStatus),
    /// It did not end as its kind must.
    EndsElsewhere(End),
    /// Its money was found without a callback, and no remedy says so.
    NoRemedy,
    /// The channel did not do this to it, though its kind stands for that.
    Spared(MisbehaviourKind),
    /// Too many ordinary orders were found without their callbacks, this one among them.
    Unheard {
        /// How many.
        found: usize,
        /// Of how many.
        of: usize,
    },
}

impl Wrong {
    /// Whether an order or its money is lost.
    pub fn is_loss(self) -> bool {
        matches!(
            self,
            Self::OrderGone
                | Self::ChargeWithoutOrder(_)
                | Self::MoneyNotHeld(..)
                | Self::MoneyMissing(..)
                | Self::NotSettled(_)
                | Self::SettledTooMuch(_)
                | Self::RefundNotPaid(_)
                | Self::RefundUnknown(_)
        )
    }

    /// What is lost, in a word: an order or its money, trust, or nothing.
    pub fn lost(self) -> &'static str {
        match self {
            Self::ForgeryBelieved(_) => "trust",
            wrong if wrong.is_loss() => "lost",
            _ => "",
        }
    }
}

impl Finding {
    pub(super) fn of(number: &str, wrong: Wrong) -> Self {
        Self {
            number: number.to_owned(),
            wrong,
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::OrderGone => f.write_str("acknowledged, but trade does not know it"),
            Self::ChargeWithoutOrder(fen) => write!(f, "{fen} fen paid, but no order says so"),
            Self::MoneyNotHeld(fen, status) => {
                let status = status.as_str_name();
                write!(f, "{fen} fen paid, but the order is {status}")
            }
            Self::MoneyMissing(fen, status) => {
                let status = status.as_str_name();
                write!(f, "{status}, but the channel does not have its {fen} fen")
            }
            Self::AmountDiffers { charged, ordered } => {
                write!(f, "{charged} fen paid for an order of {ordered} fen")
            }
            Self::NotSettled(fen) => write!(f, "{fen} fen were not settled"),
            Self::SettledTooMuch(fen) => write!(f, "{fen} fen settled that the channel has not"),
            Self::SettledOften(times) => write!(f, "settled {times} times too often"),
            Self::FeeDiffers { gross, fee, net } => {
                write!(f, "gross {gross} is not net {net} + fee {fee} fen")
            }
            Self::FeeKept(fee) => write!(f, "all went back but {fee} fen of its fee"),
            Self::RefundNotPaid(fen) => {
                write!(f, "{fen} fen refunded, but the channel did not send them")
            }
            Self::RefundUnknown(fen) => {
                write!(f, "{fen} fen sent back, but no refund says so")
            }
            Self::RefundedDiffers { shown, gone } => {
                write!(f, "says that {shown} fen went back, its refunds say {gone}")
            }
            Self::RefundStatusDiffers(status) => {
                write!(f, "its refunds are not {}", status.as_str_name())
            }
            Self::Inconsistent(status) => {
                write!(f, "its columns contradict {}", status.as_str_name())
            }
            Self::ChargedUnasked(fen) => write!(f, "{fen} fen charged, but its payer never paid"),
            Self::ForgeryBelieved(times) => {
                write!(f, "{times} forged callbacks were answered success")
            }
            Self::Unfinished(status) => write!(f, "not finished: {}", status.as_str_name()),
            Self::EndsElsewhere(end) => write!(f, "ended as {}", end.name()),
            Self::NoRemedy => f.write_str("found without a callback, but there is no remedy"),
            Self::Spared(kind) => {
                let kind = kind.as_str_name().trim_start_matches("MISBEHAVIOUR_KIND_");
                write!(f, "the channel was told {kind}, and did not do it")
            }
            Self::Unheard { found, of } => {
                write!(
                    f,
                    "{found} of {of} ordinary orders were found without a callback"
                )
            }
        }
    }
}
