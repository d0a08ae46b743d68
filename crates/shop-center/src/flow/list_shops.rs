//! Lists shops, all or those of a merchant, a page at a time.

use proto::shop::v1::ListShopsResponse;
use store::row;
use work::Page;

use crate::model::{Kept, Shop};
use crate::queries::{SHOPS_LIST, SHOPS_OF_MERCHANT};
use crate::{Inner, ShopCenterError};

/// A page of them, ordered by id.
pub(crate) async fn list_shops(
    center: &Inner,
    of: Option<i64>,
    page: Page,
) -> Result<ListShopsResponse, ShopCenterError> {
    let (after, limit) = (page.after().unwrap_or(0), page.limit());
    let rows = match of {
        Some(merchant) => {
            let asked = row![merchant, after, limit];
            center.db.fetch_all(&SHOPS_OF_MERCHANT, asked).await?
        }
        None => center.db.fetch_all(&SHOPS_LIST, row![after, limit]).await?,
    };
    let found: Vec<Kept<Shop>> = rows.iter().map(Kept::read).collect::<Result<_, _>>()?;
    let (found, next_page_token) = page.cut(found, |kept| kept.it.id);
    Ok(ListShopsResponse {
        shops: found.into_iter().map(Kept::into_message).collect(),
        next_page_token,
    })
}
