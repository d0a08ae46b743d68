//! The transition table of a payment, each legal move one line, and what the moves owe.

use super::PaymentState as S;
use super::{
    Finding as F, Live, PaymentCommand as C, PaymentContext, PaymentEffects, PaymentStep, Source,
    Tell,
};
use crate::obligation::ObligationKind;
use crate::step::{IllegalTransition, Step};

#[derive(Clone, Copy)]
enum Event {
    Command(C),
    Fact(F, Source),
}
use Event::{Command, Fact};

const NOTHING: PaymentEffects = PaymentEffects {
    live: Live::Keep,
    tell: None,
    due: None,
};

impl S {
    /// Does what is asked, says that it was done before, or refuses.
    pub fn command(
        self,
        command: C,
        context: &PaymentContext,
    ) -> Result<PaymentStep, IllegalTransition> {
        if let Some(to) = self.row(Command(command), context) {
            return Ok(Step::Moved(to, owed_by_command(command)));
        }
        // The aim of each command is that nobody can pay any more.
        if self == S::Closing || self.is_dead() {
            return Ok(Step::Already);
        }
        Err(IllegalTransition {
            machine: "payment",
            from: self.name(),
            event: command.name(),
        })
    }

    /// Takes a finding in; none is ever an error.
    pub fn fact(self, finding: F, source: Source, context: &PaymentContext) -> PaymentStep {
        match self.row(Fact(finding, source), context) {
            Some(to) => Step::Moved(to, self.owed_by_move(to)),
            None => Step::Unchanged(self.owed_by_evidence(finding)),
        }
    }

    /// The table.
    #[rustfmt::skip]
    #[expect(clippy::match_same_arms, reason = "each legal move is one line")]
    fn row(self, event: Event, cx: &PaymentContext) -> Option<Self> {
        let to = match (self, event) {
            (S::Sent, Fact(F::NotSent, _)) => S::Declined,
            (S::Sent | S::Unknown, Fact(F::Waiting, _)) => S::Pending,
            (S::Sent, Fact(F::NoEvidence | F::NotFound, _)) => S::Unknown,
            (S::Sent | S::Pending | S::Unknown, Fact(F::NotPaid, _)) => S::Declined,
            (S::Sent | S::Pending | S::Unknown, Fact(F::Closed, _)) if cx.may_be_closed() => S::Closed,
            (S::Sent | S::Unknown, Command(C::Abandon)) if cx.is_abandoned() => S::Closing,
            (S::Sent | S::Pending | S::Unknown, Command(C::Close | C::Reverse)) => S::Closing,

            (S::Closing, Fact(F::Closed | F::NotPaid, source)) if cx.ends_closing(source) && cx.may_be_closed() => S::Closed,
            (S::Closing, Fact(F::NotFound, source)) if cx.proves_absence(source) && cx.may_be_closed() => S::Closed,
            (S::Closing, Fact(F::Waiting, source)) if cx.has_expired(source) && cx.may_be_closed() => S::Closed,
            (S::Closing, Fact(F::Reversed, source)) if cx.ends_closing(source) => S::Reversed,

            (S::Sent | S::Pending | S::Unknown | S::Closing | S::Declined | S::Closed, Fact(F::Succeeded, source)) if cx.believes_success(source) => S::Succeeded,
            // A query that began earlier may have seen what was true before the present state.
            (S::Reversed, Fact(F::Succeeded, source)) if cx.believes_success(source) && cx.is_later_query(source) => S::Succeeded,
            (S::Succeeded, Fact(F::Reversed, source)) if cx.is_later_query(source) => S::Reversed,
            _ => return None,
        };
        Some(to)
    }

    fn owed_by_move(self, to: Self) -> PaymentEffects {
        let tell = match (self, to) {
            (S::Succeeded, S::Reversed) => Some(Tell::Reversed),
            (_, S::Succeeded) => Some(Tell::Succeeded),
            (_, S::Declined | S::Closed | S::Reversed) => Some(Tell::Dead),
            _ => None,
        };
        let live = if to.is_dead() {
            Live::Clear
        } else {
            Live::Keep
        };
        PaymentEffects {
            live,
            tell,
            due: None,
        }
    }

    /// Evidence that contradicts the state without deciding: ask the channel at once.
    fn owed_by_evidence(self, finding: F) -> PaymentEffects {
        let due = match (self, finding) {
            (S::Succeeded, F::Reversed) => Some(ObligationKind::Confirm),
            (S::Succeeded, _) => None,
            (_, F::Succeeded) => Some(ObligationKind::Close),
            _ => None,
        };
        PaymentEffects { due, ..NOTHING }
    }
}

fn owed_by_command(command: C) -> PaymentEffects {
    match command {
        C::Close | C::Reverse => NOTHING,
        C::Abandon => PaymentEffects {
            live: Live::Clear,
            tell: Some(Tell::Dead),
            due: None,
        },
    }
}
