//! One order as real people live it. Every step may be repeated, so the mesh may die at any
//! moment: what was not answered is asked again under the same number.

mod act;
pub(crate) mod life;
mod prepare;
mod refund;
mod scan;
mod wait;

use std::fmt;
use std::time::Duration;

use proto::time::from_proto;
use proto::trade::v1::{
    BindPayerRequest, CreateOrderRequest, ExternalPayment, Order, OrderKind, OrderStatus,
};
use seam::{Clock, SystemClock};
use tonic::{Code, Status};

use crate::peers::Peers;
use crate::persist::ask;
use crate::plan::Plan;
use crate::plan::kind::Origin;
use crate::progress::Progress;
use prepare::{Prepared, prepare};
pub(crate) use refund::BY_HAND;

const CLIENT_IP: &str = "203.0.113.7";
// The same for every order: a create that is repeated must ask for the same.
const PAID_ELSEWHERE: prost_types::Timestamp = prost_types::Timestamp {
    seconds: 1_790_000_000,
    nanos: 0,
};

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
            why: told(&status),
        }
    }
}

/// An order whose people do something about it.
pub(crate) struct Visit<'a> {
    pub(crate) peers: &'a Peers,
    pub(crate) plan: &'a Plan,
    pub(crate) progress: &'a Progress,
    pub(crate) order: &'a Order,
}

impl Visit<'_> {
    fn number(&self) -> &str {
        &self.order.order_no
    }

    // What an act came to: none when the order has moved on and does not take it any more. How
    // it then ends is for the books to judge.
    fn heed<T>(&self, doing: &'static str, answer: Result<T, Status>) -> Result<Option<T>, Stuck> {
        match answer {
            Err(status) if status.code() == Code::FailedPrecondition => {
                let (number, why) = (self.number(), told(&status));
                self.progress
                    .say(&format!("{number} too late for {doing}: {why}"));
                Ok(None)
            }
            answer => answer.map(Some).map_err(Stuck::at(self.number(), doing)),
        }
    }
}

fn told(status: &Status) -> String {
    let reason = mesh::reason_of(status).unwrap_or_default();
    format!("{} {reason} {}", status.code(), status.message())
}

/// Creates the order: repeated until it is acknowledged.
pub(crate) async fn create(peers: &Peers, plan: &Plan) -> Result<Order, Stuck> {
    let origin = plan.kind.row().origin;
    let request = CreateOrderRequest {
        shop_id: plan.shop_id,
        merchant_order_no: plan.merchant_order_no.clone(),
        amount_fen: plan.amount_fen,
        kind: kind_of(origin).into(),
        description: plan.kind.description(),
        client_ip: CLIENT_IP.to_owned(),
        external_payment: (origin == Origin::Platform).then(|| external(plan)),
        ..CreateOrderRequest::default()
    };
    let created = ask!(peers.trade, create_order, request).await;
    let answer = created.map_err(Stuck::at(&plan.merchant_order_no, "creating"))?;
    Ok(answer.order.unwrap_or_default())
}

fn kind_of(origin: Origin) -> OrderKind {
    match origin {
        Origin::Counter => OrderKind::Store,
        Origin::Takeout => OrderKind::Official,
        Origin::Platform => OrderKind::ThirdParty,
    }
}

fn external(plan: &Plan) -> ExternalPayment {
    ExternalPayment {
        platform: "meituan".to_owned(),
        number: format!("MT-{}", plan.merchant_order_no),
        paid_time: Some(PAID_ELSEWHERE),
        amount_fen: plan.amount_fen,
    }
}

/// Lets the payer pay (c→b): bound, prepared and charged, once.
pub(crate) async fn buy(peers: &Peers, order: &Order, plan: &Plan) -> Result<(), Stuck> {
    let number = &order.order_no;
    bind(peers, number, plan)
        .await
        .map_err(Stuck::at(number, "binding"))?;
    let prepared = prepare(peers, (number, 1), plan)
        .await
        .map_err(Stuck::at(number, "paying"))?;
    match prepared {
        Prepared::Ready { out_trade_no, .. } => act::charge(peers, &out_trade_no)
            .await
            .map_err(Stuck::at(number, "charging")),
        Prepared::Paid | Prepared::Over => Ok(()),
    }
}

async fn bind(peers: &Peers, number: &str, plan: &Plan) -> Result<(), Status> {
    let request = BindPayerRequest {
        order_no: number.to_owned(),
        payer_id: plan.payer_id.clone(),
    };
    ask!(peers.trade, bind_payer, request).await.map(drop)
}

/// Whether money has been counted for it.
fn is_paid(status: OrderStatus) -> bool {
    matches!(
        status,
        OrderStatus::Paid
            | OrderStatus::Refunding
            | OrderStatus::Refunded
            | OrderStatus::RefundFailed
    )
}

/// How long it may still be paid for; none when that is over.
fn left_to_pay(order: &Order) -> Option<Duration> {
    let limit = from_proto(order.pay_limit_time.as_ref()?)?;
    SystemClock.now().duration_until(limit).try_into().ok()
}
