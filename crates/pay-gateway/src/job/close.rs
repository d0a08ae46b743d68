//! close: sees to it that nobody can pay a payment any more. A query comes first, and what is
//! paid is never closed; then, as soon as the channel allows it, close (c→b) or reverse (b→c);
//! and only a query begun after that tells how it ended. Evidence of money against a payment
//! that is closed or over makes it due at once.

use std::time::Duration;

use async_trait::async_trait;
use domain::{Backoff, Closure, Finding, ObligationKind, PaymentState};
use jiff::Timestamp;
use store::obligation::Claimed;
use work::{Job, Verdict};

use super::poll::payment_of;
use crate::error::GatewayError;
use crate::flow::examine::{Examined, examine};
use crate::flow::undo;
use crate::payment::{Account, GRACE, StoredPayment};
use crate::{Inner, PayGateway};

// Two queries, a close, and what is written of them.
const TIMEOUT: Duration = Duration::from_secs(45);
// Others have just changed the payment.
const SOON: Duration = Duration::from_secs(1);

/// The job of [`ObligationKind::Close`].
pub(crate) struct Close(pub(crate) PayGateway);

#[async_trait]
impl Job for Close {
    fn kind(&self) -> i16 {
        ObligationKind::Close.code()
    }

    fn name(&self) -> &'static str {
        "close"
    }

    fn timeout(&self) -> Duration {
        TIMEOUT
    }

    async fn run(&self, owed: &Claimed) -> Verdict {
        match close(&self.0.0, owed).await {
            Ok(verdict) => verdict,
            Err(error) if error.is_conflict() => Verdict::Snooze(SOON),
            Err(error) => Verdict::retry(error),
        }
    }
}

async fn close(gateway: &Inner, owed: &Claimed) -> Result<Verdict, GatewayError> {
    let Some(payment) = payment_of(gateway, owed).await? else {
        return Ok(Verdict::give_up("its payment is missing"));
    };
    let tries = Tries {
        gateway,
        made: owed.attempts,
    };
    match payment.state {
        PaymentState::Closing => tries.end(payment).await,
        state if state.is_dead() => tries.explain(payment).await,
        _ => Ok(Verdict::Moot),
    }
}

/// The tries to close one payment, this one included.
struct Tries<'a> {
    gateway: &'a Inner,
    made: u32,
}

impl Tries<'_> {
    async fn end(&self, payment: StoredPayment) -> Result<Verdict, GatewayError> {
        let payment = undo::over(self.gateway, payment).await?;
        if let Some(until) = self.under_way(&payment) {
            return Ok(Verdict::SnoozeUntil(until));
        }
        let open = match self.left(examine(self.gateway, payment).await?) {
            Left::ToClose(open) => open,
            Left::Nothing(verdict) => return Ok(verdict),
        };
        let closed = undo::send(self.gateway, *open).await?;
        if let Some(until) = self.under_way(&closed) {
            return Ok(Verdict::SnoozeUntil(until));
        }
        match self.left(examine(self.gateway, closed).await?) {
            Left::ToClose(open) => Ok(self.again(&open)),
            Left::Nothing(verdict) => Ok(verdict),
        }
    }

    // Until when a close may still be under way; no query decides before that.
    fn under_way(&self, payment: &StoredPayment) -> Option<Timestamp> {
        let now = self.gateway.db.clock().now();
        match payment.closing.closure() {
            Closure::InFlight => undo::over_by(self.gateway, payment),
            Closure::Ended { at } => Some(at).filter(|at| *at > now),
            Closure::NotSent | Closure::Expires { .. } => None,
        }
    }

    // What a query leaves to be done.
    fn left(&self, examined: Examined) -> Left {
        let (payment, finding) = match examined {
            Examined::Mismatch(why) => return Left::Nothing(Verdict::GiveUp(why)),
            Examined::Known(payment) => (payment, None),
            Examined::Open(payment, finding) => (payment, Some(finding)),
        };
        if payment.state != PaymentState::Closing {
            // The write that ended it ended what was owed.
            return Left::Nothing(Verdict::Done);
        }
        let now = self.gateway.db.clock().now();
        if let Some(until) = self.counts_from(&payment, finding).filter(|at| *at > now) {
            return Left::Nothing(Verdict::SnoozeUntil(until));
        }
        match finding {
            Some(Finding::Waiting | Finding::NotFound) => Left::ToClose(payment),
            // Nobody knows whether it is paid; and what is paid is never closed.
            _ => Left::Nothing(self.again(&payment)),
        }
    }

    // From when on the same answer would mean more, or a close may be sent.
    fn counts_from(&self, payment: &StoredPayment, finding: Option<Finding>) -> Option<Timestamp> {
        match (finding, payment.closing.closure()) {
            (None, _) => Some(payment.send_before + GRACE),
            (Some(Finding::NotFound), Closure::Ended { at }) => Some(at + GRACE),
            (Some(Finding::NoEvidence), _) => None,
            _ => Some(payment.closable_from(self.gateway.config.swiftpass.close_after)),
        }
    }

    // It is over, and there is evidence of money: the channel's own word explains that.
    async fn explain(&self, payment: StoredPayment) -> Result<Verdict, GatewayError> {
        // No channel knows of it, and no evidence can be about it.
        if payment.account == Account::default() {
            return Ok(Verdict::Moot);
        }
        Ok(match examine(self.gateway, payment).await? {
            Examined::Mismatch(why) => Verdict::GiveUp(why),
            Examined::Known(payment) if payment.state == PaymentState::Succeeded => Verdict::Done,
            Examined::Known(_) => Verdict::Moot,
            Examined::Open(payment, _) => self.again(&payment),
        })
    }

    fn again(&self, payment: &StoredPayment) -> Verdict {
        let backoff = Backoff::default();
        if self.made > backoff.tries {
            return Verdict::GiveUp(format!("{} is still {}", payment.number, payment.state));
        }
        Verdict::Snooze(backoff.after(self.made) / self.gateway.config.compression)
    }
}

enum Left {
    /// It is still open, and the channel may be told to close it.
    ToClose(Box<StoredPayment>),
    Nothing(Verdict),
}
