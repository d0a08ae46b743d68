//! settle: each charge is settled once, at the rate in force when it was paid. Without a
//! rate it waits; it never guesses one.

use async_trait::async_trait;
use domain::{Attempt, EffectiveRate, Fen, ObligationKind, OrderNo, Ppm, Settlement};
use jiff::Timestamp;
use proto::rate::v1::GetEffectiveRateRequest;
use proto::time::to_proto;
use store::obligation::Claimed;
use store::{Guard, Write, row};
use work::{Job, Verdict};

use crate::error::TradeError;
use crate::order::StoredOrder;
use crate::{Inner, Trade, convert, flow, queries};

/// The job of [`ObligationKind::Settle`].
pub(crate) struct Settle(pub(crate) Trade);

static SETTLED: Guard = Guard {
    insert: &queries::SETTLEMENTS_INSERT,
    winner: &queries::SETTLEMENTS_WINNER,
    key: &[0, 1],
};

#[async_trait]
impl Job for Settle {
    fn kind(&self) -> i16 {
        ObligationKind::Settle.code()
    }

    fn name(&self) -> &'static str {
        "settle"
    }

    async fn run(&self, owed: &Claimed) -> Verdict {
        match settle(&self.0.0, owed).await {
            Ok(verdict) => verdict,
            Err(error) => Verdict::Retry(error.to_string()),
        }
    }
}

async fn settle(trade: &Inner, owed: &Claimed) -> Result<Verdict, TradeError> {
    let (Ok(no), Ok(attempt)) = (
        OrderNo::try_from(owed.subject),
        Attempt::try_from(i64::from(owed.part)),
    ) else {
        return Ok(Verdict::GiveUp("its key is no payment".to_owned()));
    };
    let order = flow::load(&trade.db, no).await?;
    let key = row![no.get(), attempt.get()];
    let charge = trade.db.fetch_optional(&queries::ATTEMPTS_GET, key).await?;
    let Some(paid_at) = charge
        .map(|row| row.opt_time("paid_at"))
        .transpose()?
        .flatten()
    else {
        return Ok(Verdict::GiveUp(
            "its payment is not on record as paid".to_owned(),
        ));
    };
    let rate = rate(trade, &order, paid_at).await?;
    match rate.settle(order.amount) {
        Ok(settled) => record(trade, &order, (attempt, paid_at), (&rate, settled)).await,
        Err(error) => Ok(Verdict::GiveUp(error.to_string())),
    }
}

async fn rate(
    trade: &Inner,
    order: &StoredOrder,
    paid_at: Timestamp,
) -> Result<EffectiveRate, TradeError> {
    let request = GetEffectiveRateRequest {
        shop_id: order.shop_id,
        pay_type: order
            .pay_type
            .map_or(0, |pay_type| convert::pay_type(pay_type).into()),
        at_time: Some(to_proto(paid_at)),
    };
    let answer = trade
        .peers
        .rates
        .clone()
        .get_effective_rate(request)
        .await?
        .into_inner();
    let rate = answer.rate.unwrap_or_default();
    let ppm = u32::try_from(rate.rate_ppm)
        .ok()
        .and_then(|ppm| Ppm::new(ppm).ok());
    let ppm = ppm.ok_or_else(|| tonic::Status::internal("rate: rate_ppm is out of range"))?;
    Ok(EffectiveRate {
        scheme_version: rate.scheme_version,
        rate: ppm,
        min: Fen::new(rate.min_fee_fen),
        cap: rate.cap_fee_fen.map(Fen::new),
    })
}

async fn record(
    trade: &Inner,
    order: &StoredOrder,
    (attempt, paid_at): (Attempt, Timestamp),
    (rate, settled): (&EffectiveRate, Settlement),
) -> Result<Verdict, TradeError> {
    let guard = row![
        order.no.get(),
        format!("charge:{attempt}"),
        settled.gross.get(),
        settled.fee.get(),
        settled.net.get(),
        rate.rate.get(),
        rate.scheme_version,
        attempt.get(),
        paid_at,
        trade.db.clock().now()
    ];
    let owed = (order.no.get(), i32::from(attempt.get()));
    let write =
        Write::new("settlement/record", &SETTLED, guard).end(ObligationKind::Settle.code(), owed);
    // If it was settled before, what is still owed is not.
    let won = trade.db.wins(write).await?;
    Ok(if won { Verdict::Done } else { Verdict::Moot })
}
