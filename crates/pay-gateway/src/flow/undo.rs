//! One close (c→b) or reverse (b→c) at the channel. That it is sent commits before it is, and
//! that it has ended afterwards: in between nothing that is heard of the payment is believed.

use domain::{Closure, Direction, PaymentState};
use jiff::Timestamp;
use tracing::info;

use crate::channel::{Undo, UndoAnswer};
use crate::error::GatewayError;
use crate::payment::{Actor, Closing, GRACE, Line, StoredPayment};
use crate::{Inner, flow};

/// Sends it and writes down that it ended; how, only a query tells. The payment as it stands
/// then.
pub(crate) async fn send(
    gateway: &Inner,
    payment: StoredPayment,
) -> Result<StoredPayment, GatewayError> {
    let now = gateway.db.clock().now();
    let before = payment.closing.clone();
    let sent = StoredPayment {
        closing: Closing {
            sent_at: Some(now),
            ended_at: None,
            ..before.clone()
        },
        ..payment.next()
    };
    let line = Line {
        event: events(&payment).0,
        actor: Actor::Job,
        detail: before.reason.clone(),
    };
    let write = payment.change(&sent, &line, (None, now));
    gateway.db.submit(write).await?;
    let answer = call(gateway, &sent, now).await;
    info!(out_trade_no = %sent.number, ?answer, "{}", line.event);
    let detail = told(&answer);
    ended(gateway, sent, detail, |closing, now| {
        after(&answer, (&before, closing), now)
    })
    .await
}

// How far closing has come with an answer to what was `sent`.
fn after(answer: &UndoAnswer, (before, sent): (&Closing, &Closing), now: Timestamp) -> Closing {
    let ended_at = match answer {
        UndoAnswer::Accepted | UndoAnswer::Refused { .. } => Some(now),
        // The channel may still be at it.
        UndoAnswer::Unknown { .. } => Some(now + GRACE),
        // It was none, and proves nothing.
        UndoAnswer::NotSent { .. } => return before.clone(),
    };
    Closing {
        ended_at,
        ..sent.clone()
    }
}

/// Ends one that nobody has heard of since: its sender is gone, and its time is over.
pub(crate) async fn over(
    gateway: &Inner,
    payment: StoredPayment,
) -> Result<StoredPayment, GatewayError> {
    let now = gateway.db.clock().now();
    let Some(by) = over_by(gateway, &payment).filter(|by| *by <= now) else {
        return Ok(payment);
    };
    let detail = "UNKNOWN its sender is gone".to_owned();
    ended(gateway, payment, detail, |sent, _| Closing {
        ended_at: Some(by),
        ..sent.clone()
    })
    .await
}

/// When one that is under way is over for certain, whoever sent it.
pub(crate) fn over_by(gateway: &Inner, payment: &StoredPayment) -> Option<Timestamp> {
    let under_way = payment.closing.closure() == Closure::InFlight;
    let sent_at = payment.closing.sent_at.filter(|_| under_way)?;
    Some(sent_at + gateway.config.swiftpass.timeout + GRACE)
}

// Its time runs from when it went on record, so that others know when it is over.
async fn call(gateway: &Inner, payment: &StoredPayment, sent_at: Timestamp) -> UndoAnswer {
    let until = sent_at + gateway.config.swiftpass.timeout;
    let left = gateway.db.clock().now().duration_until(until);
    let undo = Undo {
        out_trade_no: payment.number.to_string(),
        timeout: left.try_into().unwrap_or_default(),
    };
    let Some(channel) = gateway.accounts.channel(&payment.account) else {
        let why = format!("no key {}", payment.account.key_name);
        return UndoAnswer::NotSent { why };
    };
    match payment.asked.pay_type.direction() {
        Direction::CustomerScans => channel.close(&undo).await,
        Direction::MerchantScans => channel.reverse(&undo).await,
    }
}

// Evidence may have come meanwhile; the end is written whatever else there is.
async fn ended(
    gateway: &Inner,
    mut payment: StoredPayment,
    detail: String,
    end: impl Fn(&Closing, Timestamp) -> Closing,
) -> Result<StoredPayment, GatewayError> {
    let sent_at = payment.closing.sent_at;
    let line = Line {
        event: events(&payment).1,
        actor: Actor::Reply,
        detail,
    };
    for _ in 0..flow::DECISIONS {
        let now = gateway.db.clock().now();
        let to = StoredPayment {
            closing: end(&payment.closing, now),
            ..payment.next()
        };
        let write = payment.change(&to, &line, (None, now));
        if gateway.db.wins(write).await? {
            return Ok(to);
        }
        let stored = StoredPayment::get(&gateway.db, payment.number).await?;
        payment = stored.ok_or(GatewayError::Contended(payment.number))?;
        let ours = payment.closing.sent_at == sent_at && payment.state == PaymentState::Closing;
        if !ours || payment.closing.closure() != Closure::InFlight {
            return Ok(payment);
        }
    }
    Err(GatewayError::Contended(payment.number))
}

fn events(payment: &StoredPayment) -> (&'static str, &'static str) {
    match payment.asked.pay_type.direction() {
        Direction::CustomerScans => ("CLOSE_SENT", "CLOSE_ENDED"),
        Direction::MerchantScans => ("REVERSE_SENT", "REVERSE_ENDED"),
    }
}

fn told(answer: &UndoAnswer) -> String {
    let outcome = answer.outcome();
    match answer {
        UndoAnswer::Accepted => outcome.to_owned(),
        UndoAnswer::Refused { code, message } => format!("{outcome} {code} {message}"),
        UndoAnswer::Unknown { why } | UndoAnswer::NotSent { why } => format!("{outcome} {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sent_is_a_close_and_only_an_answer_ends_it_now() {
        let now = Timestamp::from_second(1_000).unwrap();
        let before = Closing {
            reason: "REVOKE".to_owned(),
            ..Closing::default()
        };
        let sent = Closing {
            sent_at: Some(now),
            ..before.clone()
        };
        let closure = |answer: UndoAnswer| after(&answer, (&before, &sent), now).closure();
        let why = String::new();
        let (code, message) = (why.clone(), why.clone());
        assert_eq!(
            closure(UndoAnswer::NotSent { why: why.clone() }),
            Closure::NotSent
        );
        let ended = Closure::Ended { at: now };
        assert_eq!(closure(UndoAnswer::Accepted), ended);
        assert_eq!(closure(UndoAnswer::Refused { code, message }), ended);
        let at = now + GRACE;
        assert_eq!(closure(UndoAnswer::Unknown { why }), Closure::Ended { at });
        assert_eq!(sent.closure(), Closure::InFlight);
    }
}
