//! Getting ready to pay: a number that the payer may pay, by as many tries as it takes. A try
//! that ended without money is followed by another, with the payer's other wallet.

use mesh::reason_of;
use proto::trade::v1::get_order_request::Number;
use proto::trade::v1::{GetOrderRequest, OrderStatus, PayOrderRequest, PayOrderResponse};
use tonic::{Code, Status};

use crate::peers::Peers;
use crate::persist::{Backoff, passes, persist};
use crate::plan::Plan;

// What one PayOrder came to.
enum Tried {
    Ready(String),
    // Not answered by the channel yet, or another payment is ending: ask the same again.
    Again(Status),
    // Over without money: only a new request id tries again.
    Refused(Status),
    Paid,
}

/// Answers the number to pay, or none when the order is paid already.
pub(super) async fn prepare(
    peers: &Peers,
    number: &str,
    plan: &Plan,
) -> Result<Option<String>, Status> {
    let mut backoff = Backoff::default();
    let mut attempt = 1_u32;
    loop {
        let request = PayOrderRequest {
            order_no: number.to_owned(),
            request_id: format!("try-{attempt}"),
            pay_type: plan.wallet(attempt).into(),
            client_ip: String::new(),
        };
        let last = match pay(peers, request).await? {
            Tried::Ready(out_trade_no) => return Ok(Some(out_trade_no)),
            Tried::Paid => return Ok(None),
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
        (Code::FailedPrecondition, _) if is_paid(peers, number).await? => Ok(Tried::Paid),
        _ => Err(status),
    }
}

fn answered(answer: PayOrderResponse) -> Tried {
    let order = answer.order.unwrap_or_default();
    match order.status() {
        OrderStatus::Paid => Tried::Paid,
        OrderStatus::PayFailed => Tried::Refused(Status::unavailable("the payment failed")),
        // From an earlier run: a later try is the live one.
        OrderStatus::Paying if order.out_trade_no != answer.out_trade_no => {
            Tried::Refused(Status::unavailable("another payment is live"))
        }
        _ if answer.pay_info.is_empty() => Tried::Again(Status::unavailable("no pay_info yet")),
        _ => Tried::Ready(answer.out_trade_no),
    }
}

async fn is_paid(peers: &Peers, order_no: String) -> Result<bool, Status> {
    let request = GetOrderRequest {
        number: Some(Number::OrderNo(order_no)),
        min_version: 0,
    };
    let asked = persist(|| {
        let (mut trade, request) = (peers.trade.clone(), request.clone());
        async move { trade.get_order(request).await }
    });
    Ok(asked.await?.order.unwrap_or_default().status() == OrderStatus::Paid)
}

#[cfg(test)]
mod tests {
    use proto::trade::v1::Order;

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
