//! Lists all merchants, a page at a time.

use proto::shop::v1::ListMerchantsResponse;
use store::row;
use work::Page;

use crate::model::{Kept, Merchant};
use crate::queries::MERCHANTS_LIST;
use crate::{Inner, ShopCenterError};

/// A page of them, ordered by id.
pub(crate) async fn list_merchants(
    center: &Inner,
    page: Page,
) -> Result<ListMerchantsResponse, ShopCenterError> {
    let asked = row![page.after().unwrap_or(0), page.limit()];
    let rows = center.db.fetch_all(&MERCHANTS_LIST, asked).await?;
    let found: Vec<Kept<Merchant>> = rows.iter().map(Kept::read).collect::<Result<_, _>>()?;
    let (found, next_page_token) = page.cut(found, |kept| kept.it.id);
    Ok(ListMerchantsResponse {
        merchants: found.into_iter().map(Kept::into_message).collect(),
        next_page_token,
    })
}
