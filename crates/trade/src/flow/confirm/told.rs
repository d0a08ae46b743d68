//! A fact about a payment, and how it came.

use domain::{Attempt, Fen, OrderFact, PayType};
use jiff::Timestamp;
use proto::gateway::v1::{Payment, PaymentState};
use proto::time::from_proto;

use crate::convert;

// What pay-gateway says of a prepay that nobody can have seen: nobody will pay it, though it
// is still to be closed.
const ABANDONED: &str = "PAY_INFO_LOST";

/// A fact about a payment, and how it came.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) fact: OrderFact,
    /// pay-gateway's version of the payment that says so; 0: not known, and always taken in.
    pub(crate) version: i64,
    /// How it is paid; needed where the payment is not on record yet.
    pub(crate) pay_type: Option<PayType>,
    /// The channel's time of payment, if it paid.
    pub(crate) paid_at: Option<Timestamp>,
    /// What the channel says it took, if it paid.
    pub(crate) paid_amount: Option<Fen>,
    pub(crate) actor: &'static str,
    pub(crate) detail: String,
    /// Who found money that neither a callback nor a reply told of: a remedy (补单).
    pub(crate) remedy: Option<&'static str>,
}

impl Told {
    /// What the payment's state says of its order; none while it may still be paid.
    pub(crate) fn of(payment: &Payment, attempt: Attempt, actor: &'static str) -> Option<Self> {
        let detail = [payment.channel_trade_no.as_str(), payment.reason.as_str()].join(" ");
        Some(Self {
            fact: fact_of(payment, attempt)?,
            version: payment.version,
            pay_type: convert::known_pay_type(payment.pay_type),
            paid_at: payment.paid_time.as_ref().and_then(from_proto),
            paid_amount: paid_amount(payment),
            actor,
            detail: detail.trim().to_owned(),
            remedy: None,
        })
    }

    /// Which payment it is about.
    pub(super) fn payment(&self) -> Option<Attempt> {
        match self.fact {
            OrderFact::Succeeded { payment }
            | OrderFact::Dead { payment }
            | OrderFact::Mispaid { payment }
            | OrderFact::Reversed { payment }
            | OrderFact::Regained { payment } => Some(payment),
            OrderFact::RefundsChanged { .. } => None,
        }
    }

    /// The same, found by this job.
    pub(crate) fn found_by(self, finder: &'static str) -> Self {
        Self {
            remedy: Some(finder),
            ..self
        }
    }
}

/// What the channel took, where pay-gateway tells it.
pub(crate) fn paid_amount(payment: &Payment) -> Option<Fen> {
    (payment.paid_fen != 0).then(|| Fen::new(payment.paid_fen))
}

/// What its money says of the order: another amount pays nothing.
pub(crate) fn paid_fact(payment: &Payment, attempt: Attempt) -> OrderFact {
    match payment.paid_fen {
        paid if paid == 0 || paid == payment.amount_fen => {
            OrderFact::Succeeded { payment: attempt }
        }
        _ => OrderFact::Mispaid { payment: attempt },
    }
}

fn fact_of(payment: &Payment, attempt: Attempt) -> Option<OrderFact> {
    let (reversed, dead) = (
        OrderFact::Reversed { payment: attempt },
        OrderFact::Dead { payment: attempt },
    );
    match payment.state() {
        PaymentState::Succeeded => Some(paid_fact(payment, attempt)),
        // Its money was here; otherwise it was reversed before anybody paid.
        PaymentState::Reversed if payment.paid_time.is_some() => Some(reversed),
        PaymentState::Declined | PaymentState::Closed | PaymentState::Reversed => Some(dead),
        PaymentState::Closing if payment.reason == ABANDONED => Some(dead),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(state: PaymentState, change: impl FnOnce(&mut Payment)) -> Option<OrderFact> {
        let mut payment = Payment {
            state: state.into(),
            version: 7,
            ..Payment::default()
        };
        change(&mut payment);
        let told = Told::of(&payment, Attempt::FIRST, "test");
        assert!(told.as_ref().is_none_or(|told| told.version == 7));
        told.map(|told| told.fact)
    }

    #[test]
    fn only_what_is_over_says_something_of_the_order() {
        let payment = Attempt::FIRST;
        for open in [
            PaymentState::Unspecified,
            PaymentState::Sent,
            PaymentState::Pending,
            PaymentState::Unknown,
            PaymentState::Closing,
        ] {
            assert_eq!(fact(open, |_| {}), None, "{open:?}");
        }
        for dead in [
            PaymentState::Declined,
            PaymentState::Closed,
            PaymentState::Reversed,
        ] {
            assert_eq!(fact(dead, |_| {}), Some(OrderFact::Dead { payment }));
        }
        let paid = fact(PaymentState::Succeeded, |_| {});
        assert_eq!(paid, Some(OrderFact::Succeeded { payment }));
    }

    #[test]
    fn closing_is_dead_only_when_nobody_can_have_seen_it() {
        let payment = Attempt::FIRST;
        let closing = |reason: &str| {
            let reason = reason.to_owned();
            fact(PaymentState::Closing, |payment| payment.reason = reason)
        };
        assert_eq!(closing("REVOKE"), None);
        assert_eq!(closing("PAY_INFO_LOST"), Some(OrderFact::Dead { payment }));
    }

    #[test]
    fn money_of_another_amount_is_no_success() {
        let payment = Attempt::FIRST;
        for (paid, said) in [
            (0, OrderFact::Succeeded { payment }),
            (100, OrderFact::Succeeded { payment }),
            (99, OrderFact::Mispaid { payment }),
            (101, OrderFact::Mispaid { payment }),
        ] {
            let paid = |payment: &mut Payment| {
                (payment.amount_fen, payment.paid_fen) = (100, paid);
            };
            assert_eq!(fact(PaymentState::Succeeded, paid), Some(said));
        }
    }

    #[test]
    fn a_reversal_of_what_was_paid_is_no_death() {
        let payment = Attempt::FIRST;
        let paid =
            |payment: &mut Payment| payment.paid_time = Some(prost_types::Timestamp::default());
        let reversed = fact(PaymentState::Reversed, paid);
        assert_eq!(reversed, Some(OrderFact::Reversed { payment }));
    }
}
