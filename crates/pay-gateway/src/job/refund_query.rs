//! `refund_query`: each refund on its way is asked about until the channel says how it ended;
//! one the channel does not have is sent again under its number.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::{Backoff, ObligationKind, RefundNo, RefundState};
use store::obligation::Claimed;
use tracing::warn;
use work::{Job, Verdict};

use crate::error::GatewayError;
use crate::flow::query_refund::{Found, find};
use crate::flow::send_refund::{Next, pause, send};
use crate::payment::{Actor, Line, StoredPayment};
use crate::refund::StoredRefund;
use crate::{Inner, PayGateway};

// A query, a refund, and what is written of them.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The job of [`ObligationKind::RefundQuery`].
pub(crate) struct AskRefund(pub(crate) PayGateway);

#[async_trait]
impl Job for AskRefund {
    fn kind(&self) -> i16 {
        ObligationKind::RefundQuery.code()
    }

    fn name(&self) -> &'static str {
        "refund_query"
    }

    fn timeout(&self) -> Duration {
        TIMEOUT
    }

    async fn run(&self, owed: &Claimed) -> Verdict {
        match ask(&self.0.0, owed).await {
            Ok(verdict) => verdict,
            Err(error) => Verdict::retry(error),
        }
    }
}

async fn ask(gateway: &Arc<Inner>, owed: &Claimed) -> Result<Verdict, GatewayError> {
    let Some(refund) = refund_of(gateway, owed).await? else {
        return Ok(Verdict::give_up("its refund is missing"));
    };
    if refund.state != RefundState::Processing {
        return Ok(Verdict::Moot);
    }
    let (found, was_sent) = match find(gateway, refund).await? {
        Found::Mismatch(why) => return Ok(Verdict::give_up(why)),
        Found::Known(known) => (*known, false),
        Found::Wanting(wanting, why) => (again(gateway, *wanting, why).await?, true),
    };
    // The write that ended it ended what was owed.
    if found.state != RefundState::Processing {
        return Ok(Verdict::Done);
    }
    // Sent again and again, and not taken: somebody must see to what it is refused for.
    if was_sent && !found.reason.is_empty() && owed.attempts > Backoff::default().tries {
        let why = format!("{} is not taken: {}", found.no, found.reason);
        return Ok(Verdict::GiveUp(why));
    }
    Ok(Verdict::Snooze(pause(gateway, owed.attempts)))
}

async fn refund_of(gateway: &Inner, owed: &Claimed) -> Result<Option<StoredRefund>, GatewayError> {
    let Ok(no) = RefundNo::try_from(owed.subject) else {
        return Ok(None);
    };
    let no = no.in_environment(gateway.environment);
    Ok(StoredRefund::get(&gateway.db, no).await?)
}

async fn again(
    gateway: &Arc<Inner>,
    (refund, payment): (StoredRefund, StoredPayment),
    why: &'static str,
) -> Result<StoredRefund, GatewayError> {
    warn!(refund = %refund.no, why, "the refund is sent again");
    let line = Line {
        event: "SENT_AGAIN",
        actor: Actor::Job,
        detail: why.to_owned(),
    };
    let (to, now) = (refund.next(), gateway.db.clock().now());
    let intent = refund.change(&to, &line, (now, now));
    match send(gateway, (intent, to), &payment.account, Next::Job).await {
        // Somebody else has moved it on: how it stands now is looked at the next time.
        Err(error) if error.is_conflict() => Ok(refund),
        sent => sent,
    }
}
