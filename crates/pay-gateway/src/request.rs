//! Requests, checked: every field that is wrong is named, and a payer's code never repeated.

use std::net::Ipv4Addr;

use domain::{Attempt, Direction, Environment, Fen, NumberError, OutTradeNo, PayType, RefundNo};
use jiff::Timestamp;
use proto::gateway::v1::list_payment_events_request::Number;
use proto::gateway::v1::{
    ClosePaymentRequest, ListPaymentEventsRequest, PayRequest, PrepayRequest, RefundRequest,
};
use proto::shop::v1::PayType as WirePayType;
use proto::time::from_proto;
use work::Violations;

use crate::channel::AuthCode;
use crate::flow::close::ToClose;
use crate::flow::events::Whose;
use crate::payment::Asked;
use crate::refund::Wanted;

const PAY_TYPES: &str = "must be one of the pay types that have a name";
const PREPAID: &str = "must be PAY_TYPE_SWIFTPASS_WECHAT or PAY_TYPE_SWIFTPASS_ALIPAY";
const SCANNED: &str = "must be PAY_TYPE_SWIFTPASS_SCAN";
const SHOP_ID: &str = "must be 1 or above";
const AMOUNT: &str = "must be 1 or above, in fen";

pub(crate) fn prepay(
    request: PrepayRequest,
    environment: Environment,
) -> Result<(OutTradeNo, Asked), Violations> {
    let mut wrong = Violations::default();
    let number = wrong_number(&mut wrong, &request.order_no, request.attempt, environment);
    let payer = (1..=128).contains(&request.payer_id.len());
    wrong.unless(payer, "payer_id", "must be 1 to 128 bytes");
    let content = Content {
        shop_id: request.shop_id,
        pay_type: (request.pay_type, Direction::CustomerScans, PREPAID),
        amount_fen: request.amount_fen,
        description: request.description,
        payer_id: request.payer_id,
        client_ip: request.client_ip,
        expires_at: request.expire_time.as_ref().and_then(from_proto),
    };
    match (number, content.checked(&mut wrong)) {
        (Some(number), Some(asked)) if wrong.is_empty() => Ok((number, asked)),
        _ => Err(wrong),
    }
}

pub(crate) fn pay(
    request: PayRequest,
    environment: Environment,
) -> Result<(OutTradeNo, Asked, AuthCode), Violations> {
    let mut wrong = Violations::default();
    let number = wrong_number(&mut wrong, &request.order_no, request.attempt, environment);
    let code = AuthCode::parse(&request.auth_code).ok();
    wrong.unless(code.is_some(), "auth_code", "must be 16 to 24 digits");
    let content = Content {
        shop_id: request.shop_id,
        pay_type: (request.pay_type, Direction::MerchantScans, SCANNED),
        amount_fen: request.amount_fen,
        description: request.description,
        payer_id: String::new(),
        client_ip: request.client_ip,
        expires_at: request.expire_time.as_ref().and_then(from_proto),
    };
    match (number, content.checked(&mut wrong), code) {
        (Some(number), Some(asked), Some(code)) if wrong.is_empty() => Ok((number, asked, code)),
        _ => Err(wrong),
    }
}

/// What a payment is to be, whoever scans; its pay type with what that must be.
struct Content {
    shop_id: i64,
    pay_type: (i32, Direction, &'static str),
    amount_fen: i64,
    description: String,
    payer_id: String,
    client_ip: String,
    expires_at: Option<Timestamp>,
}

impl Content {
    fn checked(self, wrong: &mut Violations) -> Option<Asked> {
        let (number, direction, fix) = self.pay_type;
        let pay_type = served(number).filter(|pay_type| pay_type.direction() == direction);
        let expires_at = self.expires_at.map(micros);
        let description = (1..=127).contains(&self.description.len());
        let address = self.client_ip.parse::<Ipv4Addr>().is_ok();
        wrong.unless(self.shop_id > 0, "shop_id", SHOP_ID);
        wrong.unless(pay_type.is_some(), "pay_type", fix);
        wrong.unless(self.amount_fen > 0, "amount_fen", AMOUNT);
        wrong.unless(description, "description", "must be 1 to 127 bytes");
        wrong.unless(address, "client_ip", "must be an IPv4 address");
        wrong.unless(expires_at.is_some(), "expire_time", "must be set");
        Some(Asked {
            shop_id: self.shop_id,
            pay_type: pay_type?,
            amount: Fen::new(self.amount_fen),
            description: self.description,
            payer_id: self.payer_id,
            client_ip: self.client_ip,
            expires_at: expires_at?,
        })
    }
}

pub(crate) fn close(
    request: ClosePaymentRequest,
    environment: Environment,
) -> Result<(OutTradeNo, ToClose), Violations> {
    let mut wrong = Violations::default();
    let number = wrong_number(&mut wrong, &request.order_no, request.attempt, environment);
    let pay_type = served(request.pay_type);
    let reason = request.reason.chars().count() <= 32;
    wrong.unless(request.shop_id > 0, "shop_id", SHOP_ID);
    wrong.unless(pay_type.is_some(), "pay_type", PAY_TYPES);
    wrong.unless(request.amount_fen > 0, "amount_fen", AMOUNT);
    wrong.unless(reason, "reason", "must be at most 32 characters");
    let (Some(number), Some(pay_type), true) = (number, pay_type, wrong.is_empty()) else {
        return Err(wrong);
    };
    let wanted = ToClose {
        shop_id: request.shop_id,
        pay_type,
        amount: Fen::new(request.amount_fen),
        reason: request.reason,
    };
    Ok((number, wanted))
}

pub(crate) fn refund(
    request: &RefundRequest,
    environment: Environment,
) -> Result<Wanted, Violations> {
    let mut wrong = Violations::default();
    let no = wrong.take("refund_no", ours(&request.refund_no, environment));
    let payment = wrong_number(&mut wrong, &request.order_no, request.attempt, environment);
    wrong.unless(request.amount_fen > 0, "amount_fen", AMOUNT);
    wrong.unless(request.retry >= 0, "retry", "must be 0 or above");
    let (Some(no), Some(payment), true) = (no, payment, wrong.is_empty()) else {
        return Err(wrong);
    };
    Ok(Wanted {
        no,
        payment,
        amount: Fen::new(request.amount_fen),
        retry: request.retry,
    })
}

/// The number of a refund.
pub(crate) fn refund_no(text: &str, environment: Environment) -> Result<RefundNo, Violations> {
    ours(text, environment).map_err(|fix| Violations::of("refund_no", fix))
}

// The letter is part of what the channel knows it by.
fn ours(text: &str, environment: Environment) -> Result<RefundNo, String> {
    let no: RefundNo = text.parse().map_err(|e: NumberError| e.to_string())?;
    if no.environment() == environment {
        return Ok(no);
    }
    Err(format!("must be {}", no.in_environment(environment)))
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

/// Whose story is asked for.
pub(crate) fn whose(
    request: ListPaymentEventsRequest,
    environment: Environment,
) -> Result<Whose, Violations> {
    match request.number {
        Some(Number::OrderNo(text)) => {
            let order = text.parse().map(Whose::Order);
            order.map_err(|e: NumberError| Violations::of("order_no", e.to_string()))
        }
        Some(Number::OutTradeNo(text)) => out_trade_no(&text, environment)
            .map(Whose::Payment)
            .map_err(|fix| Violations::of("out_trade_no", fix)),
        Some(Number::ChannelTradeNo(text)) if (1..=64).contains(&text.chars().count()) => {
            Ok(Whose::Channel(text))
        }
        Some(Number::ChannelTradeNo(_)) => Err(Violations::of(
            "channel_trade_no",
            "must be 1 to 64 characters",
        )),
        None => Err(Violations::of(
            "number",
            "set order_no, out_trade_no or channel_trade_no",
        )),
    }
}

fn out_trade_no(text: &str, environment: Environment) -> Result<OutTradeNo, String> {
    let number: OutTradeNo = text.parse().map_err(|e: NumberError| e.to_string())?;
    if number.environment == environment {
        return Ok(number);
    }
    let ours = OutTradeNo {
        environment,
        ..number
    };
    Err(format!("must be {ours}"))
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
