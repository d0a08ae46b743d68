//! What can be wrong with an order or a charge.

use std::fmt;

use proto::trade::v1::OrderStatus;

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
    /// The payer paid, and no order says so.
    ChargeWithoutOrder(i64),
    /// The payer paid, and the order is not PAID.
    ChargeNotPaid(i64, OrderStatus),
    /// The order is PAID, and nobody paid.
    PaidWithoutCharge(i64),
    /// The order is PAID, and nothing was settled.
    NotSettled(i64),
    /// It was settled, and nobody paid.
    SettledUnpaid(i64),
    /// The ledger's amount and the order's differ.
    AmountDiffers {
        /// What was paid.
        charged: i64,
        /// What the order says.
        ordered: i64,
    },
    /// Settled this many times.
    SettledOften(usize),
    /// The settlement is for something else: another payment or another amount.
    SettlementDiffers(i64),
    /// Gross is not net + fee.
    FeeDiffers {
        /// Gross.
        gross: i64,
        /// Fee.
        fee: i64,
        /// Net.
        net: i64,
    },
    /// Another order claims the same charge.
    ChargeClaimedTwice,
    /// It was paid, and its payer never did that.
    PaidUnasked(i64),
    /// So many forged callbacks were acknowledged.
    ForgeryBelieved(i64),
    /// Nobody paid, and it did not end as it must; nothing is lost.
    Unfinished(OrderStatus),
}

impl Wrong {
    /// Whether an order or its money is lost.
    pub fn is_loss(self) -> bool {
        matches!(
            self,
            Self::OrderGone
                | Self::ChargeWithoutOrder(_)
                | Self::ChargeNotPaid(..)
                | Self::PaidWithoutCharge(_)
                | Self::NotSettled(_)
                | Self::SettledUnpaid(_)
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
            Self::ChargeNotPaid(fen, status) => {
                let status = status.as_str_name();
                write!(f, "{fen} fen paid, but the order is {status}")
            }
            Self::PaidWithoutCharge(fen) => write!(f, "PAID, but nobody paid its {fen} fen"),
            Self::NotSettled(fen) => write!(f, "PAID, but its {fen} fen were not settled"),
            Self::SettledUnpaid(fen) => write!(f, "{fen} fen settled that nobody paid"),
            Self::AmountDiffers { charged, ordered } => {
                write!(f, "{charged} fen paid for an order of {ordered} fen")
            }
            Self::SettledOften(times) => write!(f, "settled {times} times"),
            Self::SettlementDiffers(gross) => {
                write!(f, "the settlement of {gross} fen is not for its charge")
            }
            Self::FeeDiffers { gross, fee, net } => {
                write!(f, "gross {gross} is not net {net} + fee {fee} fen")
            }
            Self::ChargeClaimedTwice => f.write_str("another order claims the same charge"),
            Self::PaidUnasked(fen) => write!(f, "{fen} fen charged, but its payer never paid"),
            Self::ForgeryBelieved(times) => {
                write!(f, "{times} forged callbacks were answered success")
            }
            Self::Unfinished(status) => write!(f, "not paid: {}", status.as_str_name()),
        }
    }
}
