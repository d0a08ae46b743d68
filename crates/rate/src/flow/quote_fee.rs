//! What a payment costs: the same sum as its settlement makes.

use domain::{EffectiveRate, Fen, Settlement};
use jiff::Timestamp;
use store::Db;
use work::Violations;

use super::get_effective_rate;
use crate::RateError;
use crate::model::Owner;

/// The settlement a payment of `amount` would have at an instant, and the rate it follows.
pub(crate) async fn quote_fee(
    db: &Db,
    owner: Owner,
    (amount, at): (Fen, Timestamp),
) -> Result<(Settlement, EffectiveRate), RateError> {
    let rate = get_effective_rate(db, owner, at).await?;
    let settled = rate.settle(amount);
    let settled = settled.map_err(|e| Violations::of("amount_fen", e.to_string()))?;
    Ok((settled, rate))
}
