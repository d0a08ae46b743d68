//! A charge: what a merchant prepared, and the payer's one payment of it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::ledger::{Find, Pay};
use crate::wallet::Wallet;
use crate::{App, SandboxError};

/// What a merchant prepares.
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
    /// The payer in Alipay; empty elsewhere.
    pub(crate) buyer_id: String,
    /// The wallet's number of the payment, when it gives one before.
    pub(crate) wallet_no: Option<String>,
}

/// An entry of the ledger.
#[derive(Debug, Clone)]
pub(crate) struct Charge {
    pub(crate) prepared: NewCharge,
    pub(crate) payment: Option<Payment>,
    pub(crate) notice_attempts: i32,
    pub(crate) notice_acknowledged: bool,
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
        Some(_) => Paid::Expired,
        None => Paid::NotFound,
    })
}
