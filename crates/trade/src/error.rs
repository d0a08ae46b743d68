//! What trade answers when it cannot do what it was asked.

use std::time::Duration;

use domain::{Fen, IllegalTransition, OrderNo, OutTradeNo, RefundNo};
use mesh::{ErrorKind, Fault};
use store::{CommitError, StoreError};
use work::Violations;

/// An error of trade.
#[derive(Debug, thiserror::Error)]
pub enum TradeError {
    /// The request is wrong; every field that is, is named.
    #[error(transparent)]
    Invalid(#[from] Violations),
    /// A merchant's number nobody accepted.
    #[error("merchant_order_no {0} was not accepted: create it")]
    MerchantOrderNotAccepted(String),
    /// A number nobody accepted.
    #[error("order {0} was not accepted: create it again")]
    OrderNotAccepted(OrderNo),
    /// The merchant's number is taken by an order with another content.
    #[error("merchant_order_no is taken by {0}, which was created with another content")]
    OrderDiffers(OrderNo),
    /// The platform's payment paid another order.
    #[error("external_payment paid order {0} already")]
    ExternalPaymentTaken(OrderNo),
    /// What the caller has seen cannot be read yet.
    #[error("version {1} of order {0} is not visible yet")]
    VersionNotVisible(OrderNo, i64),
    /// No such shop.
    #[error("shop {0} does not exist: create it in shop-center first")]
    ShopNotFound(i64),
    /// The shop may not sell.
    #[error("shop {0} is not open")]
    ShopNotOpen(i64),
    /// Nobody is bound to the order.
    #[error("order {0} has no payer: call BindPayer first")]
    PayerNotBound(OrderNo),
    /// It is too late to begin to pay.
    #[error("the pay limit of order {0} has passed: create another order")]
    PayLimitPassed(OrderNo),
    /// Somebody else is bound to the order.
    #[error("order {0} is bound to another payer")]
    PayerDiffers(OrderNo),
    /// The request id belongs to another pay type.
    #[error("request_id was used with another pay_type on order {0}")]
    RequestDiffers(OrderNo),
    /// The state machine has no such row.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// Another payment is live.
    #[error("order {order} is being paid already, and that payment is to be closed first")]
    PaymentInProgress {
        /// Which order.
        order: OrderNo,
        /// When the channel closes the live payment at the earliest.
        retry_after: Duration,
    },
    /// A payment of an order that trade never asked for.
    #[error("payment {0} is not on record: nobody here asked for it")]
    PaymentUnknown(OutTradeNo),
    /// The payment could not begin.
    #[error("the payment of order {order} was refused: {reason}")]
    PaymentRefused {
        /// Which order; a new `request_id` tries again.
        order: OrderNo,
        /// Why, as pay-gateway says it.
        reason: String,
    },
    /// No such refund.
    #[error("refund {0} does not exist")]
    RefundNotFound(String),
    /// The caller's number is taken by a refund with another content.
    #[error("merchant_refund_no is taken by {0}, which was asked for with another content")]
    RefundDiffers(RefundNo),
    /// More would go back than is left.
    #[error("{1} fen of order {0} are left to refund")]
    RefundTooMuch(OrderNo, Fen),
    /// The process stops, and its watchers are to go elsewhere.
    #[error("this server is going away: watch the order again")]
    Stopping,
    /// This process may not give out order numbers now.
    #[error("no node number is leased")]
    NoNodeNumber,
    /// Others kept changing the order.
    #[error("order {0} is being changed by others")]
    Contended(OrderNo),
    /// Another service said no, or nothing.
    #[error("{}: {}", .0.code(), .0.message())]
    Peer(Box<tonic::Status>),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CommitError> for TradeError {
    fn from(error: CommitError) -> Self {
        Self::Store(error.into())
    }
}

impl From<tonic::Status> for TradeError {
    fn from(status: tonic::Status) -> Self {
        Self::Peer(Box::new(status))
    }
}

impl From<TradeError> for tonic::Status {
    fn from(error: TradeError) -> Self {
        match error {
            TradeError::Peer(status) => mesh::relayed(*status),
            other => other.fault().into(),
        }
    }
}

// How soon a caller may ask again.
const SOON: Duration = Duration::from_secs(1);

impl TradeError {
    /// Whether another write came first, so that the decision is to be taken again.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }

    fn fault(&self) -> Fault {
        let text = self.to_string();
        // What stands in the way, in what, and what would have to be so first.
        let precondition = |reason, subject: String, wanted: &str| {
            let wanted = format!("wanted: {wanted}");
            Fault::new(ErrorKind::Precondition, reason, &text)
                .precondition(reason, &subject, &wanted)
        };
        let of_order = |order: &OrderNo| format!("orders/{order}");
        let unavailable =
            |reason| Fault::new(ErrorKind::Unavailable, reason, &text).retry_after(SOON);
        match self {
            Self::Invalid(violations) => violations.fault(),
            Self::OrderNotAccepted(order) => {
                Fault::new(ErrorKind::NotFound, "ORDER_NOT_ACCEPTED", &text)
                    .with("order_no", order.to_string())
                    .retry_after(SOON)
            }
            Self::MerchantOrderNotAccepted(number) => {
                Fault::new(ErrorKind::NotFound, "ORDER_NOT_ACCEPTED", &text)
                    .with("merchant_order_no", number)
                    .retry_after(SOON)
            }
            Self::OrderDiffers(order) => Fault::new(ErrorKind::Exists, "ORDER_DIFFERS", &text)
                .with("order_no", order.to_string()),
            Self::ExternalPaymentTaken(order) => {
                Fault::new(ErrorKind::Exists, "EXTERNAL_PAYMENT_TAKEN", &text)
                    .with("order_no", order.to_string())
            }
            Self::VersionNotVisible(..) => unavailable("VERSION_NOT_VISIBLE"),
            Self::ShopNotFound(shop) => Fault::new(ErrorKind::NotFound, "SHOP_NOT_FOUND", &text)
                .with("shop_id", shop.to_string()),
            Self::ShopNotOpen(shop) => {
                let shop = shop.to_string();
                precondition(
                    "SHOP_NOT_OPEN",
                    format!("shops/{shop}"),
                    "its status is OPEN",
                )
                .with("shop_id", shop)
            }
            Self::PayerNotBound(order) => {
                precondition("PAYER_NOT_BOUND", of_order(order), "a payer is bound to it")
            }
            Self::PayLimitPassed(order) => precondition(
                "PAY_LIMIT_PASSED",
                of_order(order),
                "its pay limit is to come",
            ),
            Self::PayerDiffers(order) => {
                precondition("PAYER_DIFFERS", of_order(order), "its payer is the same")
            }
            Self::RequestDiffers(order) => {
                let wanted = "each request_id has one pay type";
                precondition("REQUEST_DIFFERS", of_order(order), wanted)
            }
            Self::Illegal(illegal) => {
                let IllegalTransition {
                    machine,
                    from,
                    event,
                } = illegal;
                let wanted = format!("it is in a state that allows {event}");
                precondition("ILLEGAL_TRANSITION", (*machine).to_owned(), &wanted)
                    .with("from", from)
                    .with("event", event)
            }
            Self::PaymentInProgress { order, retry_after } => {
                let wanted = "its live payment is closed";
                precondition("PAYMENT_IN_PROGRESS", of_order(order), wanted)
                    .retry_after(*retry_after)
            }
            Self::PaymentUnknown(_) => Fault::new(ErrorKind::Internal, "PAYMENT_UNKNOWN", &text),
            Self::PaymentRefused { order, reason } => {
                let wanted = "a payment may begin";
                precondition("PAYMENT_REFUSED", of_order(order), wanted)
                    .with("payment_reason", reason)
            }
            Self::RefundNotFound(number) => {
                Fault::new(ErrorKind::NotFound, "REFUND_NOT_FOUND", &text).with("number", number)
            }
            Self::RefundDiffers(refund) => Fault::new(ErrorKind::Exists, "REFUND_DIFFERS", &text)
                .with("refund_no", refund.to_string()),
            Self::RefundTooMuch(order, left) => {
                let wanted = "as much is left to refund";
                precondition("REFUND_TOO_MUCH", of_order(order), wanted)
                    .with("order_no", order.to_string())
                    .with("left_fen", left)
            }
            Self::Stopping => Fault::new(ErrorKind::Unavailable, "DRAINING", &text),
            Self::NoNodeNumber => unavailable("NO_NODE_NUMBER"),
            Self::Contended(_) => {
                Fault::new(ErrorKind::Conflict, "ORDER_CONTENDED", &text).retry_after(SOON)
            }
            Self::Peer(_) => Fault::peer_unavailable(),
            Self::Store(error) => work::fault_of(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic::{Code, Status};

    use super::*;

    #[test]
    fn a_caller_learns_nothing_of_who_stands_behind() {
        let said = "10.0.0.7:7400 proves to be spiffe://paymesh/rate";
        let unreachable = Fault::new(ErrorKind::Unavailable, "PEER_UNAVAILABLE", said)
            .with("target", "10.0.0.7:7400");
        let denied = Fault::new(ErrorKind::Denied, "CALLER_NOT_ALLOWED", said);
        let broken = Status::internal(said);
        for status in [unreachable.into(), denied.into(), broken] {
            let told = Status::from(TradeError::from(status));
            assert_eq!(told.code(), Code::Unavailable);
            assert_eq!(mesh::reason_of(&told).as_deref(), Some("PEER_UNAVAILABLE"));
            assert_eq!(mesh::retry_after_of(&told), Some(SOON));
            let whole = format!("{told:?} {}", String::from_utf8_lossy(told.details()));
            assert!(
                !whole.contains("10.0") && !whole.contains("spiffe"),
                "{whole}"
            );
        }
    }

    #[test]
    fn what_is_said_of_the_request_is_handed_on() {
        let fault = Fault::new(ErrorKind::Throttled, "LOOKUPS_BUSY", "too many").retry_after(SOON);
        let told = Status::from(TradeError::from(Status::from(fault)));
        assert_eq!(
            (told.code(), told.message()),
            (Code::ResourceExhausted, "too many")
        );
        assert_eq!(mesh::reason_of(&told).as_deref(), Some("LOOKUPS_BUSY"));
    }
}
