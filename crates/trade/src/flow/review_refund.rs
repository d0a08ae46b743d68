//! What people decide about a refund: `ApproveRefund`, `RejectRefund`, `RetryRefund` and
//! `ConfirmRefund`.

use domain::{IllegalTransition, RefundCommand, RefundFact, RefundFailure, RefundNo, RefundState};
use jiff::Timestamp;
use proto::trade::v1 as wire;
use work::{By, Violations};

use crate::Inner;
use crate::error::TradeError;
use crate::flow::refunds::{Move, check_reason, moved, read, told_of};
use crate::order::{Line, StoredOrder};
use crate::refund::StoredRefund;

const EVIDENCE: usize = 100;

/// A refund and its order.
pub(crate) type Reviewed = Result<(StoredRefund, StoredOrder), TradeError>;

/// Lets a REQUESTED refund go.
pub(crate) async fn approve(trade: &Inner, refund_no: &str, by: &By) -> Reviewed {
    let no = number(trade, refund_no)?;
    moved(trade, no, |refund, now| {
        let to = commanded(refund, RefundCommand::Approve, now)?;
        Ok(to.map(|to| said(trade, to, by, ("APPROVE_REFUND", ""))))
    })
    .await
}

/// Refuses a REQUESTED refund.
pub(crate) async fn reject(
    trade: &Inner,
    request: &wire::RejectRefundRequest,
    by: &By,
) -> Reviewed {
    let mut wrong = Violations::default();
    let no = wrong.take("refund_no", read(&request.refund_no));
    check_reason(&mut wrong, &request.reason);
    wrong.into_result()?;
    let no = known_here(trade, no, &request.refund_no)?;
    let why = request.reason.as_str();
    moved(trade, no, |refund, now| {
        let to = commanded(refund, RefundCommand::Reject, now)?;
        Ok(to.map(|to| {
            let refusal = why.to_owned();
            said(
                trade,
                StoredRefund { refusal, ..to },
                by,
                ("REJECT_REFUND", why),
            )
        }))
    })
    .await
}

/// Sends a FAILED refund again, under the same number.
pub(crate) async fn retry(trade: &Inner, refund_no: &str, by: &By) -> Reviewed {
    let no = number(trade, refund_no)?;
    moved(trade, no, |refund, now| {
        if refund.failure == Some(RefundFailure::Reversed) {
            // The channel took the money back itself.
            return Err(refused("REVERSED", RefundCommand::Retry).into());
        }
        let to = commanded(refund, RefundCommand::Retry, now)?;
        Ok(to.map(|to| {
            let retry = to.retry.saturating_add(1);
            let to = StoredRefund { retry, ..to };
            said(trade, to, by, ("RETRY_REFUND", ""))
        }))
    })
    .await
}

/// Says that the money went back outside of the channel.
pub(crate) async fn confirm(
    trade: &Inner,
    request: &wire::ConfirmRefundRequest,
    by: &By,
) -> Reviewed {
    let mut wrong = Violations::default();
    let no = wrong.take("refund_no", read(&request.refund_no));
    let evidence = request.evidence.trim();
    let right =
        (1..=EVIDENCE).contains(&evidence.chars().count()) && !evidence.contains(char::is_control);
    wrong.unless(
        right,
        "evidence",
        "must be 1 to 100 characters without control characters, like the platform's number or a bank slip's",
    );
    wrong.into_result()?;
    let no = known_here(trade, no, &request.refund_no)?;
    moved(trade, no, |refund, now| {
        let to = settled_by_hand(refund, now)?.map(|to| StoredRefund {
            evidence: evidence.to_owned(),
            refunded_at: Some(now),
            ..to
        });
        Ok(to.map(|to| said(trade, to, by, ("CONFIRM_REFUND", evidence))))
    })
    .await
}

// A platform's word ends what is PROCESSING there; a payment of ours must have FAILED before.
fn settled_by_hand(
    refund: &StoredRefund,
    now: Timestamp,
) -> Result<Option<StoredRefund>, TradeError> {
    match (refund.payment, refund.state) {
        (None, RefundState::Processing) => Ok(refund.after(RefundFact::QuerySucceeded, now)),
        _ => commanded(refund, RefundCommand::SettledByHand, now),
    }
}

// None: it was done before.
fn commanded(
    refund: &StoredRefund,
    command: RefundCommand,
    now: Timestamp,
) -> Result<Option<StoredRefund>, TradeError> {
    let step = refund.state.command(command)?;
    Ok(step.moved_to().map(|state| StoredRefund {
        state,
        failure: None,
        changed_at: now,
        ..refund.clone()
    }))
}

fn said(trade: &Inner, to: StoredRefund, by: &By, (event, what): (&'static str, &str)) -> Move {
    let line = Line {
        event,
        actor: by.actor.clone().into(),
        detail: told_of(trade, &to, what),
    };
    Move { to, line }
}

fn refused(from: &'static str, command: RefundCommand) -> IllegalTransition {
    IllegalTransition {
        machine: "refund",
        from,
        event: command.name(),
    }
}

/// A refund's number as a caller sends it.
pub(crate) fn number(trade: &Inner, text: &str) -> Result<RefundNo, TradeError> {
    let mut wrong = Violations::default();
    let no = wrong.take("refund_no", read(text));
    wrong.into_result()?;
    known_here(trade, no, text)
}

// Another environment's refund is none of ours, whatever its digits.
fn known_here(trade: &Inner, no: Option<RefundNo>, text: &str) -> Result<RefundNo, TradeError> {
    no.filter(|no| no.environment() == trade.environment)
        .map(|no| no.in_environment(domain::Environment::PRODUCTION))
        .ok_or_else(|| TradeError::RefundNotFound(text.to_owned()))
}
