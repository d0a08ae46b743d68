//! Requests, checked: every field that is wrong is named.

use std::net::Ipv4Addr;

use domain::{Attempt, Environment, Fen, NumberError, OrderNo, OutTradeNo, PayType};
use jiff::Timestamp;
use proto::gateway::v1::{ClosePaymentRequest, PrepayRequest};
use proto::shop::v1::PayType as WirePayType;
use proto::time::from_proto;
use work::Violations;

use crate::flow::fence::Unknown;
use crate::payment::Asked;

const PAY_TYPES: &str = "must be PAY_TYPE_SWIFTPASS_WECHAT or PAY_TYPE_SWIFTPASS_ALIPAY";
const SHOP_ID: &str = "must be 1 or above";
const AMOUNT: &str = "must be 1 or above, in fen";

pub(crate) fn prepay(
    request: PrepayRequest,
    environment: Environment,
) -> Result<(OutTradeNo, Asked), Violations> {
    let mut wrong = Violations::default();
    let number = wrong_number(&mut wrong, &request.order_no, request.attempt, environment);
    let pay_type = served(request.pay_type);
    let expires_at = request
        .expire_time
        .as_ref()
        .and_then(from_proto)
        .map(micros);
    let description = (1..=127).contains(&request.description.len());
    let payer = (1..=128).contains(&request.payer_id.len());
    let address = request.client_ip.parse::<Ipv4Addr>().is_ok();
    wrong.unless(request.shop_id > 0, "shop_id", SHOP_ID);
    wrong.unless(pay_type.is_some(), "pay_type", PAY_TYPES);
    wrong.unless(request.amount_fen > 0, "amount_fen", AMOUNT);
    wrong.unless(description, "description", "must be 1 to 127 bytes");
    wrong.unless(payer, "payer_id", "must be 1 to 128 bytes");
    wrong.unless(address, "client_ip", "must be an IPv4 address");
    wrong.unless(expires_at.is_some(), "expire_time", "must be set");
    let (Some(number), Some(pay_type), Some(expires_at), true) =
        (number, pay_type, expires_at, wrong.is_empty())
    else {
        return Err(wrong);
    };
    let asked = Asked {
        shop_id: request.shop_id,
        pay_type,
        amount: Fen::new(request.amount_fen),
        description: request.description,
        payer_id: request.payer_id,
        client_ip: request.client_ip,
        expires_at,
    };
    Ok((number, asked))
}

pub(crate) fn close(
    request: &ClosePaymentRequest,
    environment: Environment,
) -> Result<(OutTradeNo, Unknown), Violations> {
    let mut wrong = Violations::default();
    let number = wrong_number(&mut wrong, &request.order_no, request.attempt, environment);
    let pay_type = served(request.pay_type);
    wrong.unless(request.shop_id > 0, "shop_id", SHOP_ID);
    wrong.unless(pay_type.is_some(), "pay_type", PAY_TYPES);
    wrong.unless(request.amount_fen > 0, "amount_fen", AMOUNT);
    let (Some(number), Some(pay_type), true) = (number, pay_type, wrong.is_empty()) else {
        return Err(wrong);
    };
    let (shop_id, amount) = (request.shop_id, Fen::new(request.amount_fen));
    Ok((
        number,
        Unknown {
            shop_id,
            pay_type,
            amount,
        },
    ))
}

/// The number of one payment.
pub(crate) fn number(
    order_no: &str,
    attempt: i32,
    environment: Environment,
) -> Result<OutTradeNo, Violations> {
    let mut wrong = Violations::default();
    wrong_number(&mut wrong, order_no, attempt, environment).ok_or(wrong)
}

/// The number of an order.
pub(crate) fn order_no(text: &str) -> Result<OrderNo, Violations> {
    text.parse()
        .map_err(|e: NumberError| Violations::of("order_no", e.to_string()))
}

fn wrong_number(
    wrong: &mut Violations,
    order: &str,
    attempt: i32,
    environment: Environment,
) -> Option<OutTradeNo> {
    let order = order.parse().map_err(|e: NumberError| e.to_string());
    let order = wrong.take("order_no", order);
    let attempt = Attempt::try_from(i64::from(attempt)).map_err(|e| e.to_string());
    let attempt = wrong.take("attempt", attempt);
    Some(OutTradeNo {
        order: order?,
        attempt: attempt?,
        environment,
    })
}

// A pay type that is on the wire is one that is served.
fn served(number: i32) -> Option<PayType> {
    let known = WirePayType::try_from(number).is_ok_and(|each| each != WirePayType::Unspecified);
    let code = i16::try_from(number).ok().filter(|_| known)?;
    PayType::from_code(code).ok()
}

fn micros(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}
