//! One order as a real client lives it. Every step may be repeated, so the mesh may die at
//! any moment: what was not answered is asked again under the same number.

mod prepare;

use std::fmt;

use proto::sandbox::v1::PayChargeRequest;
use proto::trade::v1::{
    BindPayerRequest, CreateOrderRequest, GetTimelineRequest, Order, OrderStatus,
};
use tonic::Status;

use crate::peers::Peers;
use crate::persist::{Backoff, persist};
use crate::plan::Plan;
use crate::plan::kind::Ending;
use crate::progress::Progress;
use prepare::prepare;

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
        description: plan.kind.description(),
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

/// Lets the payer pay: bound, prepared and charged, once; or bound and prepared, and then gone.
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
    let prepared = prepare(peers, number, plan)
        .await
        .map_err(Stuck::at(number, "paying"))?;
    match prepared {
        Some(out_trade_no) if plan.kind.ending() == Ending::Paid => charge(peers, &out_trade_no)
            .await
            .map_err(Stuck::at(number, "charging")),
        _ => Ok(()),
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
