//! The transition table of an order, each legal move one line, and what the moves owe.

use super::OrderState as S;
use super::{
    Alarm, CanceledBy, Consequence, OrderCommand as C, OrderFact as F, OrderStep, PaidSource,
};
use crate::late::{LateMoney, LateMoneyPolicy};
use crate::number::Attempt;
use crate::order::OrderStatus;
use crate::step::{IllegalTransition, Step};

/// Commands and facts share one table; only the lack of a row means different things.
#[derive(Clone, Copy)]
enum Event {
    Command(C),
    Fact(F, LateMoneyPolicy),
}
use Event::{Command, Fact};

impl S {
    /// Does what is asked, says that it was done before, or refuses.
    pub fn command(self, command: C) -> Result<OrderStep, IllegalTransition> {
        if let Some(to) = self.row(Command(command)) {
            return Ok(Step::Moved(to, owed_by_command(command)));
        }
        if self.has_achieved(command) {
            return Ok(Step::Already);
        }
        let from = self.status().name();
        Err(IllegalTransition {
            machine: "order",
            from,
            event: command.name(),
        })
    }

    /// Takes a fact in; facts come twice and late, so none is ever an error.
    pub fn fact(self, fact: F, late: &LateMoneyPolicy) -> OrderStep {
        let to = self.row(Fact(fact, *late));
        let owed = self.owed_by_fact(fact, to);
        match to {
            Some(to) => Step::Moved(to, owed),
            None => Step::Unchanged(owed),
        }
    }

    /// The table. "Dead" includes a reversal of a payment, and money of another amount: neither
    /// pays the order.
    #[rustfmt::skip]
    #[expect(clippy::match_same_arms, reason = "each legal move is one line")]
    fn row(self, event: Event) -> Option<Self> {
        let to = match (self, event) {
            (S::Unpaid, Command(C::Pay { payment })) => S::Paying { payment },
            (S::PayFailed { payment: last }, Command(C::Pay { payment })) if payment > last => S::Paying { payment },
            (S::Paying { payment }, Fact(F::Dead { payment: p } | F::Mispaid { payment: p } | F::Reversed { payment: p }, _)) if p == payment => S::PayFailed { payment },

            (S::Unpaid, Command(C::Cancel { by })) => S::Revoked { payment: None, by },
            (S::Unpaid, Command(C::PayLimit | C::BindLimit)) => S::Revoked { payment: None, by: CanceledBy::System },
            (S::PayFailed { payment }, Command(C::Cancel { by })) => S::Revoked { payment: Some(payment), by },
            (S::PayFailed { payment }, Command(C::PayLimit | C::BindLimit)) => S::Revoked { payment: Some(payment), by: CanceledBy::System },
            (S::Paying { payment }, Command(C::Cancel { by })) => S::Revoking { payment, by },
            (S::Paying { payment }, Command(C::PayLimit)) => S::Revoking { payment, by: CanceledBy::System },
            (S::Revoking { payment, by } | S::RevokeFailed { payment, by }, Fact(F::Dead { payment: p } | F::Mispaid { payment: p } | F::Reversed { payment: p }, _)) if p == payment => S::Revoked { payment: Some(payment), by },
            (S::Revoking { payment, by }, Command(C::RevokeTriesExhausted)) => S::RevokeFailed { payment, by },
            (S::RevokeFailed { payment, by }, Command(C::RetryRevoke)) => S::Revoking { payment, by },

            (S::Unpaid | S::Paying { .. } | S::PayFailed { .. }, Fact(F::Succeeded { payment }, _)) => paid_by(payment),
            (S::Revoking { by, .. } | S::RevokeFailed { by, .. } | S::Revoked { by, .. }, Fact(F::Succeeded { payment }, late)) => paid_late(payment, by, late),

            (S::Paid { source } | S::Refunding { source, .. } | S::RefundFailed { source, .. }, Fact(F::Reversed { payment }, _)) if source == PaidSource::Payment(payment) => S::Refunded { source, by: CanceledBy::System },
            (S::Refunded { source, by }, Fact(F::Reversed { payment }, _)) if source == PaidSource::Payment(payment) && by != CanceledBy::System => S::Refunded { source, by: CanceledBy::System },
            (S::Paid { source }, Command(C::RequestRefund)) => S::Refunding { source, by: None },
            (S::Refunding { source, by } | S::RefundFailed { source, by }, Command(C::RequestRefund)) => S::Refunding { source, by },

            (S::Refunding { source, by }, Fact(F::RefundsChanged { tally, .. }, _)) if tally.has_ended_with_failure() => S::RefundFailed { source, by },
            // A failed refund that is found to have succeeded leaves no failure to show.
            (S::Refunding { source, by: earlier } | S::RefundFailed { source, by: earlier }, Fact(F::RefundsChanged { tally, by }, _)) if tally.has_returned_all() => S::Refunded { source, by: earlier.unwrap_or(by) },
            (S::Refunding { source, .. } | S::RefundFailed { source, .. }, Fact(F::RefundsChanged { tally, .. }, _)) if tally.has_ended_in_part() => S::Paid { source },
            _ => return None,
        };
        Some(to)
    }

    /// Whether a command without a row asks for what has been done already.
    fn has_achieved(self, command: C) -> bool {
        match command {
            C::Pay { payment } => self.payment().is_some_and(|last| payment <= last),
            C::Cancel { .. } | C::PayLimit => {
                self.canceled_by().is_some() && !self.is_paid_or_later()
            }
            C::BindLimit => self.status() == OrderStatus::Revoked,
            C::RevokeTriesExhausted => self.status() == OrderStatus::RevokeFailed,
            C::RetryRevoke => matches!(self, S::Revoking { .. } | S::Revoked { .. }),
            C::RequestRefund => false,
        }
    }

    fn owed_by_fact(self, fact: F, to: Option<Self>) -> Vec<Consequence> {
        match (fact, to) {
            (F::Succeeded { payment }, Some(to)) => self.owed_by_success(payment, to),
            (F::Succeeded { payment }, None) if self.is_anothers(payment) => {
                vec![
                    Consequence::Settle(payment),
                    Consequence::SurplusRefund(payment),
                ]
            }
            (F::Reversed { payment }, Some(to)) if to.is_paid_or_later() => {
                owed_by_reversal(payment)
            }
            // Told before, or gone once more after it had come again.
            (F::Reversed { payment }, None) if self.is_its_own(payment) => {
                vec![Consequence::FailOpenRefunds(payment)]
            }
            // It paid nothing: its money left as it came, outside the order's status.
            (F::Reversed { payment }, _) => vec![
                Consequence::SettleReversal(payment),
                Consequence::FailOpenRefunds(payment),
            ],
            (F::Mispaid { payment }, _) if !self.is_its_own(payment) => vec![
                Consequence::Settle(payment),
                Consequence::SurplusRefund(payment),
                Consequence::Remedy(payment),
            ],
            // Its charge is settled, and what gave that back too: only the money is to go.
            (F::Regained { payment }, _) => vec![
                Consequence::SurplusRefund(payment),
                Consequence::Remedy(payment),
                Consequence::Alarm(Alarm::Regained),
            ],
            (F::RefundsChanged { .. }, Some(S::RefundFailed { .. })) => {
                vec![Consequence::Alarm(Alarm::RefundFailed)]
            }
            _ => Vec::new(),
        }
    }

    fn owed_by_success(self, payment: Attempt, to: Self) -> Vec<Consequence> {
        let mut owed = vec![Consequence::Settle(payment)];
        if self.canceled_by().is_some() {
            owed.push(Consequence::Remedy(payment));
        }
        if let S::Refunding { .. } = to {
            owed.push(Consequence::LateRefund(payment));
        }
        if let Some(other) = self.live_payment().filter(|live| *live != payment) {
            owed.push(Consequence::ClosePayment(other));
        }
        owed
    }

    /// The payment that may still succeed.
    pub const fn live_payment(self) -> Option<Attempt> {
        match self {
            S::Paying { payment }
            | S::Revoking { payment, .. }
            | S::RevokeFailed { payment, .. } => Some(payment),
            _ => None,
        }
    }

    const fn is_paid_or_later(self) -> bool {
        self.status().is_paid_or_later()
    }

    /// Whether the order is paid by this payment.
    fn is_its_own(self, payment: Attempt) -> bool {
        self.source() == Some(PaidSource::Payment(payment))
    }

    /// Whether the order is paid, and not by this payment.
    fn is_anothers(self, payment: Attempt) -> bool {
        self.source()
            .is_some_and(|source| source != PaidSource::Payment(payment))
    }
}

const fn paid_by(payment: Attempt) -> S {
    S::Paid {
        source: PaidSource::Payment(payment),
    }
}

const fn paid_late(payment: Attempt, by: CanceledBy, late: LateMoneyPolicy) -> S {
    match late.decide(by) {
        LateMoney::KeepPaid => paid_by(payment),
        LateMoney::Refund => S::Refunding {
            source: PaidSource::Payment(payment),
            by: Some(by),
        },
    }
}

fn owed_by_command(command: C) -> Vec<Consequence> {
    match command {
        C::RevokeTriesExhausted => vec![Consequence::Alarm(Alarm::RevokeFailed)],
        _ => Vec::new(),
    }
}

fn owed_by_reversal(payment: Attempt) -> Vec<Consequence> {
    vec![
        Consequence::Remedy(payment),
        Consequence::SettleReversal(payment),
        Consequence::FailOpenRefunds(payment),
        Consequence::Alarm(Alarm::Reversed),
    ]
}
