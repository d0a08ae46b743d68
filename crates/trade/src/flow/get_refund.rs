//! `GetRefund`: by our number or by the caller's own.

use proto::trade::v1::get_refund_request::Number;
use proto::trade::v1::{GetRefundRequest, MerchantRefund};
use work::Violations;

use crate::Inner;
use crate::content::merchant_no;
use crate::error::TradeError;
use crate::flow::refunds::read;
use crate::flow::review_refund;
use crate::refund::StoredRefund;

/// The refund.
pub(crate) async fn get(
    trade: &Inner,
    request: &GetRefundRequest,
) -> Result<StoredRefund, TradeError> {
    let (found, number) = match request.number.as_ref() {
        Some(Number::RefundNo(number)) => {
            let no = review_refund::number(trade, number)?;
            (StoredRefund::get(&trade.db, no).await?, number)
        }
        Some(Number::MerchantRefund(theirs)) => (
            by_merchant_no(trade, theirs).await?,
            &theirs.merchant_refund_no,
        ),
        None => return Err(Violations::of("number", "set refund_no or merchant_refund").into()),
    };
    found.ok_or_else(|| TradeError::RefundNotFound(number.clone()))
}

async fn by_merchant_no(
    trade: &Inner,
    theirs: &MerchantRefund,
) -> Result<Option<StoredRefund>, TradeError> {
    let MerchantRefund {
        order_no,
        merchant_refund_no: number,
    } = theirs;
    let mut wrong = Violations::default();
    let order = wrong.take("merchant_refund.order_no", read(order_no));
    merchant_no(&mut wrong, "merchant_refund.merchant_refund_no", number);
    let (Some(order), true) = (order, wrong.is_empty()) else {
        return Err(wrong.into());
    };
    Ok(StoredRefund::by_merchant_no(&trade.db, order, number).await?)
}
