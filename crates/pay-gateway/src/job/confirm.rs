//! confirm: a payment that is said to be dead is asked about again, 10 minutes, an hour and a
//! day after; late money is found here when no callback tells of it.

use std::time::Duration;

use async_trait::async_trait;
use domain::{Finding, ObligationKind, PaymentState};
use store::obligation::Claimed;
use work::{Job, Verdict};

use super::poll::payment_of;
use crate::error::GatewayError;
use crate::flow::examine::{self, Examined, examine};
use crate::payment::{CONFIRM_AGES, StoredPayment};
use crate::{Inner, PayGateway};

/// The job of [`ObligationKind::Confirm`].
pub(crate) struct Confirm(pub(crate) PayGateway);

#[async_trait]
impl Job for Confirm {
    fn kind(&self) -> i16 {
        ObligationKind::Confirm.code()
    }

    fn name(&self) -> &'static str {
        "confirm"
    }

    fn timeout(&self) -> Duration {
        examine::TIMEOUT
    }

    async fn run(&self, owed: &Claimed) -> Verdict {
        match confirm(&self.0.0, owed).await {
            Ok(verdict) => verdict,
            Err(error) => Verdict::retry(error),
        }
    }
}

async fn confirm(gateway: &Inner, owed: &Claimed) -> Result<Verdict, GatewayError> {
    let Some(payment) = payment_of(gateway, owed).await? else {
        return Ok(Verdict::give_up("its payment is missing"));
    };
    // A fence, or one that was refused here or never sent: no channel knows of it.
    if payment.was_never_sent() || !is_asked(payment.state) {
        return Ok(Verdict::Moot);
    }
    let was = payment.state;
    Ok(match examine(gateway, payment).await? {
        Examined::Mismatch(why) => Verdict::give_up(why),
        // The write that moved it ended what was owed, or armed it anew.
        Examined::Known(payment) | Examined::Open(payment, _) if payment.state != was => {
            Verdict::Done
        }
        Examined::Open(payment, finding) if explains_nothing(was, finding) => Verdict::retry(
            format!("{}: the channel says nothing of it", payment.number),
        ),
        Examined::Known(payment) | Examined::Open(payment, _) => next(gateway, &payment),
    })
}

// SUCCEEDED is asked about once, when something stale has called it reversed.
fn is_asked(state: PaymentState) -> bool {
    state.is_dead() || state == PaymentState::Succeeded
}

fn explains_nothing(state: PaymentState, finding: Finding) -> bool {
    state == PaymentState::Succeeded || finding == Finding::NoEvidence
}

fn next(gateway: &Inner, payment: &StoredPayment) -> Verdict {
    if payment.state == PaymentState::Succeeded {
        return Verdict::Moot;
    }
    let now = gateway.db.clock().now();
    let dues = CONFIRM_AGES.map(|age| payment.changed_at + age / gateway.config.compression);
    let next = dues.into_iter().find(|due| *due > now);
    next.map_or(Verdict::Moot, Verdict::SnoozeUntil)
}
