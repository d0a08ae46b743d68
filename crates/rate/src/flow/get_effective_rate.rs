//! Which rate is in force at an instant: history answers, never the present, never a default.

use domain::EffectiveRate;
use jiff::Timestamp;
use store::{Db, row};

use crate::RateError;
use crate::model::{self, Owner};
use crate::queries::SCHEMES_IN_FORCE;

/// What applied at `at`: by the last version published by then, or by the first, which also
/// counts for what was before it.
pub(crate) async fn get_effective_rate(
    db: &Db,
    owner: Owner,
    at: Timestamp,
) -> Result<EffectiveRate, RateError> {
    let key = row![owner.shop_id, owner.pay_type.code(), at];
    let found = db.fetch_optional(&SCHEMES_IN_FORCE, key).await?;
    let row = found.ok_or_else(|| RateError::not_found(owner, at))?;
    Ok(model::read(&row)?.effective_at(at))
}
