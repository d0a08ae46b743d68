//! What an order owes for money: that comes, comes late, comes twice, or goes.

use super::*;

#[test]
fn a_success_is_settled_whatever_the_order_is() {
    for state in states() {
        for number in 0..3 {
            let payment = attempt(number);
            let step = fact(state, OrderFact::Succeeded { payment });
            let settles = step
                .owed()
                .is_some_and(|owed| owed.contains(&Consequence::Settle(payment)));
            let is_repeat = state.source() == Some(PaidSource::Payment(payment));
            assert_eq!(settles, !is_repeat, "{state:?} {number}");
        }
    }
}

#[test]
fn late_money_always_leaves_a_remedy() {
    for state in states() {
        let step = fact(
            state,
            OrderFact::Succeeded {
                payment: attempt(1),
            },
        );
        let owed = step.owed().unwrap();
        let revoked = matches!(state.status().code(), 4..=6);
        assert_eq!(
            owed.contains(&Consequence::Remedy(attempt(1))),
            revoked,
            "{state:?}"
        );
        let refunds = matches!(step.moved_to(), Some(OrderState::Refunding { .. }));
        assert_eq!(
            owed.contains(&Consequence::LateRefund(attempt(1))),
            refunds,
            "{state:?}"
        );
    }
}

#[test]
fn the_policy_of_the_order_decides_on_late_money() {
    let revoked = OrderState::Revoked {
        payment: None,
        by: CanceledBy::Store,
    };
    let keep = LateMoneyPolicy {
        store: LateMoney::KeepPaid,
        ..LateMoneyPolicy::default()
    };
    let step = revoked.fact(
        OrderFact::Succeeded {
            payment: attempt(1),
        },
        &keep,
    );
    assert_eq!(
        step.moved_to(),
        Some(OrderState::Paid { source: payment(1) })
    );
}

#[test]
fn a_second_payment_is_refunded_and_changes_nothing() {
    for state in states() {
        let step = fact(
            state,
            OrderFact::Succeeded {
                payment: attempt(2),
            },
        );
        let surplus = step
            .owed()
            .unwrap()
            .contains(&Consequence::SurplusRefund(attempt(2)));
        assert_eq!(surplus, state.status().is_paid_or_later(), "{state:?}");
        assert_eq!(surplus, step.moved_to().is_none(), "{state:?}");
    }
}

#[test]
fn a_live_payment_is_closed_when_another_one_paid() {
    let paying = OrderState::Paying {
        payment: attempt(1),
    };
    let owed = |number| {
        fact(
            paying,
            OrderFact::Succeeded {
                payment: attempt(number),
            },
        )
    };
    let close = Consequence::ClosePayment(attempt(1));
    assert!(owed(0).owed().unwrap().contains(&close));
    assert!(!owed(1).owed().unwrap().contains(&close));
}

#[test]
fn a_reversal_of_counted_money_is_told_and_settled() {
    let paid = OrderState::Paid { source: payment(1) };
    let step = fact(
        paid,
        OrderFact::Reversed {
            payment: attempt(1),
        },
    );
    let expected = vec![
        Consequence::Remedy(attempt(1)),
        Consequence::SettleReversal(attempt(1)),
        Consequence::FailOpenRefunds(attempt(1)),
        Consequence::Alarm(Alarm::Reversed),
    ];
    let refunded = OrderState::Refunded {
        source: payment(1),
        by: CanceledBy::System,
    };
    assert_eq!(step, Step::Moved(refunded, expected));
    let again = fact(
        refunded,
        OrderFact::Reversed {
            payment: attempt(1),
        },
    );
    let open = vec![Consequence::FailOpenRefunds(attempt(1))];
    assert_eq!(again, Step::Unchanged(open));
}

#[test]
fn money_of_another_amount_is_settled_and_goes_back_with_a_remedy() {
    for state in states() {
        for number in 0..3 {
            let payment = attempt(number);
            let step = fact(state, OrderFact::Mispaid { payment });
            let expected = [
                Consequence::Settle(payment),
                Consequence::SurplusRefund(payment),
                Consequence::Remedy(payment),
            ];
            let is_its_own = state.source() == Some(PaidSource::Payment(payment));
            let owed = step.owed().unwrap();
            assert_eq!(owed.is_empty(), is_its_own, "{state:?} {number}");
            assert!(owed.is_empty() || *owed == expected, "{state:?} {number}");
            let dead = fact(state, OrderFact::Dead { payment });
            assert_eq!(step.moved_to(), dead.moved_to(), "it pays nothing");
        }
    }
}

#[test]
fn money_of_another_amount_that_is_taken_back_is_settled_back() {
    for state in states() {
        let payment = attempt(2);
        let owed = [
            Consequence::SettleReversal(payment),
            Consequence::FailOpenRefunds(payment),
        ];
        let step = fact(state, OrderFact::Reversed { payment });
        assert_eq!(step, Step::Unchanged(owed.to_vec()), "{state:?}");
    }
}

#[test]
fn money_that_comes_again_after_its_reversal_changes_no_status_and_goes_back() {
    for state in states() {
        let payment = attempt(1);
        let owed = [
            Consequence::SurplusRefund(payment),
            Consequence::Remedy(payment),
            Consequence::Alarm(Alarm::Regained),
        ];
        let step = fact(state, OrderFact::Regained { payment });
        assert_eq!(step, Step::Unchanged(owed.to_vec()), "{state:?}");
    }
}

#[test]
fn a_reversed_surplus_payment_is_settled_outside_the_status() {
    let paid = OrderState::Paid { source: payment(1) };
    let step = fact(
        paid,
        OrderFact::Reversed {
            payment: attempt(2),
        },
    );
    let expected = vec![
        Consequence::SettleReversal(attempt(2)),
        Consequence::FailOpenRefunds(attempt(2)),
    ];
    assert_eq!(step, Step::Unchanged(expected));
}
