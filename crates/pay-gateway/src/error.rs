//! What pay-gateway answers when it cannot do what it was asked. Channel trouble is not here:
//! that is a value.

use std::time::Duration;

use domain::{Fen, OrderNo, OutTradeNo, RefundNo};
use mesh::{ErrorKind, Fault};
use store::{CommitError, StoreError};
use work::Violations;

/// An error of pay-gateway.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The request is wrong; every field that is, is named.
    #[error(transparent)]
    Invalid(#[from] Violations),
    /// The attempt exists with another content.
    #[error("payment {0} exists with another content")]
    PaymentDiffers(OutTradeNo),
    /// No such payment.
    #[error("payment {0} does not exist")]
    PaymentNotFound(OutTradeNo),
    /// No payment has this number of the channel's.
    #[error("no payment has the channel's number {0:?}")]
    ChannelNumberUnknown(String),
    /// Payments of several orders have this number of the channel's.
    #[error("orders {first} and {second} have payments with the channel's number {number:?}")]
    ChannelNumberShared {
        /// The channel's.
        number: String,
        /// An order that has it.
        first: OrderNo,
        /// Another one.
        second: OrderNo,
    },
    /// Another payment of the order is live.
    #[error("another payment of the order of {0} is live")]
    PaymentInProgress(OutTradeNo),
    /// Others kept changing the payment.
    #[error("payment {0} is being changed by others")]
    Contended(OutTradeNo),
    /// There is no money to send back.
    #[error("payment {0} is not paid")]
    PaymentNotPaid(OutTradeNo),
    /// The refund exists with another content.
    #[error("refund {0} exists with another content")]
    RefundDiffers(RefundNo),
    /// More than was paid would go back.
    #[error("refund {refund} is more than the {left} fen that may still go back")]
    RefundTooMuch {
        /// What was asked for.
        refund: RefundNo,
        /// What may still go back of its payment.
        left: Fen,
    },
    /// No such refund.
    #[error("refund {0} does not exist")]
    RefundNotFound(RefundNo),
    /// Others kept changing the refund, or its payment.
    #[error("refund {0} is being changed by others")]
    RefundContended(RefundNo),
    /// The configuration does not fit.
    #[error("{0}")]
    Config(String),
    /// shop-center said no, or nothing.
    #[error("{}: {}", .0.code(), .0.message())]
    Peer(Box<tonic::Status>),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CommitError> for GatewayError {
    fn from(error: CommitError) -> Self {
        Self::Store(error.into())
    }
}

impl From<tonic::Status> for GatewayError {
    fn from(status: tonic::Status) -> Self {
        Self::Peer(Box::new(status))
    }
}

impl From<GatewayError> for tonic::Status {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::Peer(status) => mesh::relayed(*status),
            other => other.fault().into(),
        }
    }
}

const SOON: Duration = Duration::from_secs(1);

impl GatewayError {
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
        match self {
            Self::Invalid(violations) => violations.fault(),
            Self::PaymentDiffers(_) => Fault::new(ErrorKind::Exists, "PAYMENT_DIFFERS", text),
            Self::PaymentNotFound(_) | Self::ChannelNumberUnknown(_) => {
                Fault::new(ErrorKind::NotFound, "PAYMENT_NOT_FOUND", text)
            }
            Self::ChannelNumberShared { number, .. } => {
                let wanted = "payments of one order have it: ask by the order's number";
                precondition(
                    "CHANNEL_NUMBER_SHARED",
                    format!("channelTrades/{number}"),
                    wanted,
                )
            }
            Self::PaymentInProgress(payment) => {
                let wanted = "no other payment of its order is live";
                precondition("PAYMENT_IN_PROGRESS", format!("payments/{payment}"), wanted)
            }
            Self::Contended(_) => {
                Fault::new(ErrorKind::Conflict, "PAYMENT_CONTENDED", text).retry_after(SOON)
            }
            Self::PaymentNotPaid(payment) => {
                let payment = format!("payments/{payment}");
                precondition("PAYMENT_NOT_PAID", payment, "it is SUCCEEDED")
            }
            Self::RefundDiffers(_) => Fault::new(ErrorKind::Exists, "REFUND_DIFFERS", text),
            Self::RefundTooMuch { refund, left } => {
                let refund = format!("refunds/{refund}");
                precondition("REFUND_TOO_MUCH", refund, "as much may still go back")
                    .with("refundable_fen", left)
            }
            Self::RefundNotFound(_) => Fault::new(ErrorKind::NotFound, "REFUND_NOT_FOUND", text),
            Self::RefundContended(_) => {
                Fault::new(ErrorKind::Conflict, "REFUND_CONTENDED", text).retry_after(SOON)
            }
            Self::Config(_) => Fault::new(ErrorKind::Internal, "CONFIG_INVALID", text),
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
            let told = Status::from(GatewayError::from(status));
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
        let told = Status::from(GatewayError::from(Status::from(fault)));
        assert_eq!(
            (told.code(), told.message()),
            (Code::ResourceExhausted, "too many")
        );
        assert_eq!(mesh::reason_of(&told).as_deref(), Some("LOOKUPS_BUSY"));
    }
}
