//! The channel's words and the numbers the `.proto` has for them.

use proto::sandbox::v1 as pb;
use tonic::Status;

use super::fault::invalid;
use crate::RefundState;
use crate::mischief::{Forgery, Garbage, PasswordOutcome, Step, Told};
use crate::state::TradeState;

/// A word and its number.
type Code<T> = (T, i32);

pub(super) const STEPS: [Code<Step>; 8] = [
    (Step::Prepay, pb::Step::Prepay as i32),
    (Step::Query, pb::Step::Query as i32),
    (Step::Notify, pb::Step::Notify as i32),
    (Step::Micropay, pb::Step::Micropay as i32),
    (Step::Close, pb::Step::Close as i32),
    (Step::Reverse, pb::Step::Reverse as i32),
    (Step::Refund, pb::Step::Refund as i32),
    (Step::RefundQuery, pb::Step::RefundQuery as i32),
];

pub(super) const FORGERIES: [Code<Forgery>; 3] = [
    (Forgery::BadSignature, pb::Forgery::BadSignature as i32),
    (Forgery::OtherKey, pb::Forgery::OtherKey as i32),
    (Forgery::OtherMerchant, pb::Forgery::OtherMerchant as i32),
];

pub(super) const GARBAGE: [Code<Garbage>; 5] = [
    (Garbage::HalfXml, pb::Garbage::HalfXml as i32),
    (Garbage::Html502, pb::Garbage::Html502 as i32),
    (Garbage::WrongSignature, pb::Garbage::WrongSignature as i32),
    (Garbage::Status400, pb::Garbage::Status400 as i32),
    (Garbage::NotUtf8, pb::Garbage::NotUtf8 as i32),
];

pub(super) const ANSWERS: [Code<Told>; 4] = [
    (Told::Truth, pb::QueryAnswer::Truth as i32),
    (Told::NotPaid, pb::QueryAnswer::NotPaid as i32),
    (Told::Closed, pb::QueryAnswer::Closed as i32),
    (Told::PayError, pb::QueryAnswer::PayError as i32),
];

pub(super) const OUTCOMES: [Code<PasswordOutcome>; 3] = [
    (PasswordOutcome::Paid, pb::PasswordOutcome::Paid as i32),
    (
        PasswordOutcome::Refused,
        pb::PasswordOutcome::Refused as i32,
    ),
    (PasswordOutcome::Never, pb::PasswordOutcome::Never as i32),
];

pub(super) const REFUNDS: [Code<RefundState>; 5] = [
    (RefundState::Processing, pb::RefundState::Processing as i32),
    (RefundState::Success, pb::RefundState::Success as i32),
    (RefundState::Fail, pb::RefundState::Fail as i32),
    (RefundState::Notsure, pb::RefundState::Notsure as i32),
    (RefundState::Change, pb::RefundState::Change as i32),
];

/// How a charge stands, as the `.proto` has it.
pub(super) fn state(state: TradeState) -> pb::ChargeState {
    match state {
        TradeState::Success => pb::ChargeState::Success,
        TradeState::Refund => pb::ChargeState::Refund,
        TradeState::NotPay => pb::ChargeState::Notpay,
        TradeState::Closed => pb::ChargeState::Closed,
        TradeState::Reverse => pb::ChargeState::Reversed,
        TradeState::UserPaying => pb::ChargeState::Userpaying,
        TradeState::PayError => pb::ChargeState::Payerror,
    }
}

/// The number of a word; 0 for none.
pub(super) fn code<T: PartialEq>(codes: &[Code<T>], word: Option<&T>) -> i32 {
    let found = codes.iter().find(|(other, _)| Some(other) == word);
    found.map_or(0, |(_, code)| *code)
}

/// The word of a number; `None` for 0.
pub(super) fn word<T: Copy>(
    codes: &[Code<T>],
    number: i32,
    field: &str,
) -> Result<Option<T>, Status> {
    let found = codes.iter().find(|(_, code)| *code == number);
    match found {
        Some((word, _)) => Ok(Some(*word)),
        None if number == 0 => Ok(None),
        None => Err(invalid(field, "there is no such value")),
    }
}

/// The words of numbers; `default` when there are none.
pub(super) fn words<T: Copy>(
    codes: &[Code<T>],
    numbers: &[i32],
    field: &str,
    default: &[T],
) -> Result<Vec<T>, Status> {
    if numbers.is_empty() {
        return Ok(default.to_vec());
    }
    let each = numbers.iter().map(|number| {
        let word = word(codes, *number, field)?;
        word.ok_or_else(|| invalid(field, "name each"))
    });
    each.collect()
}
