//! `RequestRefund`: the amount is reserved before anybody else hears of it; the caller's
//! number decides, and a repeat is answered with the refund.

use domain::{CanceledBy, Fen, OrderNo, RefundOrigin};
use proto::trade::v1 as wire;
use work::Violations;

use crate::content::is_visible;
use crate::error::TradeError;
use crate::flow::refunds::{DECISIONS, check_reason, opened, read};
use crate::order::StoredOrder;
use crate::refund::{Opening, StoredRefund};
use crate::{Inner, flow};

const NUMBER: usize = 64;

/// What `RequestRefund` answers.
pub(crate) struct Requested {
    pub(crate) refund: StoredRefund,
    pub(crate) order: StoredOrder,
    pub(crate) created: bool,
}

struct Wanted {
    no: OrderNo,
    merchant_refund_no: String,
    amount: Fen,
    reason: String,
    by: CanceledBy,
}

/// Opens the refund, or finds that it was opened before.
pub(crate) async fn request(
    trade: &Inner,
    request: wire::RequestRefundRequest,
) -> Result<Requested, TradeError> {
    let wanted = Wanted::of(request)?;
    for _ in 0..DECISIONS {
        let order = flow::load(&trade.db, wanted.no).await?;
        // After the order: whatever came between makes the write a conflict.
        let refunds = StoredRefund::of_order(&trade.db, wanted.no).await?;
        let number = &wanted.merchant_refund_no;
        let known = refunds.iter().find(|it| it.merchant_refund_no == *number);
        if let Some(known) = known {
            return existing(trade, known.clone(), &wanted).await;
        }
        let opening = wanted.opening(&order);
        match opened(trade, &order, refunds, (opening, "REQUEST_REFUND")).await {
            Err(error) if error.is_conflict() => tokio::task::yield_now().await,
            outcome => {
                return outcome.map(|(refund, order)| Requested {
                    refund,
                    order,
                    created: true,
                });
            }
        }
    }
    Err(TradeError::Contended(wanted.no))
}

async fn existing(
    trade: &Inner,
    refund: StoredRefund,
    wanted: &Wanted,
) -> Result<Requested, TradeError> {
    let same =
        (refund.amount, refund.by, &refund.reason) == (wanted.amount, wanted.by, &wanted.reason);
    if !same {
        let number = refund.number(trade.environment);
        return Err(TradeError::RefundDiffers(number));
    }
    Ok(Requested {
        order: flow::load(&trade.db, refund.order).await?,
        refund,
        created: false,
    })
}

impl Wanted {
    fn opening(&self, order: &StoredOrder) -> Opening {
        Opening {
            merchant_refund_no: self.merchant_refund_no.clone(),
            payment: order.state.payment(),
            amount: self.amount,
            origin: RefundOrigin::Asked,
            by: self.by,
            reason: self.reason.clone(),
        }
    }

    fn of(request: wire::RequestRefundRequest) -> Result<Self, TradeError> {
        let mut wrong = Violations::default();
        let no = wrong.take("order_no", read(&request.order_no));
        let number = &request.merchant_refund_no;
        wrong.unless(
            is_visible(number, NUMBER) && !number.contains(':'),
            "merchant_refund_no",
            "must be 1 to 64 visible ASCII characters without a colon",
        );
        wrong.unless(
            request.amount_fen > 0,
            "amount_fen",
            "must be 1 or above, in fen",
        );
        check_reason(&mut wrong, &request.reason);
        let by = match wire::CancelType::try_from(request.by) {
            Ok(wire::CancelType::Unspecified | wire::CancelType::Store) => Some(CanceledBy::Store),
            Ok(wire::CancelType::Customer) => Some(CanceledBy::Customer),
            _ => None,
        };
        wrong.unless(by.is_some(), "by", "must be CUSTOMER or STORE, or unset");
        let (Some(no), Some(by), true) = (no, by, wrong.is_empty()) else {
            return Err(wrong.into());
        };
        Ok(Self {
            no,
            merchant_refund_no: request.merchant_refund_no,
            amount: Fen::new(request.amount_fen),
            reason: request.reason,
            by,
        })
    }
}
