//! A charge: what a merchant asked for, and the payer's one payment of it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::ledger::{Find, Pay};
use crate::state::{Stage, TradeState};
use crate::wallet::{Wallet, Way};
use crate::{App, SandboxError};

/// What a merchant asks a payer for.
#[derive(Debug, Clone)]
pub(crate) struct NewCharge {
    pub(crate) out_trade_no: String,
    pub(crate) mch_id: String,
    /// Whose key signs: the merchant, its chain or its agent.
    pub(crate) signer: String,
    pub(crate) token_id: String,
    /// In fen.
    pub(crate) amount: i64,
    pub(crate) body: String,
    pub(crate) attach: String,
    pub(crate) device_info: String,
    pub(crate) sub_openid: String,
    pub(crate) sub_appid: String,
    /// `None`: no notice is wanted.
    pub(crate) notify_url: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) wallet: Wallet,
    pub(crate) way: Way,
    /// The payer in Alipay; empty elsewhere.
    pub(crate) buyer_id: String,
    /// The wallet's number of the payment, when it gives one before.
    pub(crate) wallet_no: Option<String>,
}

impl NewCharge {
    /// `trade_type`.
    pub(crate) fn trade_type(&self) -> &'static str {
        self.wallet.trade_type(self.way)
    }
}

/// An entry of the ledger.
#[derive(Debug, Clone)]
pub(crate) struct Charge {
    pub(crate) prepared: NewCharge,
    pub(crate) payment: Option<Payment>,
    pub(crate) stage: Stage,
    /// What went back by refunds that succeeded, in fen.
    pub(crate) refunded: i64,
    pub(crate) notice_attempts: i32,
    pub(crate) notice_acknowledged: bool,
}

impl Charge {
    /// How it stands. One that nobody paid is NOTPAY for ever: that its time limit closes it is
    /// said nowhere.
    pub(crate) fn state(&self) -> TradeState {
        match (self.stage, &self.payment) {
            (Stage::Reversed, _) => TradeState::Reverse,
            (_, Some(_)) if self.refunded > 0 => TradeState::Refund,
            (_, Some(_)) => TradeState::Success,
            (Stage::Plain, None) => TradeState::NotPay,
            (Stage::Closed, None) => TradeState::Closed,
            (Stage::UserPaying, None) => TradeState::UserPaying,
            (Stage::PayError, None) => TradeState::PayError,
        }
    }
}

/// What a payer paid.
#[derive(Debug, Clone)]
pub(crate) struct Payment {
    pub(crate) transaction_id: String,
    pub(crate) out_transaction_id: String,
    pub(crate) paid_at: Timestamp,
}

/// What became of an attempt to pay.
#[derive(Debug)]
pub(crate) enum Paid {
    /// It is paid: by this attempt or an earlier one.
    Charged(Box<Charge>),
    /// The merchant's time limit is over and nobody had paid.
    Expired,
    /// It was closed, reversed or declined, and nobody had paid.
    Closed,
    /// Nothing was prepared under that number.
    NotFound,
}

/// The payer pays, at most once; the first notice becomes due.
pub(crate) async fn pay(app: &Arc<App>, out_trade_no: String) -> Result<Paid, SandboxError> {
    let first_pause = app.settings.notify_schedule.first().copied();
    pay_quietly(app, out_trade_no, first_pause.unwrap_or_default()).await
}

/// The payer pays, at most once; the first notice becomes due after `pause`.
pub(crate) async fn pay_quietly(
    app: &Arc<App>,
    out_trade_no: String,
    pause: Duration,
) -> Result<Paid, SandboxError> {
    let now = app.clock.now();
    let notice_due = now.checked_add(pause).unwrap_or(now);
    let find = Find::Order(out_trade_no.clone());
    let charged = app
        .ledger
        .call(Pay {
            out_trade_no,
            now,
            notice_due,
        })
        .await?;
    if charged {
        app.wake.notify_one();
    }
    let charge = app.ledger.call(find).await?;
    Ok(match charge {
        Some(charge) if charge.payment.is_some() => Paid::Charged(Box::new(charge)),
        Some(charge) if charge.state().is_open() => Paid::Expired,
        Some(_) => Paid::Closed,
        None => Paid::NotFound,
    })
}
