//! What became of a refund at the channel reaches its order: by the reply of an RPC and by
//! the feed, through this one transition, which is idempotent.

use domain::{RefundFact, RefundFailure, RefundNo, RefundState};
use jiff::Timestamp;
use proto::gateway::v1 as gateway;
use proto::time::from_proto;
use tracing::warn;

use crate::Inner;
use crate::content::micros;
use crate::error::TradeError;
use crate::flow::refunds::{Move, moved, told_of};
use crate::order::{Line, StoredOrder};
use crate::refund::StoredRefund;

const EVIDENCE: usize = 128;

/// How a refund ended, and how that came to be known.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    fact: RefundFact,
    /// Which of the tries it is about.
    retry: i32,
    refunded_at: Option<Timestamp>,
    /// The channel's number.
    channel_refund_no: String,
    /// What the channel said.
    reason: String,
    actor: &'static str,
}

impl Told {
    /// What pay-gateway says of a refund; none while it has not ended.
    pub(crate) fn of(refund: &gateway::Refund, actor: &'static str) -> Option<Self> {
        let fact = match (refund.state(), refund.failure()) {
            (gateway::RefundState::Succeeded, _) => RefundFact::QuerySucceeded,
            (gateway::RefundState::Failed, gateway::RefundFailure::Reversed) => {
                RefundFact::PaymentReversed
            }
            (gateway::RefundState::Failed, gateway::RefundFailure::Change) => {
                RefundFact::QueryFailed(RefundFailure::Change)
            }
            (gateway::RefundState::Failed, _) => RefundFact::QueryFailed(RefundFailure::Channel),
            _ => return None,
        };
        Some(Self {
            fact,
            retry: refund.retry,
            refunded_at: refund
                .refunded_time
                .as_ref()
                .and_then(from_proto)
                .map(micros),
            channel_refund_no: refund.channel_refund_no.chars().take(EVIDENCE).collect(),
            reason: refund.reason.clone(),
            actor,
        })
    }
}

/// Takes it into the refund and its order; answers them as they then are.
pub(crate) async fn refunded(
    trade: &Inner,
    no: RefundNo,
    told: &Told,
) -> Result<(StoredRefund, StoredOrder), TradeError> {
    moved(trade, no, |refund, now| {
        let to = told.change(refund, now);
        Ok(to.map(|to| told.said(trade, to)))
    })
    .await
}

impl Told {
    /// Whether the money went back.
    pub(crate) fn is_success(&self) -> bool {
        self.fact == RefundFact::QuerySucceeded
    }

    // Facts come twice and late: none where the refund knows it, or knows better.
    fn change(&self, refund: &StoredRefund, now: Timestamp) -> Option<StoredRefund> {
        let succeeded = self.is_success();
        // An earlier try's failure says nothing about this one; its success is the refund's.
        if !succeeded && self.retry < refund.retry {
            return None;
        }
        if !succeeded && refund.state == RefundState::Succeeded {
            warn!(refund = %refund.no, told = ?self.fact, actor = self.actor, "a refund that succeeded is told to have failed");
        }
        let mut to = refund.after(self.fact, now)?;
        if succeeded {
            to.refunded_at = Some(self.refunded_at.unwrap_or(now));
        }
        if !self.channel_refund_no.is_empty() {
            to.evidence.clone_from(&self.channel_refund_no);
        }
        Some(to)
    }

    fn said(&self, trade: &Inner, to: StoredRefund) -> Move {
        let event = match to.state {
            RefundState::Succeeded => "REFUND_SUCCEEDED",
            _ => "REFUND_FAILED",
        };
        let failure = to.failure.map_or("", RefundFailure::name);
        let what = [failure, &self.channel_refund_no, &self.reason];
        let what: Vec<&str> = what.into_iter().filter(|it| !it.is_empty()).collect();
        let line = Line {
            event,
            actor: self.actor.into(),
            detail: told_of(trade, &to, &what.join(" ")),
        };
        Move { to, line }
    }
}

#[cfg(test)]
mod tests {
    use domain::{CanceledBy, Fen, RefundOrigin};

    use super::*;

    fn now() -> Timestamp {
        "2026-11-20T04:00:00Z".parse().unwrap()
    }

    fn stored(state: RefundState, retry: i32) -> StoredRefund {
        let at: Timestamp = "2026-11-20T03:00:00Z".parse().unwrap();
        let failed = state == RefundState::Failed;
        StoredRefund {
            no: RefundNo::compose(at, 1, 2).unwrap(),
            order: "W261120325230040101".parse().unwrap(),
            merchant_refund_no: "T1".to_owned(),
            payment: Some(domain::Attempt::FIRST),
            amount: Fen::new(100),
            state,
            origin: RefundOrigin::Asked,
            failure: failed.then_some(RefundFailure::Channel),
            by: CanceledBy::Store,
            reason: String::new(),
            refusal: String::new(),
            evidence: String::new(),
            retry,
            refunded_at: None,
            created_at: at,
            changed_at: at,
        }
    }

    fn told(state: gateway::RefundState, retry: i32) -> Told {
        let refund = gateway::Refund {
            state: state.into(),
            channel_refund_no: "C1".to_owned(),
            retry,
            ..gateway::Refund::default()
        };
        Told::of(&refund, "test").unwrap()
    }

    fn after(refund: &StoredRefund, told: &Told) -> Option<RefundState> {
        told.change(refund, now()).map(|to| to.state)
    }

    #[test]
    fn only_what_has_ended_says_something() {
        use RefundFact::{PaymentReversed, QueryFailed, QuerySucceeded};
        use gateway::RefundFailure as F;
        use gateway::RefundState as S;
        for (state, failure, fact) in [
            (S::Unspecified, F::Unspecified, None),
            (S::Processing, F::Unspecified, None),
            (S::Succeeded, F::Unspecified, Some(QuerySucceeded)),
            (
                S::Failed,
                F::Unspecified,
                Some(QueryFailed(RefundFailure::Channel)),
            ),
            (
                S::Failed,
                F::Channel,
                Some(QueryFailed(RefundFailure::Channel)),
            ),
            (
                S::Failed,
                F::Change,
                Some(QueryFailed(RefundFailure::Change)),
            ),
            (S::Failed, F::Reversed, Some(PaymentReversed)),
        ] {
            let refund = gateway::Refund {
                state: state.into(),
                failure: failure.into(),
                ..gateway::Refund::default()
            };
            let told = Told::of(&refund, "test").map(|told| told.fact);
            assert_eq!(told, fact, "{state:?} {failure:?}");
        }
    }

    #[test]
    fn an_earlier_trys_failure_says_nothing_and_its_success_all() {
        use gateway::RefundState as S;
        let tried_again = stored(RefundState::Processing, 1);
        assert_eq!(after(&tried_again, &told(S::Failed, 0)), None);
        let succeeded = Some(RefundState::Succeeded);
        assert_eq!(after(&tried_again, &told(S::Succeeded, 0)), succeeded);
        let failed = Some(RefundState::Failed);
        assert_eq!(after(&tried_again, &told(S::Failed, 1)), failed);
    }

    #[test]
    fn what_is_known_is_no_news() {
        use gateway::RefundState as S;
        for state in [RefundState::Succeeded, RefundState::Rejected] {
            for ended in [S::Succeeded, S::Failed] {
                assert_eq!(after(&stored(state, 0), &told(ended, 0)), None);
            }
        }
        assert_eq!(
            after(&stored(RefundState::Failed, 0), &told(S::Failed, 0)),
            None
        );
    }

    #[test]
    fn what_went_back_has_a_time_and_the_channels_number() {
        let told = told(gateway::RefundState::Succeeded, 0);
        for state in [RefundState::Processing, RefundState::Failed] {
            let to = told.change(&stored(state, 0), now()).unwrap();
            assert_eq!(
                to.refunded_at,
                Some(now()),
                "when it was told, if not before"
            );
            assert_eq!((to.evidence.as_str(), to.failure), ("C1", None));
            assert_eq!(to.changed_at, now());
        }
    }
}
