//! poll: each live payment is asked about until its fate is known. UNKNOWN never stops
//! before there is evidence.

use std::time::Duration;

use async_trait::async_trait;
use domain::obligation::owed_by_payment;
use domain::{Attempt, ObligationKind, OrderNo, OutTradeNo, PollSchedule};
use store::obligation::Claimed;
use work::{Job, Verdict};

use crate::error::GatewayError;
use crate::flow::examine::{self, Examined, examine};
use crate::payment::StoredPayment;
use crate::{Inner, PayGateway};

// After the schedule, for whatever is still open: closing is another obligation's work.
const AFTERWARDS: Duration = Duration::from_hours(1);

/// The job of [`ObligationKind::Poll`].
pub(crate) struct Poll(pub(crate) PayGateway);

#[async_trait]
impl Job for Poll {
    fn kind(&self) -> i16 {
        ObligationKind::Poll.code()
    }

    fn name(&self) -> &'static str {
        "poll"
    }

    fn timeout(&self) -> Duration {
        examine::TIMEOUT
    }

    async fn run(&self, owed: &Claimed) -> Verdict {
        match poll(&self.0.0, owed).await {
            Ok(verdict) => verdict,
            Err(error) => Verdict::retry(error),
        }
    }
}

async fn poll(gateway: &Inner, owed: &Claimed) -> Result<Verdict, GatewayError> {
    let Some(payment) = payment_of(gateway, owed).await? else {
        return Ok(Verdict::give_up("its payment is missing"));
    };
    if !is_open(&payment) {
        return Ok(Verdict::Moot);
    }
    match examine(gateway, payment).await? {
        Examined::Mismatch(why) => Ok(Verdict::give_up(why)),
        // The write that ended it ended what was owed.
        Examined::Known(payment) | Examined::Open(payment) if !is_open(&payment) => {
            Ok(Verdict::Done)
        }
        Examined::Known(payment) | Examined::Open(payment) => Ok(next(gateway, &payment)),
    }
}

/// The payment an obligation of pay-gateway is about.
pub(crate) async fn payment_of(
    gateway: &Inner,
    owed: &Claimed,
) -> Result<Option<StoredPayment>, GatewayError> {
    let (Ok(order), Ok(attempt)) = (
        OrderNo::try_from(owed.subject),
        Attempt::try_from(i64::from(owed.part)),
    ) else {
        return Ok(None);
    };
    let number = OutTradeNo {
        order,
        attempt,
        environment: gateway.environment,
    };
    Ok(StoredPayment::get(&gateway.db, number).await?)
}

fn is_open(payment: &StoredPayment) -> bool {
    owed_by_payment(payment.state).contains(&ObligationKind::Poll)
}

fn next(gateway: &Inner, payment: &StoredPayment) -> Verdict {
    let now = gateway.db.clock().now();
    let age = Duration::try_from(now.duration_since(payment.created_at)).unwrap_or_default();
    match schedule(payment, gateway.config.poll_compression).next_after(age) {
        Some(age) => Verdict::SnoozeUntil(payment.created_at + age),
        None => Verdict::Snooze(AFTERWARDS / gateway.config.poll_compression),
    }
}

/// When a payment is asked about, by its age.
pub(crate) fn schedule(payment: &StoredPayment, compression: u32) -> PollSchedule {
    let limit = payment.created_at.duration_until(payment.asked.expires_at);
    PollSchedule::customer_scans(limit.unsigned_abs()).compressed(compression)
}
