//! The table of an order, written out a second time as data, against every state and event.

mod money;

use std::collections::HashMap;

use super::*;
use crate::late::{LateMoney, LateMoneyPolicy};
use crate::money::Fen;
use crate::refund::RefundTally;
use crate::step::Step;

/// From, event, to. A state is its status, payment and cancel type; 1 is the current attempt.
/// `{p}` is any attempt, `{src}` a payment or none, `{by}` and `{was}` anyone, `{old}` anyone
/// or nobody. The late-money policy is the default.
const MOVES: &[(&str, &str, &str)] = &[
    ("UNPAID - -", "PAY {p}", "PAYING {p} -"),
    ("PAY_FAILED 1 -", "PAY 2", "PAYING 2 -"),
    ("PAYING 1 -", "DEAD 1", "PAY_FAILED 1 -"),
    ("PAYING 1 -", "MISPAID 1", "PAY_FAILED 1 -"),
    ("PAYING 1 -", "REVERSED 1", "PAY_FAILED 1 -"),
    ("UNPAID - -", "CANCEL {by}", "REVOKED - {by}"),
    ("UNPAID - -", "PAY_LIMIT", "REVOKED - SYSTEM"),
    ("UNPAID - -", "BIND_LIMIT", "REVOKED - SYSTEM"),
    ("PAY_FAILED 1 -", "CANCEL {by}", "REVOKED 1 {by}"),
    ("PAY_FAILED 1 -", "PAY_LIMIT", "REVOKED 1 SYSTEM"),
    ("PAY_FAILED 1 -", "BIND_LIMIT", "REVOKED 1 SYSTEM"),
    ("PAYING 1 -", "CANCEL {by}", "REVOKING 1 {by}"),
    ("PAYING 1 -", "PAY_LIMIT", "REVOKING 1 SYSTEM"),
    ("REVOKING 1 {by}", "DEAD 1", "REVOKED 1 {by}"),
    ("REVOKING 1 {by}", "MISPAID 1", "REVOKED 1 {by}"),
    ("REVOKING 1 {by}", "REVERSED 1", "REVOKED 1 {by}"),
    ("REVOKE_FAILED 1 {by}", "DEAD 1", "REVOKED 1 {by}"),
    ("REVOKE_FAILED 1 {by}", "MISPAID 1", "REVOKED 1 {by}"),
    ("REVOKE_FAILED 1 {by}", "REVERSED 1", "REVOKED 1 {by}"),
    (
        "REVOKING 1 {by}",
        "REVOKE_TRIES_EXHAUSTED",
        "REVOKE_FAILED 1 {by}",
    ),
    ("REVOKE_FAILED 1 {by}", "RETRY_REVOKE", "REVOKING 1 {by}"),
    ("UNPAID - -", "SUCCEEDED {p}", "PAID {p} -"),
    ("PAYING 1 -", "SUCCEEDED {p}", "PAID {p} -"),
    ("PAY_FAILED 1 -", "SUCCEEDED {p}", "PAID {p} -"),
    ("REVOKING 1 SYSTEM", "SUCCEEDED {p}", "PAID {p} -"),
    (
        "REVOKING 1 CUSTOMER",
        "SUCCEEDED {p}",
        "REFUNDING {p} CUSTOMER",
    ),
    ("REVOKING 1 STORE", "SUCCEEDED {p}", "REFUNDING {p} STORE"),
    ("REVOKE_FAILED 1 SYSTEM", "SUCCEEDED {p}", "PAID {p} -"),
    (
        "REVOKE_FAILED 1 CUSTOMER",
        "SUCCEEDED {p}",
        "REFUNDING {p} CUSTOMER",
    ),
    (
        "REVOKE_FAILED 1 STORE",
        "SUCCEEDED {p}",
        "REFUNDING {p} STORE",
    ),
    ("REVOKED {src} SYSTEM", "SUCCEEDED {p}", "PAID {p} -"),
    (
        "REVOKED {src} CUSTOMER",
        "SUCCEEDED {p}",
        "REFUNDING {p} CUSTOMER",
    ),
    (
        "REVOKED {src} STORE",
        "SUCCEEDED {p}",
        "REFUNDING {p} STORE",
    ),
    ("PAID 1 -", "REVERSED 1", "REFUNDED 1 SYSTEM"),
    ("REFUNDING 1 {old}", "REVERSED 1", "REFUNDED 1 SYSTEM"),
    ("REFUND_FAILED 1 {old}", "REVERSED 1", "REFUNDED 1 SYSTEM"),
    ("REFUNDED 1 CUSTOMER", "REVERSED 1", "REFUNDED 1 SYSTEM"),
    ("REFUNDED 1 STORE", "REVERSED 1", "REFUNDED 1 SYSTEM"),
    ("PAID {src} -", "REQUEST_REFUND", "REFUNDING {src} -"),
    (
        "REFUNDING {src} {old}",
        "REQUEST_REFUND",
        "REFUNDING {src} {old}",
    ),
    (
        "REFUND_FAILED {src} {old}",
        "REQUEST_REFUND",
        "REFUNDING {src} {old}",
    ),
    (
        "REFUNDING {src} {old}",
        "REFUNDS failed {by}",
        "REFUND_FAILED {src} {old}",
    ),
    (
        "REFUNDING {src} -",
        "REFUNDS all {by}",
        "REFUNDED {src} {by}",
    ),
    (
        "REFUNDING {src} {was}",
        "REFUNDS all {by}",
        "REFUNDED {src} {was}",
    ),
    ("REFUNDING {src} {old}", "REFUNDS part {by}", "PAID {src} -"),
    // Not in the design's table: a failed refund that is found to have succeeded.
    (
        "REFUND_FAILED {src} -",
        "REFUNDS all {by}",
        "REFUNDED {src} {by}",
    ),
    (
        "REFUND_FAILED {src} {was}",
        "REFUNDS all {by}",
        "REFUNDED {src} {was}",
    ),
    (
        "REFUND_FAILED {src} {old}",
        "REFUNDS part {by}",
        "PAID {src} -",
    ),
];

/// Commands that had been achieved before.
const ACHIEVED: &[(&str, &str, &str)] = &[
    ("PAYING 1 -", "PAY {done}", ""),
    ("PAY_FAILED 1 -", "PAY {done}", ""),
    ("REVOKING 1 {by}", "PAY {done}", ""),
    ("REVOKE_FAILED 1 {by}", "PAY {done}", ""),
    ("REVOKED 1 {by}", "PAY {done}", ""),
    ("PAID 1 -", "PAY {done}", ""),
    ("REFUNDING 1 {old}", "PAY {done}", ""),
    ("REFUNDED 1 {by}", "PAY {done}", ""),
    ("REFUND_FAILED 1 {old}", "PAY {done}", ""),
    ("REVOKING 1 {by}", "CANCEL {was}", ""),
    ("REVOKE_FAILED 1 {by}", "CANCEL {was}", ""),
    ("REVOKED {src} {by}", "CANCEL {was}", ""),
    ("REVOKING 1 {by}", "PAY_LIMIT", ""),
    ("REVOKE_FAILED 1 {by}", "PAY_LIMIT", ""),
    ("REVOKED {src} {by}", "PAY_LIMIT", ""),
    ("REVOKED {src} {by}", "BIND_LIMIT", ""),
    ("REVOKE_FAILED 1 {by}", "REVOKE_TRIES_EXHAUSTED", ""),
    ("REVOKING 1 {by}", "RETRY_REVOKE", ""),
    ("REVOKED {src} {by}", "RETRY_REVOKE", ""),
];

const VARIABLES: [(&str, &[&str]); 6] = [
    ("{p}", &["0", "1", "2"]),
    ("{done}", &["0", "1"]),
    ("{src}", &["1", "-"]),
    ("{by}", &["SYSTEM", "CUSTOMER", "STORE"]),
    ("{was}", &["SYSTEM", "CUSTOMER", "STORE"]),
    ("{old}", &["-", "SYSTEM", "CUSTOMER", "STORE"]),
];

fn expand(rows: &[(&str, &str, &str)]) -> HashMap<(String, String), String> {
    let mut lines: Vec<String> = rows
        .iter()
        .map(|(f, e, t)| format!("{f}|{e}|{t}"))
        .collect();
    for (variable, values) in VARIABLES {
        let fill = |line: String| {
            values
                .iter()
                .map(move |value| line.replace(variable, value))
        };
        lines = lines.into_iter().flat_map(fill).collect();
    }
    let cells = |line: String| {
        let cell: Vec<&str> = line.split('|').collect();
        ((cell[0].to_owned(), cell[1].to_owned()), cell[2].to_owned())
    };
    lines.into_iter().map(cells).collect()
}

fn attempt(number: u16) -> Attempt {
    Attempt::new(number).unwrap()
}

fn payment(number: u16) -> PaidSource {
    PaidSource::Payment(attempt(number))
}

fn text(state: OrderState) -> String {
    let payment = state
        .payment()
        .map_or("-".to_owned(), |payment| payment.to_string());
    let by = state.canceled_by().map_or("-", CanceledBy::name);
    format!("{} {payment} {by}", state.status())
}

/// Every state whose attempt, if it has one, is 1.
fn states() -> Vec<OrderState> {
    let mut all = Vec::new();
    for status in OrderStatus::ALL {
        for payment in [None, Some(attempt(1))] {
            for code in 0..=3 {
                let by = CanceledBy::from_column(code).unwrap();
                all.extend(OrderState::restore(*status, payment, by));
            }
        }
    }
    all
}

fn commands() -> Vec<(String, OrderCommand)> {
    use OrderCommand as C;
    let pay = (0..3).map(|p| {
        (
            format!("PAY {p}"),
            C::Pay {
                payment: attempt(p),
            },
        )
    });
    let cancel = CanceledBy::ALL
        .iter()
        .map(|by| (format!("CANCEL {by}"), C::Cancel { by: *by }));
    let plain = [
        C::PayLimit,
        C::BindLimit,
        C::RevokeTriesExhausted,
        C::RetryRevoke,
        C::RequestRefund,
    ];
    let plain = plain
        .into_iter()
        .map(|command| (command.name().to_owned(), command));
    pay.chain(cancel).chain(plain).collect()
}

fn facts() -> Vec<(String, OrderFact)> {
    use OrderFact as F;
    let mut all = Vec::new();
    for payment in (0..3).map(attempt) {
        for fact in [
            F::Succeeded { payment },
            F::Dead { payment },
            F::Mispaid { payment },
            F::Reversed { payment },
            F::Regained { payment },
        ] {
            all.push((format!("{} {payment}", fact.name()), fact));
        }
    }
    let tally = |open, failed, refunded| RefundTally {
        paid: Fen::new(10),
        refunded: Fen::new(refunded),
        reserved: Fen::new(10),
        open,
        failed,
    };
    let tallies = [
        ("open", tally(1, 1, 0)),
        ("failed", tally(0, 1, 5)),
        ("all", tally(0, 0, 10)),
        ("part", tally(0, 0, 9)),
    ];
    for (name, tally) in tallies {
        for by in CanceledBy::ALL {
            all.push((
                format!("REFUNDS {name} {by}"),
                F::RefundsChanged { tally, by: *by },
            ));
        }
    }
    all
}

fn fact(state: OrderState, fact: OrderFact) -> OrderStep {
    state.fact(fact, &LateMoneyPolicy::default())
}

#[test]
fn there_are_thirty_nine_states_to_try() {
    // 1 unpaid, 2 with a payment, 2 × 3 being revoked, 2 × 3 revoked, 2 paid, 2 × 3 refunded,
    // and 2 × 4 each refunding and with a failed refund.
    assert_eq!(states().len(), 1 + 2 + 6 + 6 + 2 + 6 + 8 + 8);
}

#[test]
fn a_command_moves_only_by_the_table() {
    let (moves, achieved) = (expand(MOVES), expand(ACHIEVED));
    for state in states() {
        for (name, command) in commands() {
            let key = (text(state), name);
            match state.command(command) {
                Ok(Step::Moved(to, _)) => assert_eq!(Some(&text(to)), moves.get(&key), "{key:?}"),
                Ok(Step::Already) => assert!(achieved.contains_key(&key), "{key:?}"),
                Ok(Step::Unchanged(_)) => panic!("a command never leaves things open: {key:?}"),
                Err(_) => {
                    assert!(
                        !moves.contains_key(&key) && !achieved.contains_key(&key),
                        "{key:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_fact_moves_only_by_the_table_and_is_never_an_error() {
    let moves = expand(MOVES);
    for state in states() {
        for (name, event) in facts() {
            let key = (text(state), name);
            let to = fact(state, event).moved_to().map(text);
            assert_eq!(to.as_ref(), moves.get(&key), "{key:?}");
        }
    }
}

#[test]
fn every_row_of_the_table_is_tried() {
    let tried: Vec<(String, String)> = states()
        .into_iter()
        .flat_map(|state| {
            let names = commands().into_iter().map(|(name, _)| name);
            let names = names.chain(facts().into_iter().map(|(name, _)| name));
            names
                .map(move |name| (text(state), name))
                .collect::<Vec<_>>()
        })
        .collect();
    for key in expand(MOVES).keys().chain(expand(ACHIEVED).keys()) {
        assert!(tried.contains(key), "{key:?}");
    }
}

#[test]
fn a_paid_order_never_closes() {
    for state in states()
        .into_iter()
        .filter(|state| state.status().is_paid_or_later())
    {
        for (_, command) in commands() {
            let to = state.command(command).ok().and_then(|step| step.moved_to());
            assert!(to.is_none_or(|to| to.status().is_paid_or_later()));
        }
        for (_, event) in facts() {
            let to = fact(state, event).moved_to();
            assert!(to.is_none_or(|to| to.status().is_paid_or_later()));
        }
    }
}

#[test]
fn a_refused_command_says_what_it_was() {
    let paid = OrderState::CREATED_PAID;
    let error = paid.command(OrderCommand::PayLimit).unwrap_err();
    assert_eq!(
        error.to_string(),
        "order in state PAID does not take PAY_LIMIT"
    );
}

#[test]
fn what_resists_raises_an_alarm() {
    let revoking = OrderState::Revoking {
        payment: attempt(1),
        by: CanceledBy::System,
    };
    let step = revoking
        .command(OrderCommand::RevokeTriesExhausted)
        .unwrap();
    assert_eq!(
        step.owed(),
        Some(&vec![Consequence::Alarm(Alarm::RevokeFailed)])
    );
    for (name, event) in facts()
        .into_iter()
        .filter(|(name, _)| name.starts_with("REFUNDS"))
    {
        let refunding = OrderState::Refunding {
            source: payment(1),
            by: None,
        };
        let owed = fact(refunding, event);
        let alarmed = owed.owed() == Some(&vec![Consequence::Alarm(Alarm::RefundFailed)]);
        assert_eq!(alarmed, name.contains("failed"), "{name}");
    }
}

#[test]
fn a_state_reads_back_from_its_columns() {
    for state in states() {
        let read = OrderState::restore(state.status(), state.payment(), state.canceled_by());
        assert_eq!(read, Ok(state));
        let column = CanceledBy::to_column(state.canceled_by());
        assert_eq!(CanceledBy::from_column(column), Ok(state.canceled_by()));
    }
    let corrupt = OrderState::restore(OrderStatus::Paying, None, None).unwrap_err();
    assert_eq!(
        corrupt.to_string(),
        "an order in status PAYING cannot have payment None and cancel type None"
    );
}

#[test]
fn nobody_has_cancelled_an_order_that_is_only_being_revoked() {
    for state in states() {
        let pending = matches!(
            state.status(),
            OrderStatus::Revoking | OrderStatus::RevokeFailed
        );
        let expected = if pending { None } else { state.canceled_by() };
        assert_eq!(state.cancel_type(), expected, "{state:?}");
    }
}

#[test]
fn a_counter_order_is_delivered_once_paid() {
    assert_eq!(
        OrderKind::Store.fulfilment_once_paid(),
        Fulfilment::Delivered
    );
    assert_eq!(
        OrderKind::Official.fulfilment_once_paid(),
        Fulfilment::PendingAccept
    );
    let arrive_paid = OrderKind::ALL.iter().map(|kind| kind.may_arrive_paid());
    assert!(arrive_paid.eq([false, true, true]));
}
