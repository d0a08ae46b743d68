//! The table of a refund, written out a second time as data, against every state and event.

use super::*;
use crate::money::Fen;
use crate::order::OrderStatus;

const COMMANDS: [RefundCommand; 4] = [C::Approve, C::Reject, C::Retry, C::SettledByHand];
const FACTS: [(&str, RefundFact); 6] = [
    ("ACCEPTED", F::Accepted),
    ("UNKNOWN", F::Unknown),
    ("SUCCESS", F::QuerySucceeded),
    ("FAIL", F::QueryFailed(RefundFailure::Channel)),
    ("CHANGE", F::QueryFailed(RefundFailure::Change)),
    ("PAYMENT_REVERSED", F::PaymentReversed),
];

const MOVES: &[(&str, &str, &str)] = &[
    ("REQUESTED", "APPROVE", "PROCESSING"),
    ("REQUESTED", "REJECT", "REJECTED"),
    ("PROCESSING", "SUCCESS", "SUCCEEDED"),
    ("PROCESSING", "FAIL", "FAILED"),
    ("PROCESSING", "CHANGE", "FAILED"),
    ("FAILED", "RETRY", "PROCESSING"),
    ("FAILED", "SUCCESS", "SUCCEEDED"),
    ("FAILED", "SETTLED_BY_HAND", "SUCCEEDED"),
    // From the order's table: a reversal ends what is open.
    ("REQUESTED", "PAYMENT_REVERSED", "FAILED"),
    ("PROCESSING", "PAYMENT_REVERSED", "FAILED"),
];

const ACHIEVED: &[(&str, &str)] = &[
    ("PROCESSING", "APPROVE"),
    ("SUCCEEDED", "APPROVE"),
    ("FAILED", "APPROVE"),
    ("REJECTED", "REJECT"),
    ("PROCESSING", "RETRY"),
    ("SUCCEEDED", "RETRY"),
    ("SUCCEEDED", "SETTLED_BY_HAND"),
];

fn row(from: S, event: &str) -> Option<&'static str> {
    let mut rows = MOVES.iter();
    rows.find(|(state, name, _)| *state == from.name() && *name == event)
        .map(|(_, _, to)| *to)
}

#[test]
fn a_command_moves_only_by_the_table() {
    for from in S::ALL {
        for command in COMMANDS {
            let name = command.name();
            let achieved = ACHIEVED.contains(&(from.name(), name));
            match from.command(command) {
                Ok(Step::Moved(to, _)) => assert_eq!(row(*from, name), Some(to.name())),
                Ok(Step::Already) => assert!(achieved, "{from} {name}"),
                Ok(Step::Unchanged(_)) => panic!("a command never leaves things open"),
                Err(error) => {
                    assert!(row(*from, name).is_none() && !achieved, "{from} {name}");
                    assert_eq!((error.from, error.event), (from.name(), name));
                }
            }
        }
    }
}

#[test]
fn a_fact_moves_only_by_the_table() {
    for from in S::ALL {
        for (name, fact) in FACTS {
            let to = from.fact(fact).moved_to().map(S::name);
            assert_eq!(to, row(*from, name), "{from} {name}");
        }
    }
}

#[test]
fn only_a_rejected_refund_releases_its_amount_and_only_a_success_is_settled() {
    let mut steps: Vec<RefundStep> = Vec::new();
    for from in S::ALL {
        steps.extend(COMMANDS.iter().flat_map(|command| from.command(*command)));
        steps.extend(FACTS.iter().map(|(_, fact)| from.fact(*fact)));
    }
    for step in steps {
        let Some(effects) = step.owed() else { continue };
        let to = step.moved_to();
        assert_eq!(
            effects.reservation == Reservation::Release,
            to == Some(S::Rejected)
        );
        assert_eq!(effects.settle, to == Some(S::Succeeded));
        assert_eq!(effects.failure.is_some(), to == Some(S::Failed));
    }
}

#[test]
fn a_failure_is_kept_with_its_reason() {
    let failure = |fact| {
        S::Processing
            .fact(fact)
            .owed()
            .and_then(|effects| effects.failure)
    };
    assert_eq!(
        failure(F::QueryFailed(RefundFailure::Change)),
        Some(RefundFailure::Change)
    );
    assert_eq!(failure(F::PaymentReversed), Some(RefundFailure::Reversed));
}

#[test]
fn only_what_a_caller_asks_for_waits_for_approval() {
    let payment = "W1709250000000100010001T".parse().unwrap();
    for origin in RefundOrigin::ALL {
        let asked = *origin == RefundOrigin::Asked;
        assert_eq!(origin.first_state() == S::Requested, asked);
        assert_eq!(origin.first_state() == S::Processing, !asked);
        assert_eq!(origin.key(payment).is_none(), asked);
    }
    let key = RefundOrigin::Late.key(payment).unwrap();
    assert_eq!(key, "late:W1709250000000100010001T");
    assert_eq!(
        RefundOrigin::Surplus.key(payment).unwrap(),
        key.replace("late", "surplus")
    );
}

/// Every set of refund states.
fn subsets() -> impl Iterator<Item = Vec<S>> {
    let member = |set: usize, at: usize| set & (1 << at) != 0;
    (0..1_usize << S::ALL.len()).map(move |set| {
        (0..S::ALL.len())
            .filter(|at| member(set, *at))
            .map(|at| S::ALL[at])
            .collect()
    })
}

#[test]
fn the_order_shows_its_most_urgent_refund() {
    for refunds in subsets() {
        let has = |state| refunds.contains(&state);
        let expected = match () {
            () if has(S::Processing) => "PROCESSING",
            () if has(S::Requested) => "REQUESTED",
            () if has(S::Failed) => "FAILED",
            () if has(S::Succeeded) => "SUCCEEDED",
            () if has(S::Rejected) => "REJECTED",
            () => "NONE",
        };
        assert_eq!(
            RefundStatus::of(OrderStatus::Paid, &refunds).name(),
            expected
        );
        let refunded = RefundStatus::of(OrderStatus::Refunded, &refunds);
        assert_eq!(refunded, RefundStatus::Succeeded);
    }
}

#[test]
fn a_tally_reserves_all_but_the_rejected() {
    let refunds = [
        (S::Requested, 1),
        (S::Processing, 2),
        (S::Rejected, 4),
        (S::Succeeded, 8),
        (S::Failed, 16),
    ];
    let refunds = refunds.map(|(state, fen)| (state, Fen::new(fen)));
    let tally = RefundTally::of(Fen::new(100), refunds).unwrap();
    let expected = RefundTally {
        paid: Fen::new(100),
        refunded: Fen::new(8),
        reserved: Fen::new(27),
        open: 2,
        failed: 1,
    };
    assert_eq!(tally, expected);
    assert_eq!(tally.refundable(), Fen::new(73));
    let huge = [
        (S::Succeeded, Fen::new(i64::MAX)),
        (S::Succeeded, Fen::new(1)),
    ];
    assert_eq!(RefundTally::of(Fen::new(1), huge), None);
}

#[test]
fn an_ended_tally_has_exactly_one_outcome() {
    for refunds in subsets() {
        for paid in [6, 7] {
            let amounts = refunds.iter().map(|state| (*state, Fen::new(6)));
            let tally = RefundTally::of(Fen::new(paid), amounts).unwrap();
            let outcomes = [
                tally.has_ended_with_failure(),
                tally.has_returned_all(),
                tally.has_ended_in_part(),
            ];
            let count = outcomes.into_iter().filter(|outcome| *outcome).count();
            assert_eq!(
                count,
                usize::from(!refunds.iter().any(|state| state.is_open()))
            );
            let all = refunds.contains(&S::Succeeded) && paid == 6;
            let ended = count == 1 && !refunds.contains(&S::Failed);
            assert_eq!(tally.has_returned_all(), all && ended);
        }
    }
}
