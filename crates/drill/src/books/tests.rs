mod kinds;

use super::*;

// Three orders, paid and settled as they should be.
fn right() -> Facts {
    let mut facts = Facts::default();
    for (index, amount) in [(1, 1_002), (2, 1_003), (3, 1_005)] {
        let number = format!("W{index}");
        let out_trade_no = format!("{number}0000");
        facts.accepted.push(number.clone());
        facts.charges.push(Charge {
            out_trade_no: out_trade_no.clone(),
            amount_fen: amount,
            state: ChargeState::Success.into(),
            ..Charge::default()
        });
        let settlement = Settlement {
            out_trade_no: out_trade_no.clone(),
            gross_fen: amount,
            fee_fen: 6,
            net_fen: amount - 6,
            ..Settlement::default()
        };
        let order = Order {
            order_no: number,
            out_trade_no,
            amount_fen: amount,
            status: OrderStatus::Paid.into(),
            ..Order::default()
        };
        facts.orders.push(Told {
            order,
            settlements: vec![settlement],
            remedies: Vec::new(),
        });
    }
    facts
}

// What is found when something goes wrong with the second order.
fn found(plant: impl FnOnce(&mut Facts)) -> (Vec<(String, Wrong)>, usize) {
    let mut facts = right();
    plant(&mut facts);
    let books = reckon(&facts);
    assert!(!books.balance());
    let lost = books.lost();
    let findings = books.findings.into_iter();
    (
        findings
            .map(|finding| (finding.number, finding.wrong))
            .collect(),
        lost,
    )
}

fn one(number: &str, wrong: Wrong, lost: usize) -> (Vec<(String, Wrong)>, usize) {
    (vec![(number.to_owned(), wrong)], lost)
}

#[test]
fn right_books_balance() {
    let books = reckon(&right());
    assert!(books.balance(), "{books:?}");
    assert_eq!(
        (books.created, books.paid, books.settled, books.charges),
        (3, 3, 3, 3)
    );
    assert_eq!((books.charged_fen, books.gross_fen), (3_010, 3_010));
    assert_eq!((books.fee_fen, books.net_fen, books.lost()), (18, 2_992, 0));
}

#[test]
fn a_charge_without_an_order_is_lost() {
    let found = found(|facts| {
        facts.orders.remove(1);
        facts.accepted.remove(1);
    });
    assert_eq!(found, one("W20000", Wrong::ChargeWithoutOrder(1_003), 1));
}

#[test]
fn a_charge_whose_order_is_not_paid_is_lost() {
    let found = found(|facts| {
        facts.orders[1].order.set_status(OrderStatus::Paying);
        facts.orders[1].settlements.clear();
    });
    assert_eq!(
        found,
        one("W2", Wrong::ChargeNotPaid(1_003, OrderStatus::Paying), 1)
    );
}

#[test]
fn a_charge_of_an_earlier_attempt_is_lost() {
    let found = found(|facts| {
        facts.orders[1].order.set_status(OrderStatus::Paying);
        facts.orders[1].settlements.clear();
        facts.orders[1].order.out_trade_no = "W20001".to_owned();
    });
    let unfinished = ("W2".to_owned(), Wrong::Unfinished(OrderStatus::Paying));
    let charge = ("W20000".to_owned(), Wrong::ChargeWithoutOrder(1_003));
    assert_eq!(found, (vec![unfinished, charge], 1));
}

#[test]
fn a_paid_order_without_a_charge_is_lost() {
    let found = found(|facts| drop(facts.charges.remove(1)));
    assert_eq!(found, one("W2", Wrong::PaidWithoutCharge(1_003), 1));
}

#[test]
fn a_charge_nobody_paid_is_no_charge() {
    let found = found(|facts| facts.charges[1].set_state(ChargeState::Notpay));
    assert_eq!(found, one("W2", Wrong::PaidWithoutCharge(1_003), 1));
}

#[test]
fn an_acknowledged_order_that_is_gone_is_lost() {
    let found = found(|facts| {
        facts.orders.remove(1);
        facts.charges.remove(1);
    });
    assert_eq!(found, one("W2", Wrong::OrderGone, 1));
}

#[test]
fn a_paid_order_without_a_settlement_is_lost() {
    let found = found(|facts| facts.orders[1].settlements.clear());
    assert_eq!(found, one("W2", Wrong::NotSettled(1_003), 1));
}

#[test]
fn another_amount_is_found() {
    let found = found(|facts| facts.orders[1].order.amount_fen = 1_013);
    let wrong = Wrong::AmountDiffers {
        charged: 1_003,
        ordered: 1_013,
    };
    assert_eq!(found, one("W2", wrong, 0));
}

#[test]
fn a_second_settlement_is_found() {
    let found = found(|facts| {
        let again = facts.orders[1].settlements[0].clone();
        facts.orders[1].settlements.push(again);
    });
    assert_eq!(found, one("W2", Wrong::SettledOften(2), 0));
}

#[test]
fn a_fee_that_does_not_add_up_is_found() {
    let found = found(|facts| facts.orders[1].settlements[0].fee_fen = 7);
    let wrong = Wrong::FeeDiffers {
        gross: 1_003,
        fee: 7,
        net: 997,
    };
    assert_eq!(found, one("W2", wrong, 0));
}

#[test]
fn a_settlement_of_something_else_is_found() {
    let amount = found(|facts| facts.orders[1].settlements[0].gross_fen = 1_000);
    assert_eq!(amount, one("W2", Wrong::SettlementDiffers(1_000), 0));
    let payment = found(|facts| facts.orders[1].settlements[0].out_trade_no.push('1'));
    assert_eq!(payment, one("W2", Wrong::SettlementDiffers(1_003), 0));
}

#[test]
fn a_charge_belongs_to_one_order() {
    let found = found(|facts| {
        let mut twin = facts.orders[1].clone();
        "W4".clone_into(&mut twin.order.order_no);
        facts.orders.push(twin);
    });
    assert_eq!(found, one("W4", Wrong::ChargeClaimedTwice, 0));
}

#[test]
fn two_charges_under_one_number_are_two() {
    let found = found(|facts| {
        let again = facts.charges[1].clone();
        facts.charges.push(again);
    });
    assert_eq!(found, one("W20000", Wrong::ChargeWithoutOrder(1_003), 1));
}

#[test]
fn an_order_nobody_paid_is_unfinished_and_not_lost() {
    let found = found(|facts| {
        facts.orders[1].order.set_status(OrderStatus::PayFailed);
        facts.orders[1].settlements.clear();
        facts.charges.remove(1);
    });
    assert_eq!(
        found,
        one("W2", Wrong::Unfinished(OrderStatus::PayFailed), 0)
    );
}

#[test]
fn a_settlement_of_what_nobody_paid_is_lost() {
    let found = found(|facts| {
        facts.orders[1].order.set_status(OrderStatus::PayFailed);
        facts.charges.remove(1);
    });
    let unfinished = ("W2".to_owned(), Wrong::Unfinished(OrderStatus::PayFailed));
    let settled = ("W2".to_owned(), Wrong::SettledUnpaid(1_003));
    assert_eq!(found, (vec![unfinished, settled], 1));
}

#[test]
fn a_payments_number_names_its_order() {
    let order = "W261120100903123010";
    assert_eq!(order_no_of("W2611201009031230100001"), order);
    assert_eq!(order_no_of("W2611201009031230100001T"), order);
    assert_eq!(order_no_of("W"), "");
}

#[test]
fn a_sum_that_overflows_does_not_balance() {
    let (findings, _) = found(|facts| {
        facts.orders[0].settlements[0].net_fen = i64::MAX;
        facts.orders[1].settlements[0].net_fen = i64::MAX;
    });
    assert_eq!(findings.len(), 2);
}
