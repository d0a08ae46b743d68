//! poll: each live payment is asked about until its fate is known; one by code (b→c) that is
//! not paid in its time is reversed. UNKNOWN never stops before there is evidence.

use std::time::Duration;

use async_trait::async_trait;
use domain::obligation::owed_by_payment;
use domain::{Attempt, Direction, ObligationKind, OrderNo, OutTradeNo};
use store::obligation::Claimed;
use work::{Job, Verdict};

use crate::error::GatewayError;
use crate::flow::close::closing;
use crate::flow::examine::{self, Examined, examine};
use crate::payment::{Actor, StoredPayment};
use crate::{Inner, PayGateway};

// After the schedule, for what the customer scans: closing is another obligation's work.
const AFTERWARDS: Duration = Duration::from_hours(1);
// Why a payment by code is reversed when its schedule is over.
const NOT_PAID_IN_TIME: &str = "NOT_PAID_IN_TIME";

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
        Examined::Known(payment) | Examined::Open(payment, _) if !is_open(&payment) => {
            Ok(Verdict::Done)
        }
        Examined::Known(payment) | Examined::Open(payment, _) => next(gateway, &payment).await,
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

async fn next(gateway: &Inner, payment: &StoredPayment) -> Result<Verdict, GatewayError> {
    let (now, compression) = (gateway.db.clock().now(), gateway.config.compression);
    let age = Duration::try_from(now.duration_since(payment.created_at)).unwrap_or_default();
    if let Some(age) = payment.polls(compression).next_after(age) {
        return Ok(Verdict::SnoozeUntil(payment.created_at + age));
    }
    match payment.asked.pay_type.direction() {
        Direction::CustomerScans => Ok(Verdict::Snooze(AFTERWARDS / compression)),
        Direction::MerchantScans => reverse(gateway, payment).await,
    }
}

async fn reverse(gateway: &Inner, payment: &StoredPayment) -> Result<Verdict, GatewayError> {
    let now = gateway.db.clock().now();
    let asked = (NOT_PAID_IN_TIME, Actor::Job);
    if let Some((_, write)) = closing(gateway, payment, asked, now) {
        gateway.db.submit(write).await?;
    }
    Ok(Verdict::Done)
}
