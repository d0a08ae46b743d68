//! What a query asks a channel, and what the answer is worth.

use std::time::Duration;

use domain::Finding;
use jiff::Timestamp;

/// A payment to ask about.
#[derive(Debug, Clone)]
pub struct Query {
    /// Our number for the attempt.
    pub out_trade_no: String,
    /// The whole call's time.
    pub timeout: Duration,
}

/// What the channel says of a payment, under its signature. The caller still compares number,
/// amount and currency with the payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryAnswer {
    /// Paid, and nothing of it went back.
    Succeeded(Paid),
    /// Paid, and then refunded in part or whole: never to be taken for unpaid.
    RefundedAfterPaid(Paid),
    /// Not paid yet.
    Waiting,
    /// Closed before it was paid.
    Closed,
    /// Reversed (冲正, 撤销).
    Reversed,
    /// Not paid, finally.
    NotPaid,
    /// The channel knows no such order; it may be on its way. Never a failure.
    NotFound,
    /// No answer, none that is believed, or one that says nothing certain.
    NoEvidence {
        /// For people.
        why: String,
    },
}

/// Money that the channel says it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    /// The channel's number; 1 to 64 bytes.
    pub channel_trade_no: String,
    /// Fen.
    pub amount: i64,
    /// ISO 4217.
    pub currency: String,
    /// When the channel says it was paid; `None` if absent or not a time.
    pub paid_at: Option<Timestamp>,
}

impl Paid {
    /// Why it cannot be taken, whoever it is of; `None`: it can.
    pub(crate) fn is_no_money(&self) -> Option<String> {
        if self.currency != "CNY" {
            return Some(format!("{}, not CNY", self.currency));
        }
        (self.amount < 1).then(|| format!("{} fen", self.amount))
    }
}

impl QueryAnswer {
    /// What it says of the payment. Refunded money came first: that is a success.
    pub const fn finding(&self) -> Finding {
        match self {
            Self::Succeeded(_) | Self::RefundedAfterPaid(_) => Finding::Succeeded,
            Self::Waiting => Finding::Waiting,
            Self::Closed => Finding::Closed,
            Self::Reversed => Finding::Reversed,
            Self::NotPaid => Finding::NotPaid,
            Self::NotFound => Finding::NotFound,
            Self::NoEvidence { .. } => Finding::NoEvidence,
        }
    }

    /// The money, if it came.
    pub const fn paid(&self) -> Option<&Paid> {
        match self {
            Self::Succeeded(paid) | Self::RefundedAfterPaid(paid) => Some(paid),
            _ => None,
        }
    }

    /// The stable name in metrics.
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::RefundedAfterPaid(_) => "REFUNDED_AFTER_PAID",
            other => other.finding().name(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refunded_money_is_never_unpaid() {
        let paid = Paid {
            channel_trade_no: "1".to_owned(),
            amount: 8880,
            currency: "CNY".to_owned(),
            paid_at: None,
        };
        let refunded = QueryAnswer::RefundedAfterPaid(paid.clone());
        assert_eq!(refunded.finding(), Finding::Succeeded);
        assert_eq!(refunded.paid(), Some(&paid));
        assert_eq!(refunded.outcome(), "REFUNDED_AFTER_PAID");
        assert_eq!(QueryAnswer::Succeeded(paid).outcome(), "SUCCEEDED");
    }

    #[test]
    fn an_order_that_is_not_there_has_not_failed() {
        assert_eq!(QueryAnswer::NotFound.finding(), Finding::NotFound);
        assert_eq!(QueryAnswer::NotFound.paid(), None);
    }
}
