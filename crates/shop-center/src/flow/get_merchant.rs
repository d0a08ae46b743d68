//! Reads a merchant, as it is now.

use super::get;
use crate::model::{Kept, Merchant};
use crate::{Inner, ShopCenterError};

/// The merchant, which must exist.
pub(crate) async fn get_merchant(
    center: &Inner,
    id: i64,
) -> Result<Kept<Merchant>, ShopCenterError> {
    get(&center.db, id).await
}
