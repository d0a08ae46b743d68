//! A refund: its states and table, its origin, and what an order shows of its refunds.

mod tally;
#[cfg(test)]
mod tests;

pub use tally::{RefundStatus, RefundTally};

use crate::coded::coded;
use crate::number::OutTradeNo;
use crate::step::{IllegalTransition, Step};

coded! {
    /// The state of a refund.
    pub enum RefundState {
        /// Asked for; its amount is reserved, somebody must approve it.
        Requested = 1 "REQUESTED",
        /// On its way to or at the channel.
        Processing = 2 "PROCESSING",
        /// Refused here; its amount is released.
        Rejected = 3 "REJECTED",
        /// The money went back.
        Succeeded = 4 "SUCCEEDED",
        /// The channel says it failed; its amount stays reserved.
        Failed = 5 "FAILED",
    }
}

coded! {
    /// Why a refund exists.
    pub enum RefundOrigin {
        /// A caller asked for it.
        Asked = 1 "ASKED",
        /// The shop rejected the order (拒单).
        Rejection = 2 "REJECTION",
        /// The money came for a revoked order.
        Late = 3 "LATE",
        /// The order was paid by another payment.
        Surplus = 4 "SURPLUS",
    }
}

impl RefundOrigin {
    /// The state it begins in: only what a caller asks for waits for approval.
    pub const fn first_state(self) -> RefundState {
        match self {
            Self::Asked => RefundState::Requested,
            Self::Rejection | Self::Late | Self::Surplus => RefundState::Processing,
        }
    }

    /// The `merchant_refund_no` of a refund nobody named, so that it exists once per payment.
    /// A caller's own number must not contain a colon.
    pub fn key(self, payment: OutTradeNo) -> Option<String> {
        match self {
            Self::Asked => None,
            Self::Rejection => Some(format!("reject:{payment}")),
            Self::Late => Some(format!("late:{payment}")),
            Self::Surplus => Some(format!("surplus:{payment}")),
        }
    }
}

coded! {
    /// Why a refund is FAILED.
    pub enum RefundFailure {
        /// The channel says FAIL.
        Channel = 1 "CHANNEL",
        /// The channel says CHANGE (转入代发): the payer's account takes nothing.
        Change = 2 "CHANGE",
        /// The payment was reversed while the refund was open.
        Reversed = 3 "REVERSED",
    }
}

/// What a refund is asked to do; without a row it is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundCommand {
    /// Send it.
    Approve,
    /// Refuse it.
    Reject,
    /// Send it again under the same refund number.
    Retry,
    /// It was settled by hand, with evidence.
    SettledByHand,
}

impl RefundCommand {
    /// The name in the timeline.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Approve => "APPROVE",
            Self::Reject => "REJECT",
            Self::Retry => "RETRY",
            Self::SettledByHand => "SETTLED_BY_HAND",
        }
    }
}

/// What became known of a refund; without a row it changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundFact {
    /// The channel took it in.
    Accepted,
    /// No answer, or NOTSURE.
    Unknown,
    /// A query says SUCCESS.
    QuerySucceeded,
    /// A query says FAIL or CHANGE.
    QueryFailed(RefundFailure),
    /// Its payment was reversed.
    PaymentReversed,
}

/// What becomes of the reserved amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reservation {
    /// It stays reserved.
    Keep,
    /// It may be refunded again.
    Release,
}

/// What a step of a refund owes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefundEffects {
    /// What becomes of the reserved amount.
    pub reservation: Reservation,
    /// Whether a negative settlement row is owed.
    pub settle: bool,
    /// Why it failed, when it did.
    pub failure: Option<RefundFailure>,
}

/// What an event does to a refund.
pub type RefundStep = Step<RefundState, RefundEffects>;

use Event::{Command, Fact};
use RefundCommand as C;
use RefundFact as F;
use RefundState as S;

#[derive(Clone, Copy)]
enum Event {
    Command(C),
    Fact(F),
}

impl S {
    /// REQUESTED or PROCESSING.
    pub const fn is_open(self) -> bool {
        matches!(self, S::Requested | S::Processing)
    }

    /// Whether its amount counts against what may still be refunded.
    pub const fn is_reserved(self) -> bool {
        !matches!(self, S::Rejected)
    }

    /// Does what is asked, says that it was done before, or refuses.
    pub fn command(self, command: C) -> Result<RefundStep, IllegalTransition> {
        if let Some(to) = self.row(Command(command)) {
            return Ok(Step::Moved(to, effects(to, None)));
        }
        if self.has_achieved(command) {
            return Ok(Step::Already);
        }
        Err(IllegalTransition {
            machine: "refund",
            from: self.name(),
            event: command.name(),
        })
    }

    /// Takes a fact in; none is ever an error.
    pub fn fact(self, fact: F) -> RefundStep {
        match self.row(Fact(fact)) {
            Some(to) => Step::Moved(to, effects(to, fact.failure())),
            None => Step::Unchanged(NOTHING),
        }
    }

    /// The table; PROCESSING stays so while the channel has accepted it or says nothing.
    #[expect(clippy::match_same_arms, reason = "each legal move is one line")]
    fn row(self, event: Event) -> Option<Self> {
        let to = match (self, event) {
            (S::Requested, Command(C::Approve)) => S::Processing,
            (S::Requested, Command(C::Reject)) => S::Rejected,
            (S::Processing, Fact(F::QuerySucceeded)) => S::Succeeded,
            (S::Processing, Fact(F::QueryFailed(_))) => S::Failed,
            (S::Requested | S::Processing, Fact(F::PaymentReversed)) => S::Failed,
            (S::Failed, Command(C::Retry)) => S::Processing,
            (S::Failed, Fact(F::QuerySucceeded)) => S::Succeeded,
            (S::Failed, Command(C::SettledByHand)) => S::Succeeded,
            _ => return None,
        };
        Some(to)
    }

    const fn has_achieved(self, command: C) -> bool {
        match command {
            C::Approve => matches!(self, S::Processing | S::Succeeded | S::Failed),
            C::Reject => matches!(self, S::Rejected),
            C::Retry => matches!(self, S::Processing | S::Succeeded),
            C::SettledByHand => matches!(self, S::Succeeded),
        }
    }
}

impl F {
    const fn failure(self) -> Option<RefundFailure> {
        match self {
            F::QueryFailed(failure) => Some(failure),
            F::PaymentReversed => Some(RefundFailure::Reversed),
            _ => None,
        }
    }
}

const NOTHING: RefundEffects = RefundEffects {
    reservation: Reservation::Keep,
    settle: false,
    failure: None,
};

const fn effects(to: S, failure: Option<RefundFailure>) -> RefundEffects {
    let reservation = match to {
        S::Rejected => Reservation::Release,
        _ => Reservation::Keep,
    };
    RefundEffects {
        reservation,
        settle: matches!(to, S::Succeeded),
        failure,
    }
}
