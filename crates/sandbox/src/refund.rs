//! A refund: what a merchant sends back, once for each number.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::charge::Charge;

/// How a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundState {
    /// Accepted.
    Processing,
    /// The money went back.
    Success,
    /// It did not.
    Fail,
    /// Not sure: to be sent again under its number.
    Notsure,
    /// The payer's card takes nothing: to be settled by hand.
    Change,
}

impl RefundState {
    /// As messages have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Processing => "PROCESSING",
            Self::Success => "SUCCESS",
            Self::Fail => "FAIL",
            Self::Notsure => "NOTSURE",
            Self::Change => "CHANGE",
        }
    }

    /// As the ledger and the `.proto` have it.
    pub(crate) fn code(self) -> i32 {
        match self {
            Self::Processing => 1,
            Self::Success => 2,
            Self::Fail => 3,
            Self::Notsure => 4,
            Self::Change => 5,
        }
    }

    /// Reads the ledger, which checks that there are no others.
    pub(crate) fn from_code(code: i32) -> Self {
        match code {
            2 => Self::Success,
            3 => Self::Fail,
            4 => Self::Notsure,
            5 => Self::Change,
            _ => Self::Processing,
        }
    }
}

/// What a merchant asks to send back.
#[derive(Debug, Clone)]
pub(crate) struct NewRefund {
    pub(crate) out_refund_no: String,
    pub(crate) out_trade_no: String,
    pub(crate) mch_id: String,
    /// What it says was charged, in fen.
    pub(crate) total: i64,
    /// In fen.
    pub(crate) amount: i64,
}

/// A refund of the ledger.
#[derive(Debug, Clone)]
pub(crate) struct Refund {
    pub(crate) out_refund_no: String,
    pub(crate) out_trade_no: String,
    pub(crate) mch_id: String,
    /// The channel's number.
    pub(crate) channel_no: String,
    /// In fen.
    pub(crate) amount: i64,
    pub(crate) state: RefundState,
    /// How often it was sent.
    pub(crate) sent: i32,
    pub(crate) refunded_at: Option<Timestamp>,
}

/// Why a refund cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Its number was used for something else.
    OtherContent,
    /// The charge is of another amount.
    OtherTotal,
    /// There is nothing to send back: nobody paid, or all went back by a reversal.
    NotPaid,
    /// Together with the others it is more than was paid.
    TooMuch,
}

/// What is to become of a request for a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weighed {
    /// It is known, and stays as it is.
    Known,
    /// It is known, and the second request makes sure of it.
    MadeSure,
    /// It begins: the first time, or again after it had failed.
    Begins,
}

/// Weighs a request against the charge, the refund of its number, and what all others reserve.
pub(crate) fn weigh(
    asked: &NewRefund,
    charge: &Charge,
    known: Option<&Refund>,
    reserved: i64,
) -> Result<Weighed, Unfit> {
    if known.is_some_and(|known| !same(asked, known)) {
        return Err(Unfit::OtherContent);
    }
    if asked.total != charge.prepared.amount {
        return Err(Unfit::OtherTotal);
    }
    match known.map(|known| known.state) {
        None | Some(RefundState::Fail) => {}
        Some(RefundState::Notsure) => return Ok(Weighed::MadeSure),
        Some(_) => return Ok(Weighed::Known),
    }
    if !charge.state().is_paid() {
        return Err(Unfit::NotPaid);
    }
    if asked.amount > charge.prepared.amount.saturating_sub(reserved) {
        return Err(Unfit::TooMuch);
    }
    Ok(Weighed::Begins)
}

fn same(asked: &NewRefund, known: &Refund) -> bool {
    asked.out_trade_no == known.out_trade_no
        && asked.mch_id == known.mch_id
        && asked.amount == known.amount
}
