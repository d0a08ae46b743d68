//! One order as a real client lives it. Every step may be repeated, so the mesh may die at
//! any moment: what was not answered is asked again under the same number.

use std::fmt;

use mesh::reason_of;
use proto::sandbox::v1::PayChargeRequest;
use proto::shop::v1::PayType;
use proto::trade::v1::get_order_request::Number;
use proto::trade::v1::{
    BindPayerRequest, CreateOrderRequest, GetOrderRequest, GetTimelineRequest, Order, OrderStatus,
    PayOrderRequest, PayOrderResponse,
};
use tonic::{Code, Status};

use crate::peers::Peers;
use crate::persist::{Backoff, passes, persist};
use crate::plan::Plan;
use crate::progress::Progress;

const CLIENT_IP: &str = "203.0.113.7";

/// An order that got no further.
#[derive(Debug)]
pub(crate) struct Stuck {
    /// The order's number, or the merchant's while it has none.
    number: String,
    doing: &'static str,
    why: String,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, doing, why } = self;
        write!(f, "{number} stuck while {doing}: {why}")
    }
}

impl Stuck {
    fn at(number: &str, doing: &'static str) -> impl FnOnce(Status) -> Self {
        let number = number.to_owned();
        move |status| Self {
            number,
            doing,
            why: format!("{} {}", status.code(), status.message()),
        }
    }
}

/// Creates the order: repeated until it is acknowledged.
pub(crate) async fn create(peers: &Peers, plan: &Plan) -> Result<Order, Stuck> {
    let request = CreateOrderRequest {
        shop_id: plan.shop_id,
        merchant_order_no: plan.merchant_order_no.clone(),
        amount_fen: plan.amount_fen,
        description: "Demo order".to_owned(),
        client_ip: CLIENT_IP.to_owned(),
        ..CreateOrderRequest::default()
    };
    let created = persist(|| {
        let (mut trade, request) = (peers.trade.clone(), request.clone());
        async move { trade.create_order(request).await }
    });
    let answer = created
        .await
        .map_err(Stuck::at(&plan.merchant_order_no, "creating"))?;
    Ok(answer.order.unwrap_or_default())
}

/// Lets the payer pay: bound, prepared and charged, once.
pub(crate) async fn buy(peers: &Peers, order: &Order, plan: &Plan) -> Result<(), Stuck> {
    // From an earlier run on the same data.
    if order.status() == OrderStatus::Paid {
        return Ok(());
    }
    let number = &order.order_no;
    let request = BindPayerRequest {
        order_no: number.clone(),
        payer_id: plan.payer_id.clone(),
    };
    let bound = persist(|| {
        let (mut trade, request) = (peers.trade.clone(), request.clone());
        async move { trade.bind_payer(request).await }
    });
    bound.await.map_err(Stuck::at(number, "binding"))?;
    let prepared = prepare(peers, number)
        .await
        .map_err(Stuck::at(number, "paying"))?;
    match prepared {
        Some(out_trade_no) => charge(peers, &out_trade_no)
            .await
            .map_err(Stuck::at(number, "charging")),
        None => Ok(()),
    }
}

/// Watches until the order is paid and settled.
pub(crate) async fn settled(peers: &Peers, number: &str, progress: &Progress) -> Result<(), Stuck> {
    let request = GetTimelineRequest {
        order_no: number.to_owned(),
    };
    let (mut backoff, mut paid) = (Backoff::default(), false);
    loop {
        let asked = persist(|| {
            let (mut trade, request) = (peers.trade.clone(), request.clone());
            async move { trade.get_timeline(request).await }
        });
        let told = asked.await.map_err(Stuck::at(number, "waiting"))?;
        let order = told.order.unwrap_or_default();
        if order.status() == OrderStatus::Paid {
            if !paid {
                progress.paid();
                paid = true;
            }
            if !told.settlements.is_empty() {
                progress.settled();
                return Ok(());
            }
        }
        if !backoff.pause().await {
            let doing = if paid {
                "waiting for its settlement"
            } else {
                "waiting to be paid"
            };
            let why = format!("out of time, status {}", order.status().as_str_name());
            return Err(Stuck {
                number: number.to_owned(),
                doing,
                why,
            });
        }
    }
}

// What one PayOrder came to.
enum Tried {
    Ready(String),
    // Not answered by the channel yet, or another payment is ending: ask the same again.
    Again(Status),
    // Over without money: only a new request id tries again.
    Refused(Status),
    Paid,
}

// Answers the number to pay, or none when the order is paid already.
async fn prepare(peers: &Peers, number: &str) -> Result<Option<String>, Status> {
    let mut backoff = Backoff::default();
    let mut attempt = 1;
    loop {
        let request = PayOrderRequest {
            order_no: number.to_owned(),
            request_id: format!("try-{attempt}"),
            pay_type: PayType::SwiftpassWechat.into(),
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
    let status = answer.order.unwrap_or_default().status();
    match status {
        OrderStatus::Paid => Tried::Paid,
        OrderStatus::PayFailed => Tried::Refused(Status::unavailable("the payment failed")),
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

async fn charge(peers: &Peers, out_trade_no: &str) -> Result<(), Status> {
    let request = PayChargeRequest {
        out_trade_no: out_trade_no.to_owned(),
    };
    let charged = persist(|| {
        let (mut sandbox, request) = (peers.sandbox.clone(), request.clone());
        async move { sandbox.pay_charge(request).await }
    });
    charged.await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: OrderStatus, pay_info: &str) -> Tried {
        let order = Order {
            status: status.into(),
            ..Order::default()
        };
        let (out_trade_no, pay_info) = ("W1".to_owned(), pay_info.to_owned());
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
}
