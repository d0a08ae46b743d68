//! `pay_confirm`: an order that is PAYING is asked about at pay-gateway, in case neither the
//! reply nor the feed told. A payment nobody knows is fenced off first, and then it is dead.

use std::time::Duration;

use async_trait::async_trait;
use domain::{Attempt, ObligationKind, OrderNo, OrderState};
use proto::gateway::v1::QueryPaymentRequest;
use store::obligation::Claimed;
use tonic::Code;
use work::{Job, Verdict};

use crate::error::TradeError;
use crate::flow::close::{self, Why};
use crate::flow::confirm::{Told, confirm};
use crate::{Inner, Trade, flow};

// While the payment is live pay-gateway polls it; this is only the second net.
const AGAIN: Duration = Duration::from_mins(5);

/// The job of [`ObligationKind::PayConfirm`].
pub(crate) struct PayConfirm(pub(crate) Trade);

#[async_trait]
impl Job for PayConfirm {
    fn kind(&self) -> i16 {
        ObligationKind::PayConfirm.code()
    }

    fn name(&self) -> &'static str {
        "pay_confirm"
    }

    async fn run(&self, owed: &Claimed) -> Verdict {
        match ask(&self.0.0, owed).await {
            Ok(verdict) => verdict,
            Err(error) => Verdict::retry(error),
        }
    }
}

async fn ask(trade: &Inner, owed: &Claimed) -> Result<Verdict, TradeError> {
    let (Ok(no), Ok(attempt)) = (
        OrderNo::try_from(owed.subject),
        Attempt::try_from(i64::from(owed.part)),
    ) else {
        return Ok(Verdict::give_up("its key is no payment"));
    };
    let order = flow::load(&trade.db, no).await?;
    if !matches!(order.state, OrderState::Paying { payment } if payment == attempt) {
        return Ok(Verdict::Moot);
    }
    let request = QueryPaymentRequest {
        order_no: no.to_string(),
        attempt: attempt.get().into(),
        refresh: false,
    };
    let payment = match trade.peers.payments.clone().query_payment(request).await {
        Ok(answer) => answer.into_inner().payment.unwrap_or_default(),
        Err(status) if status.code() == Code::NotFound => {
            let attempt = close::attempt_of(trade, &order, attempt).await?;
            close::close(trade, (&order, &attempt), Why::NeverBegun).await?
        }
        Err(status) => return Err(status.into()),
    };
    let Some(told) = Told::of(&payment, attempt, "pay_confirm") else {
        return Ok(Verdict::Snooze(trade.config.compressed(AGAIN)));
    };
    confirm(trade, no, &told.found_by("PAY_CONFIRM")).await?;
    Ok(Verdict::Done)
}
