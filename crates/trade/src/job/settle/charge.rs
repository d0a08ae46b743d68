//! A charge: what a payment earns, at the rate in force when it was paid.

use domain::{Attempt, EffectiveRate, Fen, OrderNo, Ppm};
use jiff::Timestamp;
use proto::rate::v1::GetEffectiveRateRequest;
use proto::time::to_proto;
use work::Verdict;

use super::ledger::{Entry, record};
use crate::attempt::StoredAttempt;
use crate::error::TradeError;
use crate::order::StoredOrder;
use crate::{Inner, convert, flow};

/// Settles a payment's charge, surplus and late ones too.
pub(super) async fn settle(
    trade: &Inner,
    (no, payment): (OrderNo, Attempt),
) -> Result<Verdict, TradeError> {
    let order = flow::load(&trade.db, no).await?;
    let attempt = StoredAttempt::get(&trade.db, no, payment).await?;
    let paid = attempt.and_then(|attempt| Some((attempt, attempt.paid_at?)));
    let Some((attempt, paid_at)) = paid else {
        return Ok(Verdict::give_up("its payment is not on record as paid"));
    };
    let rate = rate(trade, &order, (&attempt, paid_at)).await?;
    let settled = match rate.settle(attempt.paid_of(order.amount)) {
        Ok(settled) => settled,
        Err(error) => return Ok(Verdict::give_up(error)),
    };
    let entry = Entry {
        order: no,
        payment,
        source: format!("charge:{payment}"),
        seq: 0,
        settled,
        rate: (i64::from(rate.rate.get()), rate.scheme_version),
        paid_at,
        owed: (no.get(), i32::from(payment.get())),
    };
    // If it was settled before, what is still owed is not.
    let won = record(trade, entry).await?;
    Ok(if won { Verdict::Done } else { Verdict::Moot })
}

async fn rate(
    trade: &Inner,
    order: &StoredOrder,
    (attempt, paid_at): (&StoredAttempt, Timestamp),
) -> Result<EffectiveRate, TradeError> {
    let request = GetEffectiveRateRequest {
        shop_id: order.shop_id,
        pay_type: convert::pay_type(attempt.pay_type).into(),
        at_time: Some(to_proto(paid_at)),
    };
    let mut rates = trade.peers.rates.clone();
    let answer = rates.get_effective_rate(request).await?.into_inner();
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
