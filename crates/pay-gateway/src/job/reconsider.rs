//! match: a callback that was flagged is looked at again: its payment may be known by now, or
//! the channel may tell what is true. What stays unexplained stays owed, with an alarm.

use std::time::Duration;

use async_trait::async_trait;
use domain::{ObligationKind, OutTradeNo, PaymentState};
use store::obligation::Claimed;
use store::row;
use work::{Job, Verdict};

use crate::error::GatewayError;
use crate::flow::examine::{self, Examined, examine};
use crate::payment::StoredPayment;
use crate::{Inner, PayGateway, queries};

/// The job of [`ObligationKind::Match`].
pub(crate) struct Reconsider(pub(crate) PayGateway);

#[async_trait]
impl Job for Reconsider {
    fn kind(&self) -> i16 {
        ObligationKind::Match.code()
    }

    fn name(&self) -> &'static str {
        "match"
    }

    fn timeout(&self) -> Duration {
        examine::TIMEOUT
    }

    async fn run(&self, owed: &Claimed) -> Verdict {
        match reconsider(&self.0.0, owed.subject).await {
            Ok(verdict) => verdict,
            Err(error) => Verdict::retry(error),
        }
    }
}

async fn reconsider(gateway: &Inner, inbox_id: i64) -> Result<Verdict, GatewayError> {
    let Some(row) = gateway
        .db
        .fetch_optional(&queries::INBOX_GET, row![inbox_id])
        .await?
    else {
        return Ok(Verdict::give_up("its inbox row is missing"));
    };
    let number = row.text("out_trade_no")?.parse::<OutTradeNo>();
    let ours = number
        .ok()
        .filter(|number| number.environment == gateway.environment);
    let payment = match ours {
        Some(number) => StoredPayment::get(&gateway.db, number).await?,
        None => None,
    };
    let Some(payment) = payment else {
        return Ok(Verdict::give_up("no payment of ours has its number"));
    };
    // Whoever holds another merchant's key can say anything of a number that is not theirs.
    if row.text("mch_id")? != payment.account.mch_id {
        return Ok(Verdict::give_up("another merchant's key signed it"));
    }
    settle(gateway, payment).await
}

// The channel's own answer explains a callback that lied; the payment goes its usual way.
async fn settle(gateway: &Inner, payment: StoredPayment) -> Result<Verdict, GatewayError> {
    if payment.state == PaymentState::Succeeded {
        return Ok(Verdict::Moot);
    }
    match examine(gateway, payment).await? {
        Examined::Mismatch(why) => Ok(Verdict::give_up(why)),
        Examined::Known(payment) if payment.state.is_final() => Ok(Verdict::Moot),
        // Nobody has explained it yet, be the payment over or not.
        Examined::Known(payment) | Examined::Open(payment, _) => Ok(Verdict::retry(format!(
            "{} is {}",
            payment.number, payment.state
        ))),
    }
}
