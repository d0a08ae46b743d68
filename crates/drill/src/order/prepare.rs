//! Getting ready to pay (c→b): a number that the payer may pay, by as many tries as it takes.
//! A try that ended without money is followed by another, with the payer's other wallet.

use mesh::reason_of;
use proto::trade::v1::get_order_request::Number;
use proto::trade::v1::{GetOrderRequest, Order, OrderStatus, PayOrderRequest, PayOrderResponse};
use tonic::{Code, Status};

use super::is_paid;
use crate::peers::Peers;
use crate::persist::{Backoff, ask, passes};
use crate::plan::Plan;

/// What getting ready came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Prepared {
    /// The payer may pay this number; it took so many tries.
    Ready { out_trade_no: String, attempt: u32 },
    /// It is paid already.
    Paid,
    /// The order takes no payment any more.
    Over,
}

// What one PayOrder came to.
enum Tried {
    Ready(String),
    // Not answered by the channel yet, or another payment is ending: ask the same again.
    Again(Status),
    // Over without money: only a new request id tries again.
    Refused(Status),
    Paid,
    Over,
}

/// Gets ready to pay, beginning with the try of this number.
pub(super) async fn prepare(
    peers: &Peers,
    (number, first): (&str, u32),
    plan: &Plan,
) -> Result<Prepared, Status> {
    let mut backoff = Backoff::default();
    let mut attempt = first;
    loop {
        let request = PayOrderRequest {
            order_no: number.to_owned(),
            request_id: format!("try-{attempt}"),
            pay_type: plan.wallet(attempt).into(),
            ..PayOrderRequest::default()
        };
        let last = match pay(peers, request).await? {
            Tried::Ready(out_trade_no) => {
                return Ok(Prepared::Ready {
                    out_trade_no,
                    attempt,
                });
            }
            Tried::Paid => return Ok(Prepared::Paid),
            Tried::Over => return Ok(Prepared::Over),
            Tried::Again(last) => last,
            Tried::Refused(last) => {
                attempt += 1;
                last
            }
        };
        if !backoff.pause().await {
            return Err(last);
        }
    }
}

async fn pay(peers: &Peers, request: PayOrderRequest) -> Result<Tried, Status> {
    let number = request.order_no.clone();
    let status = match peers.trade.clone().pay_order(request).await {
        Ok(answer) => return Ok(answered(answer.into_inner())),
        Err(status) => status,
    };
    if passes(&status) {
        return Ok(Tried::Again(status));
    }
    match (status.code(), reason_of(&status).as_deref()) {
        (Code::FailedPrecondition, Some("PAYMENT_REFUSED")) => Ok(Tried::Refused(status)),
        (Code::FailedPrecondition, Some("PAYMENT_IN_PROGRESS")) => Ok(Tried::Again(status)),
        (Code::FailedPrecondition, _) if is_paid(order(peers, &number).await?.status()) => {
            Ok(Tried::Paid)
        }
        (Code::FailedPrecondition, _) => Ok(Tried::Over),
        _ => Err(status),
    }
}

fn answered(answer: PayOrderResponse) -> Tried {
    let order = answer.order.unwrap_or_default();
    match order.status() {
        status if is_paid(status) => Tried::Paid,
        OrderStatus::PayFailed => Tried::Refused(Status::unavailable("the payment failed")),
        // From an earlier run: a later try is the live one.
        OrderStatus::Paying if order.out_trade_no != answer.out_trade_no => {
            Tried::Refused(Status::unavailable("another payment is live"))
        }
        OrderStatus::Paying if answer.pay_info.is_empty() => {
            Tried::Again(Status::unavailable("no pay_info yet"))
        }
        OrderStatus::Paying => Tried::Ready(answer.out_trade_no),
        _ => Tried::Over,
    }
}

/// The order as it is now.
pub(super) async fn order(peers: &Peers, number: &str) -> Result<Order, Status> {
    let request = GetOrderRequest {
        number: Some(Number::OrderNo(number.to_owned())),
        min_version: 0,
    };
    let answer = ask!(peers.trade, get_order, request).await?;
    Ok(answer.order.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: OrderStatus, pay_info: &str) -> Tried {
        let order = Order {
            status: status.into(),
            out_trade_no: "W10001".to_owned(),
            ..Order::default()
        };
        let (out_trade_no, pay_info) = ("W10001".to_owned(), pay_info.to_owned());
        answered(PayOrderResponse {
            order: Some(order),
            out_trade_no,
            pay_info,
        })
    }

    #[test]
    fn only_a_failed_payment_asks_for_a_new_request() {
        assert!(matches!(
            answer(OrderStatus::PayFailed, ""),
            Tried::Refused(_)
        ));
        assert!(matches!(answer(OrderStatus::Paying, ""), Tried::Again(_)));
        assert!(matches!(answer(OrderStatus::Paying, "{}"), Tried::Ready(_)));
        assert!(matches!(answer(OrderStatus::Paid, ""), Tried::Paid));
        assert!(matches!(answer(OrderStatus::Refunding, ""), Tried::Paid));
    }

    #[test]
    fn a_revoked_order_is_not_paid_for() {
        for status in [
            OrderStatus::Revoking,
            OrderStatus::RevokeFailed,
            OrderStatus::Revoked,
        ] {
            assert!(matches!(answer(status, "{}"), Tried::Over));
        }
    }

    #[test]
    fn a_try_that_a_later_one_replaced_is_over() {
        let order = Order {
            status: OrderStatus::Paying.into(),
            out_trade_no: "W10002".to_owned(),
            ..Order::default()
        };
        let answer = PayOrderResponse {
            order: Some(order),
            out_trade_no: "W10001".to_owned(),
            pay_info: String::new(),
        };
        assert!(matches!(answered(answer), Tried::Refused(_)));
    }
}
