//! `PayOrder`: the intent is written before pay-gateway is asked; the same request id is the
//! same attempt, whatever happened in between.

use domain::{Attempt, OrderCommand, OrderFact, OrderNo, OrderState, PayType};
use jiff::Timestamp;
use proto::gateway::v1::{Payment, PaymentState, PrepayRequest};
use proto::time::{from_proto, to_proto};
use proto::trade::v1 as wire;
use store::{Guard, Value, Write, row};
use work::Violations;

use crate::content::{is_ipv4, is_visible, order_no};
use crate::convert;
use crate::error::TradeError;
use crate::flow::confirm::{Told, confirm};
use crate::order::{Line, StoredOrder};
use crate::{Inner, flow, queries};

const REQUEST: usize = 64;

static REQUESTED: Guard = Guard {
    insert: &queries::PAY_REQUESTS_INSERT,
    winner: &queries::PAY_REQUESTS_WINNER,
    key: &[0, 1],
};

/// What `PayOrder` answers.
pub(crate) struct Paying {
    pub(crate) order: StoredOrder,
    pub(crate) attempt: Attempt,
    pub(crate) pay_info: String,
}

struct Wanted {
    no: OrderNo,
    request_id: String,
    pay_type: PayType,
    client_ip: String,
}

/// Starts a payment, or takes up the one that is live.
pub(crate) async fn pay(
    trade: &Inner,
    request: wire::PayOrderRequest,
) -> Result<Paying, TradeError> {
    let wanted = Wanted::of(request)?;
    for _ in 0..flow::DECISIONS {
        // Known requests are looked up before the order is read, which then is as new.
        let known = known(trade, &wanted).await?;
        let order = flow::load(&trade.db, wanted.no).await?;
        let intended = match known {
            Some(attempt) => Ok((order, attempt)),
            None => intend(trade, order, &wanted).await,
        };
        match intended {
            Ok((order, attempt)) => return ask(trade, order, attempt, &wanted).await,
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error),
        }
    }
    Err(TradeError::Contended(wanted.no))
}

// The attempt this request id stands for, if it was used before.
async fn known(trade: &Inner, wanted: &Wanted) -> Result<Option<Attempt>, TradeError> {
    let key = row![wanted.no.get(), wanted.request_id.clone()];
    let found = trade
        .db
        .fetch_optional(&queries::PAY_REQUESTS_GET, key)
        .await?;
    let Some(row) = found else { return Ok(None) };
    if row.int("pay_type")? != i64::from(wanted.pay_type.code()) {
        return Err(TradeError::RequestDiffers(wanted.no));
    }
    let attempt = Attempt::try_from(row.int("attempt")?);
    Ok(Some(attempt.map_err(|e| row.corrupt("attempt", e))?))
}

// The attempt a new request stands for, on record before anybody is asked to pay.
async fn intend(
    trade: &Inner,
    order: StoredOrder,
    wanted: &Wanted,
) -> Result<(StoredOrder, Attempt), TradeError> {
    if let OrderState::Paying { payment } = order.state {
        return join(trade, order, payment, wanted).await;
    }
    let last = order.state.payment();
    let attempt = last.map_or(Some(Attempt::FIRST), Attempt::next);
    let attempt = attempt.ok_or(TradeError::Contended(order.no))?;
    let step = order
        .state
        .command(OrderCommand::Pay { payment: attempt })?;
    // Only now: where nobody may pay, a payer would not help.
    if order.payer_id.is_none() {
        return Err(TradeError::PayerNotBound(order.no));
    }
    let Some(state) = step.moved_to() else {
        return Ok((order, attempt));
    };
    let to = begin(trade, &order, (state, attempt), wanted).await?;
    Ok((to, attempt))
}

// The same way of paying by the same payer: what is live serves this request too, for good.
async fn join(
    trade: &Inner,
    order: StoredOrder,
    payment: Attempt,
    wanted: &Wanted,
) -> Result<(StoredOrder, Attempt), TradeError> {
    if order.pay_type != Some(wanted.pay_type) {
        return Err(TradeError::PaymentInProgress(order.no));
    }
    let request = wanted.request_row(payment, trade.db.clock().now());
    trade
        .db
        .submit(Write::new("order/join_payment", &REQUESTED, request))
        .await?;
    Ok((order, payment))
}

async fn begin(
    trade: &Inner,
    order: &StoredOrder,
    (state, attempt): (OrderState, Attempt),
    wanted: &Wanted,
) -> Result<StoredOrder, TradeError> {
    let now = trade.db.clock().now();
    let to = StoredOrder {
        state,
        pay_type: Some(wanted.pay_type),
        ..order.next()
    };
    let detail = order.out_trade_no(attempt, trade.environment).to_string();
    let line = Line {
        event: "PAY",
        actor: "rpc",
        detail,
    };
    let row = row![order.no.get(), attempt.get(), wanted.pay_type.code(), now];
    // The request's own write id says nothing: the order's line is the guard.
    let request = [wanted.request_row(attempt, now), row![0]].concat();
    let write = order
        .change("order/pay", &to, &line, now)
        .insert(&queries::ATTEMPTS_INSERT, row)
        .insert(&queries::PAY_REQUESTS_INSERT, request);
    trade.db.submit(write).await?;
    trade.watched.ring(order.no);
    Ok(to)
}

async fn ask(
    trade: &Inner,
    order: StoredOrder,
    attempt: Attempt,
    wanted: &Wanted,
) -> Result<Paying, TradeError> {
    // An attempt that is over, or an order that is paid, is answered as it is.
    if !matches!(order.state, OrderState::Paying { payment } if payment == attempt) {
        return Ok(Paying {
            order,
            attempt,
            pay_info: String::new(),
        });
    }
    let request = PrepayRequest {
        order_no: order.no.to_string(),
        attempt: i32::from(attempt.get()),
        shop_id: order.shop_id,
        pay_type: convert::pay_type(wanted.pay_type).into(),
        amount_fen: order.amount.get(),
        description: order.description.clone(),
        payer_id: order.payer_id.clone().unwrap_or_default(),
        client_ip: if wanted.client_ip.is_empty() {
            order.client_ip.clone()
        } else {
            wanted.client_ip.clone()
        },
        expire_time: Some(to_proto(order.pay_limit_at)),
    };
    let answer = trade
        .peers
        .payments
        .clone()
        .prepay(request)
        .await?
        .into_inner();
    let payment = answer.payment.unwrap_or_default();
    heed(trade, order, attempt, payment).await
}

// The reply drives the same transition as the feed does.
async fn heed(
    trade: &Inner,
    order: StoredOrder,
    attempt: Attempt,
    payment: Payment,
) -> Result<Paying, TradeError> {
    let fact = match payment.state() {
        PaymentState::Succeeded => OrderFact::Succeeded { payment: attempt },
        PaymentState::Declined | PaymentState::Closed | PaymentState::Closing => {
            OrderFact::Dead { payment: attempt }
        }
        _ => {
            return Ok(Paying {
                order,
                attempt,
                pay_info: payment.pay_info,
            });
        }
    };
    let told = Told {
        fact,
        paid_at: payment.paid_time.as_ref().and_then(from_proto),
        actor: "reply",
        detail: payment.reason.clone(),
        remedy: None,
    };
    let order = confirm(trade, order.no, &told).await?;
    match fact {
        OrderFact::Dead { .. } => Err(TradeError::PaymentRefused {
            order: order.no,
            reason: payment.reason,
        }),
        _ => Ok(Paying {
            order,
            attempt,
            pay_info: String::new(),
        }),
    }
}

impl Wanted {
    fn request_row(&self, attempt: Attempt, at: Timestamp) -> Vec<Value> {
        row![
            self.no.get(),
            self.request_id.clone(),
            attempt.get(),
            self.pay_type.code(),
            at
        ]
    }

    fn of(request: wire::PayOrderRequest) -> Result<Self, TradeError> {
        let mut wrong = Violations::default();
        let no = order_no(&request.order_no);
        wrong.unless(
            is_visible(&request.request_id, REQUEST),
            "request_id",
            "must be 1 to 64 visible ASCII characters, new for each try to pay",
        );
        wrong.unless(
            request.client_ip.is_empty() || is_ipv4(&request.client_ip),
            "client_ip",
            "must be an IPv4 address, like 203.0.113.7, or unset",
        );
        let pay_type = convert::known_pay_type(request.pay_type);
        wrong.unless(
            pay_type.is_some(),
            "pay_type",
            "must be PAY_TYPE_SWIFTPASS_WECHAT or PAY_TYPE_SWIFTPASS_ALIPAY",
        );
        wrong.into_result()?;
        let pay_type = pay_type.unwrap_or(PayType::SwiftpassWeChat);
        Ok(Self {
            no: no?,
            request_id: request.request_id,
            pay_type,
            client_ip: request.client_ip,
        })
    }
}
