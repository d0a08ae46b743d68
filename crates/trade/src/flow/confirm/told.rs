//! A fact about a payment, and how it came.

use domain::{Attempt, OrderFact, PayType};
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
            | OrderFact::Reversed { payment } => Some(payment),
            OrderFact::RefundsChanged { .. } => None,
        }
    }

    /// When it was paid, if it was: the channel's time, or else that of the news.
    pub(super) fn paid(&self, now: Timestamp) -> Option<Timestamp> {
        let paid = matches!(self.fact, OrderFact::Succeeded { .. });
        paid.then(|| self.paid_at.unwrap_or(now))
    }

    /// The same, found by this job.
    pub(crate) fn found_by(self, finder: &'static str) -> Self {
        Self {
            remedy: Some(finder),
            ..self
        }
    }
}

fn fact_of(payment: &Payment, attempt: Attempt) -> Option<OrderFact> {
    let (succeeded, reversed, dead) = (
        OrderFact::Succeeded { payment: attempt },
        OrderFact::Reversed { payment: attempt },
        OrderFact::Dead { payment: attempt },
    );
    match payment.state() {
        PaymentState::Succeeded => Some(succeeded),
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
    fn a_reversal_of_what_was_paid_is_no_death() {
        let payment = Attempt::FIRST;
        let paid =
            |payment: &mut Payment| payment.paid_time = Some(prost_types::Timestamp::default());
        let reversed = fact(PaymentState::Reversed, paid);
        assert_eq!(reversed, Some(OrderFact::Reversed { payment }));
    }
}
