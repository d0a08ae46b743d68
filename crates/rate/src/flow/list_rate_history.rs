//! Every version of a scheme, a page at a time.

use proto::rate::v1::{ListRateHistoryResponse, PublishedScheme};
use store::{Db, StoreError, row};
use work::Page;

use crate::model::{self, Owner};
use crate::queries::SCHEMES_HISTORY;
use crate::{RateError, convert};

/// A page of them, ordered by version.
pub(crate) async fn list_rate_history(
    db: &Db,
    owner: Owner,
    page: Page,
) -> Result<ListRateHistoryResponse, RateError> {
    let after = page.after().unwrap_or(0);
    let asked = row![owner.shop_id, owner.pay_type.code(), after, page.limit()];
    let rows = db.fetch_all(&SCHEMES_HISTORY, asked).await?;
    let read = |row| Ok((model::read(row)?, row.text("published_by")?));
    let found: Vec<_> = rows.iter().map(read).collect::<Result<_, StoreError>>()?;
    let (found, next_page_token) = page.cut(found, |(scheme, _)| scheme.version);
    let versions = found.into_iter().map(|(scheme, by)| PublishedScheme {
        scheme: Some(convert::message(owner, &scheme)),
        published_by: by,
    });
    Ok(ListRateHistoryResponse {
        versions: versions.collect(),
        next_page_token,
    })
}
