//! Between messages and what they mean. Every bad field of a request is named at once.

use domain::{EffectiveRate, Fen, FutureRate, PayType, Ppm, RateScheme};
use jiff::Timestamp;
use proto::rate::v1;
use proto::time::{from_proto, to_proto};
use work::{Page, PageSizes, Violations};

use crate::model::Owner;

/// A value, or how to put the field right.
type Read<T> = Result<T, String>;

/// The scheme a request wants published; it counts from `published_at` on.
pub(crate) fn scheme(
    message: Option<v1::RateScheme>,
    published_at: Timestamp,
) -> Result<(Owner, RateScheme), Violations> {
    let Some(message) = message else {
        return Err(Violations::of("scheme", "must be set"));
    };
    let mut wrong = Violations::default();
    let shop_id = wrong.take("scheme.shop_id", positive(message.shop_id));
    let pay_type = wrong.take("scheme.pay_type", pay_type(message.pay_type));
    let version = wrong.take("scheme.version", positive(message.version));
    let current = wrong.take("scheme.current_ppm", ppm(message.current_ppm));
    let future = future(&message, &mut wrong);
    let min = wrong.take("scheme.min_fee_fen", fee(message.min_fee_fen));
    let cap = wrong.take(
        "scheme.cap_fee_fen",
        cap(message.cap_fee_fen, message.min_fee_fen),
    );
    match (shop_id.zip(pay_type), version, current, min, cap) {
        (Some(owner), Some(version), Some(current), Some(min), Some(cap)) if wrong.is_empty() => {
            let (shop_id, pay_type) = owner;
            let scheme = RateScheme {
                version,
                current,
                future,
                min,
                cap,
                published_at,
            };
            Ok((Owner { shop_id, pay_type }, scheme))
        }
        _ => Err(wrong),
    }
}

// Half a future is wrong; so `None` means none only while no field is.
fn future(message: &v1::RateScheme, wrong: &mut Violations) -> Option<FutureRate> {
    let rate = message.future_ppm.map(ppm);
    let begin = message.future_begin_time.as_ref().map(begin_time);
    if rate.is_none() && begin.is_none() {
        return None;
    }
    let rate = rate.unwrap_or_else(|| Err("must be set with future_begin_time".to_owned()));
    let begin = begin.unwrap_or_else(|| Err("must be set with future_ppm".to_owned()));
    let rate = wrong.take("scheme.future_ppm", rate);
    FutureRate::of(rate, wrong.take("scheme.future_begin_time", begin))
}

/// Whose rate is asked for, and the instant.
pub(crate) fn asked(
    request: &v1::GetEffectiveRateRequest,
) -> Result<(Owner, Timestamp), Violations> {
    let mut wrong = Violations::default();
    let owner = owner(request.shop_id, request.pay_type, &mut wrong);
    let at = request.at_time.as_ref().ok_or("must be set".to_owned());
    let at = wrong.take("at_time", at.and_then(time));
    owner.zip(at).ok_or(wrong)
}

/// What is to be quoted, when it is paid `now` unless the request says otherwise.
pub(crate) fn quoted(
    request: &v1::QuoteFeeRequest,
    now: Timestamp,
) -> Result<(Owner, (Fen, Timestamp)), Violations> {
    let mut wrong = Violations::default();
    let owner = owner(request.shop_id, request.pay_type, &mut wrong);
    let amount = wrong.take("amount_fen", positive(request.amount_fen));
    let at = wrong.take("at_time", request.at_time.as_ref().map_or(Ok(now), time));
    let asked = amount.map(Fen::new).zip(at);
    owner.zip(asked).ok_or(wrong)
}

const SIZES: PageSizes = PageSizes {
    default: 100,
    most: 1000,
};

/// Whose history is asked for, and which part of it.
pub(crate) fn history(request: &v1::ListRateHistoryRequest) -> Result<(Owner, Page), Violations> {
    let mut wrong = Violations::default();
    let owner = owner(request.shop_id, request.pay_type, &mut wrong);
    let query = format!("rates:{}:{}", request.shop_id, request.pay_type);
    let asked = (request.page_size, request.page_token.as_str());
    let page = Page::read(&mut wrong, asked, query, SIZES);
    owner.zip(page).ok_or(wrong)
}

fn owner(shop_id: i64, pay_type_number: i32, wrong: &mut Violations) -> Option<Owner> {
    let shop_id = wrong.take("shop_id", positive(shop_id));
    let pay_type = wrong.take("pay_type", pay_type(pay_type_number));
    let (shop_id, pay_type) = shop_id.zip(pay_type)?;
    Some(Owner { shop_id, pay_type })
}

/// What a scheme that the rules refuse has wrong.
pub(crate) fn refused(error: domain::RateError) -> Violations {
    let field = match error {
        domain::RateError::Version(_) => "scheme.version",
        domain::RateError::NegativeMin(_) => "scheme.min_fee_fen",
        domain::RateError::CapBelowMin { .. } => "scheme.cap_fee_fen",
        domain::RateError::BeginsInThePast => {
            return Violations::of(
                "scheme.future_begin_time",
                "must not be before the scheme is published, which is now",
            );
        }
    };
    Violations::of(field, error.to_string())
}

fn positive(number: i64) -> Read<i64> {
    if number > 0 {
        Ok(number)
    } else {
        Err("must be 1 or above".to_owned())
    }
}

// The numbers on the wire and those stored are the same, the original ones; only what
// the contract names is taken.
fn pay_type(number: i32) -> Read<PayType> {
    let named = proto::shop::v1::PayType::try_from(number).ok();
    let code = named.and_then(|_| i16::try_from(number).ok());
    let pay_type = code.and_then(|code| PayType::from_code(code).ok());
    pay_type.ok_or_else(|| "must be a pay type, e.g. PAY_TYPE_SWIFTPASS_WECHAT".to_owned())
}

fn ppm(number: i32) -> Read<Ppm> {
    let ppm = u32::try_from(number)
        .ok()
        .and_then(|number| Ppm::new(number).ok());
    ppm.ok_or_else(|| "must be 0 to 1000000 parts per million, e.g. 6000 for 0.6 %".to_owned())
}

fn fee(fen: i64) -> Read<Fen> {
    if fen >= 0 {
        Ok(Fen::new(fen))
    } else {
        Err("must be 0 fen or above".to_owned())
    }
}

fn cap(cap: Option<i64>, min: i64) -> Read<Option<Fen>> {
    let Some(cap) = cap else { return Ok(None) };
    if cap < 0 || cap < min {
        return Err("must not be below min_fee_fen; unset for no cap".to_owned());
    }
    Ok(Some(Fen::new(cap)))
}

// Times are stored in microseconds. What was paid within a microsecond was paid at its
// beginning: that changes no answer, because every begin is a whole one.
fn time(time: &prost_types::Timestamp) -> Read<Timestamp> {
    let whole = (0..1_000_000_000)
        .contains(&time.nanos)
        .then(|| from_proto(time))
        .flatten();
    let micros = whole.and_then(|time| Timestamp::from_microsecond(time.as_microsecond()).ok());
    micros.ok_or_else(|| "must be a time in the years 1 to 9999".to_owned())
}

fn begin_time(begin: &prost_types::Timestamp) -> Read<Timestamp> {
    let begin = time(begin).map(|micros| (micros, begin.nanos % 1000))?;
    match begin {
        (micros, 0) => Ok(micros),
        _ => Err("must be in whole microseconds".to_owned()),
    }
}

/// A published version, for the wire.
pub(crate) fn message(owner: Owner, scheme: &RateScheme) -> v1::RateScheme {
    v1::RateScheme {
        shop_id: owner.shop_id,
        pay_type: owner.pay_type.code().into(),
        version: scheme.version,
        current_ppm: wire_ppm(scheme.current),
        future_ppm: scheme.future.map(|future| wire_ppm(future.rate)),
        future_begin_time: scheme.future.map(|future| to_proto(future.begin)),
        min_fee_fen: scheme.min.get(),
        cap_fee_fen: scheme.cap.map(Fen::get),
        publish_time: Some(to_proto(scheme.published_at)),
    }
}

/// What applies, for the wire.
pub(crate) fn effective(rate: &EffectiveRate) -> v1::EffectiveRate {
    v1::EffectiveRate {
        scheme_version: rate.scheme_version,
        rate_ppm: wire_ppm(rate.rate),
        min_fee_fen: rate.min.get(),
        cap_fee_fen: rate.cap.map(Fen::get),
    }
}

fn wire_ppm(ppm: Ppm) -> i32 {
    i32::try_from(ppm.get()).expect("parts per million are at most a million")
}
