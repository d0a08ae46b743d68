//! inbox: each stored callback is taken into its payment; one that does not match in every
//! field is flagged, never believed and never dropped.

use async_trait::async_trait;
use domain::{Fen, Finding, ObligationKind, OutTradeNo, Source};
use jiff::Timestamp;
use store::obligation::Claimed;
use store::{Guard, Row, StoreError, Write, row};
use tracing::{error, info};
use work::{Job, Verdict};

use crate::channel::Paid;
use crate::error::GatewayError;
use crate::flow::receive::{NOT_PAID, PAID};
use crate::payment::{AMOUNT_DIFFERS, Actor, Line, StoredPayment};
use crate::{Inner, PayGateway, flow, queries};

/// The job of [`ObligationKind::Inbox`].
pub(crate) struct Inbox(pub(crate) PayGateway);

static FLAGGED: Guard = Guard {
    insert: &queries::INBOX_FLAGS_INSERT,
    winner: &queries::INBOX_FLAGS_WINNER,
    key: &[0],
};

/// A stored callback, as far as matching needs it.
struct Letter {
    id: i64,
    mch_id: String,
    out_trade_no: String,
    channel_trade_no: String,
    amount: Option<i64>,
    currency: String,
    paid: i16,
    paid_at: Option<Timestamp>,
    received_at: Timestamp,
}

#[async_trait]
impl Job for Inbox {
    fn kind(&self) -> i16 {
        ObligationKind::Inbox.code()
    }

    fn name(&self) -> &'static str {
        "inbox"
    }

    async fn run(&self, owed: &Claimed) -> Verdict {
        match take(&self.0.0, owed.subject).await {
            Ok(verdict) => verdict,
            Err(error) => Verdict::Retry(error.to_string()),
        }
    }
}

async fn take(gateway: &Inner, id: i64) -> Result<Verdict, GatewayError> {
    let row = gateway
        .db
        .fetch_optional(&queries::INBOX_GET, row![id])
        .await?;
    let Some(letter) = row.map(|row| Letter::read(&row)).transpose()? else {
        return Ok(Verdict::GiveUp("its inbox row is missing".to_owned()));
    };
    let number = letter.out_trade_no.parse::<OutTradeNo>();
    let ours = number
        .ok()
        .filter(|number| number.environment == gateway.environment);
    let Some(number) = ours else {
        return flag(gateway, &letter, "NUMBER_UNKNOWN").await;
    };
    for _ in 0..flow::DECISIONS {
        let Some(payment) = StoredPayment::get(&gateway.db, number).await? else {
            return flag(gateway, &letter, "NUMBER_UNKNOWN").await;
        };
        if let Some(reason) = mismatch(&letter, &payment) {
            return flag(gateway, &letter, reason).await;
        }
        match record(gateway, &letter, &payment).await {
            Err(error) if error.is_conflict() => {}
            outcome => return outcome.map(|()| Verdict::Done),
        }
    }
    Err(GatewayError::Contended(number))
}

fn mismatch(letter: &Letter, payment: &StoredPayment) -> Option<&'static str> {
    if letter.mch_id != payment.account.mch_id {
        return Some("MERCHANT_DIFFERS");
    }
    match letter.paid {
        // Other money than was asked for is believed of a query alone.
        PAID if letter.amount.map(Fen::new) != Some(payment.amount()) => Some(AMOUNT_DIFFERS),
        PAID if letter.currency != "CNY" => Some("CURRENCY_DIFFERS"),
        PAID | NOT_PAID => None,
        _ => Some("UNCLEAR"),
    }
}

async fn record(
    gateway: &Inner,
    letter: &Letter,
    payment: &StoredPayment,
) -> Result<(), GatewayError> {
    let now = gateway.db.clock().now();
    // A try to pay that failed says only that the payer was there; another may succeed.
    let (finding, event) = match letter.paid {
        PAID => (Finding::Succeeded, "CALLBACK_PAID"),
        _ => (Finding::Waiting, "CALLBACK_NOT_PAID"),
    };
    let line = Line {
        event,
        actor: Actor::Callback,
        detail: letter.channel_trade_no.clone(),
    };
    let found = (finding, Source::Callback, now);
    let (to, write) = flow::find(gateway, payment, found, &line, |to| {
        to.reason = String::new();
        if let Some(money) = letter.money() {
            to.take(&money, letter.received_at);
        }
    });
    let write = write.end(ObligationKind::Inbox.code(), (letter.id, 0));
    gateway.db.submit(write).await?;
    info!(out_trade_no = %to.number, state = %to.state, event, "payment");
    Ok(())
}

async fn flag(
    gateway: &Inner,
    letter: &Letter,
    reason: &'static str,
) -> Result<Verdict, GatewayError> {
    let now = gateway.db.clock().now();
    let guard = row![letter.id, reason, letter.out_trade_no.clone(), now];
    let write = Write::new("inbox/flag", &FLAGGED, guard)
        .arm(ObligationKind::Match.code(), (letter.id, 0), now)
        .end(ObligationKind::Inbox.code(), (letter.id, 0));
    error!(
        inbox = letter.id,
        out_trade_no = letter.out_trade_no,
        reason,
        "callback matches no payment"
    );
    metrics::counter!("gateway_callbacks_flagged_total", "reason" => reason).increment(1);
    let won = gateway.db.wins(write).await?;
    Ok(if won { Verdict::Done } else { Verdict::Moot })
}

impl Letter {
    // What it says came, if it says so; its currency was looked at.
    fn money(&self) -> Option<Paid> {
        let amount = self.amount.filter(|_| self.paid == PAID)?;
        Some(Paid {
            channel_trade_no: self.channel_trade_no.clone(),
            amount,
            currency: self.currency.clone(),
            paid_at: self.paid_at,
        })
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.int("id")?,
            mch_id: row.text("mch_id")?,
            out_trade_no: row.text("out_trade_no")?,
            channel_trade_no: row.text("channel_trade_no")?,
            amount: row.opt_int("amount")?,
            currency: row.text("currency")?,
            paid: row.small("paid")?,
            paid_at: row.opt_time("paid_at")?,
            received_at: row.time("received_at")?,
        })
    }
}
