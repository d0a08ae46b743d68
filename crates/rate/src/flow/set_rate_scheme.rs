//! Publishes the next version of a shop's scheme, once.

use std::time::Duration;

use domain::RateScheme;
use jiff::Timestamp;
use store::{Db, Guard, Query, StoreError, Value, Write, row};
use work::By;

use crate::model::{self, Owner};
use crate::queries::{SCHEMES_GET, SCHEMES_INSERT, SCHEMES_LAST, SCHEMES_WINNER};
use crate::{RateError, convert};

static GUARD: Guard = Guard {
    insert: &SCHEMES_INSERT,
    winner: &SCHEMES_WINNER,
    key: &[0, 1, 2],
};
const TICK: Duration = Duration::from_micros(1);

/// A published version, and whether this call published it.
pub(crate) struct Published {
    pub(crate) scheme: RateScheme,
    pub(crate) created: bool,
}

/// Publishes it, or answers the version that exists if its content is the same.
pub(crate) async fn set_rate_scheme(
    db: &Db,
    owner: Owner,
    (wanted, by): (RateScheme, &By),
) -> Result<Published, RateError> {
    let last = last(db, owner).await?;
    let next = after(last.as_ref());
    if wanted.version < next {
        return existing(db, owner, &wanted).await;
    }
    if wanted.version > next {
        return Err(RateError::version_conflict(owner, wanted.version, next));
    }
    let published_at = publish_time(wanted.published_at, last.as_ref());
    let scheme = RateScheme {
        published_at,
        ..wanted
    };
    scheme.validate().map_err(convert::refused)?;
    let row = model::row_of(owner, &scheme, by);
    let write = Write::new("rate_schemes/set", &GUARD, row);
    if db.wins(write).await? {
        return Ok(Published {
            scheme,
            created: true,
        });
    }
    existing(db, owner, &wanted).await
}

// Later than the version before, though the clock be set back: what was in force at an
// instant stays what was in force then.
fn publish_time(now: Timestamp, last: Option<&RateScheme>) -> Timestamp {
    let after = last.map_or(Timestamp::MIN, |last| {
        last.published_at
            .checked_add(TICK)
            .unwrap_or(Timestamp::MAX)
    });
    now.max(after)
}

async fn existing(db: &Db, owner: Owner, wanted: &RateScheme) -> Result<Published, RateError> {
    let key = row![owner.shop_id, owner.pay_type.code(), wanted.version];
    match find(db, &SCHEMES_GET, key).await? {
        Some(scheme) if model::same_content(&scheme, wanted) => Ok(Published {
            scheme,
            created: false,
        }),
        _ => {
            let next = after(last(db, owner).await?.as_ref());
            Err(RateError::version_conflict(owner, wanted.version, next))
        }
    }
}

fn after(last: Option<&RateScheme>) -> i64 {
    last.map_or(1, |last| last.version.saturating_add(1))
}

async fn last(db: &Db, owner: Owner) -> Result<Option<RateScheme>, StoreError> {
    find(
        db,
        &SCHEMES_LAST,
        row![owner.shop_id, owner.pay_type.code()],
    )
    .await
}

async fn find(
    db: &Db,
    query: &'static Query,
    key: Vec<Value>,
) -> Result<Option<RateScheme>, StoreError> {
    let found = db.fetch_optional(query, key).await?;
    found.as_ref().map(model::read).transpose()
}
