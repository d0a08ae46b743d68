//! Sends a refund to its channel, the intent first, and records what the channel says; always
//! under the same number, so that the channel makes one refund of any number of tries.

use std::sync::Arc;
use std::time::Duration;

use domain::{Backoff, ObligationKind, RefundState};
use jiff::Timestamp;
use mesh::Context;
use store::Write;
use tracing::info;

use crate::Inner;
use crate::channel::{Refund, RefundAnswer, limited};
use crate::error::GatewayError;
use crate::flow;
use crate::payment::{Account, Actor, Line};
use crate::refund::StoredRefund;

/// Who sees to it that the channel is asked what became of what was sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The obligation, due soon after the answer.
    Due,
    /// The job that sends it.
    Job,
}

/// Commits the intent and sends the refund, both whether or not the caller still waits.
pub(crate) async fn send(
    gateway: &Arc<Inner>,
    (intent, refund): (Write, StoredRefund),
    account: &Account,
    next: Next,
) -> Result<StoredRefund, GatewayError> {
    let (inner, account, no) = (Arc::clone(gateway), account.clone(), refund.no);
    let sending = Context::current().scope(async move {
        inner.db.submit(intent).await?;
        let answer = ask(&inner, &refund, &account).await;
        info!(refund = %refund.no, ?answer, "refund");
        record(&inner, refund, Told::by(answer), next).await
    });
    let sent = gateway.calls.spawn(sending).await;
    sent.unwrap_or(Err(GatewayError::RefundContended(no)))
}

/// When a refund that is sent now is asked about, should its answer be lost: after its call
/// has ended.
pub(crate) fn due(gateway: &Inner, now: Timestamp) -> Timestamp {
    now + pause(gateway, 1).max(gateway.config.swiftpass.timeout)
}

/// The pause after the `tried`-th time a refund was asked about.
pub(crate) fn pause(gateway: &Inner, tried: u32) -> Duration {
    let pause = Backoff::default().after(tried);
    pause
        .checked_div(gateway.config.compression)
        .unwrap_or(pause)
}

async fn ask(gateway: &Inner, refund: &StoredRefund, account: &Account) -> RefundAnswer {
    let request = Refund {
        out_trade_no: refund.payment.to_string(),
        out_refund_no: refund.no.to_string(),
        total: refund.total.get(),
        amount: refund.amount.get(),
        timeout: gateway.config.swiftpass.timeout,
    };
    match gateway.accounts.channel(account) {
        Some(channel) => channel.refund(&request).await,
        None => RefundAnswer::NotSent {
            why: format!("no key {}", account.key_name),
        },
    }
}

// The answer reaches the row unless the refund has ended without it. None of them ends it.
async fn record(
    gateway: &Inner,
    mut refund: StoredRefund,
    told: Told,
    next: Next,
) -> Result<StoredRefund, GatewayError> {
    let line = Line {
        event: told.event,
        actor: Actor::Reply,
        detail: told.detail,
    };
    for _ in 0..flow::DECISIONS {
        let now = gateway.db.clock().now();
        let mut to = refund.next();
        to.reason.clone_from(&told.reason);
        to.channel_refund_no = told.channel_refund_no.clone().or(to.channel_refund_no);
        let due = now + pause(gateway, 1);
        let mut write = refund.change(&to, &line, (now, due));
        if next == Next::Due {
            write = write.arm(ObligationKind::RefundQuery.code(), to.owes(), due);
        }
        if gateway.db.wins(write).await? {
            return Ok(to);
        }
        let stored = StoredRefund::get(&gateway.db, refund.no).await?;
        refund = stored.ok_or(GatewayError::RefundContended(refund.no))?;
        if refund.state != RefundState::Processing {
            return Ok(refund);
        }
    }
    Err(GatewayError::RefundContended(refund.no))
}

// What an answer is on record as.
struct Told {
    event: &'static str,
    reason: String,
    detail: String,
    channel_refund_no: Option<String>,
}

impl Told {
    fn by(answer: RefundAnswer) -> Self {
        let (event, reason, detail) = match &answer {
            RefundAnswer::Accepted { channel_refund_no } => (
                "ACCEPTED",
                String::new(),
                channel_refund_no.clone().unwrap_or_default(),
            ),
            RefundAnswer::Refused { code, message } => {
                let said = format!("{code} {message}");
                ("REFUSED", said.clone(), said)
            }
            RefundAnswer::Unknown { why } => ("NO_ANSWER", "NO_ANSWER".to_owned(), why.clone()),
            RefundAnswer::NotSent { why } => ("NOT_SENT", not_sent(why), why.clone()),
        };
        let channel_refund_no = match answer {
            RefundAnswer::Accepted { channel_refund_no } => channel_refund_no,
            _ => None,
        };
        Self {
            event,
            reason,
            detail,
            channel_refund_no,
        }
    }
}

fn not_sent(why: &str) -> String {
    let reason = match why {
        limited::BUSY => limited::BUSY,
        _ => "NOT_SENT",
    };
    reason.to_owned()
}
