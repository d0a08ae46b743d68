//! Schemes as they are stored.

use domain::{Fen, FutureRate, PayType, Ppm, RateScheme};
use store::{Row, StoreError, Value, row};
use work::By;

/// Whose scheme, for which payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) shop_id: i64,
    pub(crate) pay_type: PayType,
}

/// A scheme's row, as `rate_schemes/insert` wants it.
pub(crate) fn row_of(owner: Owner, scheme: &RateScheme, by: &By) -> Vec<Value> {
    let RateScheme {
        version,
        current,
        future,
        min,
        cap,
        published_at,
    } = *scheme;
    row![
        owner.shop_id,
        owner.pay_type.code(),
        version,
        current.get(),
        future.map(|future| future.rate.get()),
        future.map(|future| future.begin),
        min.get(),
        cap.map(Fen::get),
        published_at,
        by.actor.as_str(),
        by.trace_id.as_str()
    ]
}

/// The scheme in a row. One that fails the rules is corrupt, and stops its own shop only.
pub(crate) fn read(row: &Row) -> Result<RateScheme, StoreError> {
    let future_rate = row.opt_int("future_ppm")?;
    let future_rate = future_rate
        .map(ppm)
        .transpose()
        .map_err(|e| row.corrupt("future_ppm", e))?;
    let scheme = RateScheme {
        version: row.int("version")?,
        current: ppm(row.int("current_ppm")?).map_err(|e| row.corrupt("current_ppm", e))?,
        future: FutureRate::of(future_rate, row.opt_time("future_begin")?),
        min: Fen::new(row.int("min_fee")?),
        cap: row.opt_int("cap_fee")?.map(Fen::new),
        published_at: row.time("published_at")?,
    };
    scheme.validate().map_err(|e| row.corrupt("version", e))?;
    Ok(scheme)
}

fn ppm(number: i64) -> Result<Ppm, String> {
    let small = u32::try_from(number).map_err(|e| e.to_string())?;
    Ppm::new(small).map_err(|e| e.to_string())
}

/// Whether two versions say the same, whenever they were published.
pub(crate) fn same_content(one: &RateScheme, other: &RateScheme) -> bool {
    *one == RateScheme {
        published_at: one.published_at,
        ..*other
    }
}
