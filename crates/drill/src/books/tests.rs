mod kinds;
mod refunds;

use proto::sandbox::v1::ChargeState;
use proto::trade::v1::{Fulfilment, RefundStatus};

use super::*;

// A payment's number, and its order's: as long as real ones.
fn order_no(index: i64) -> String {
    format!("W2611200000000{index:05}")
}

fn charge(out_trade_no: &str, amount: i64) -> Charge {
    Charge {
        out_trade_no: out_trade_no.to_owned(),
        amount_fen: amount,
        state: ChargeState::Success.into(),
        was_paid: true,
        ..Charge::default()
    }
}

fn settlement(out_trade_no: &str, source: &str, (gross, fee): (i64, i64)) -> Settlement {
    Settlement {
        out_trade_no: out_trade_no.to_owned(),
        source: source.to_owned(),
        gross_fen: gross,
        fee_fen: fee,
        net_fen: gross - fee,
        ..Settlement::default()
    }
}

fn order(index: i64, amount: i64) -> Order {
    let order_no = order_no(index);
    Order {
        out_trade_no: format!("{order_no}0000"),
        order_no,
        amount_fen: amount,
        status: OrderStatus::Paid.into(),
        refund_status: RefundStatus::None.into(),
        fulfilment: Fulfilment::Delivered.into(),
        ..Order::default()
    }
}

// An order that was paid and settled as it should be.
fn add_paid(facts: &mut Facts, index: i64, amount: i64) {
    let order = order(index, amount);
    let out_trade_no = order.out_trade_no.clone();
    facts.accepted.push(order.order_no.clone());
    facts.charges.push(charge(&out_trade_no, amount));
    facts.orders.push(Told {
        order,
        settlements: vec![settlement(&out_trade_no, "charge:0", (amount, 6))],
        ..Told::default()
    });
}

// The charge that paid an order.
fn charge_of(facts: &mut Facts, at: usize) -> &mut Charge {
    let number = facts.orders[at].order.order_no.clone() + "0000";
    let mut charges = facts.charges.iter_mut();
    charges.find(|each| each.out_trade_no == number).unwrap()
}

// Three of them.
fn right() -> Facts {
    let mut facts = Facts::default();
    for (index, amount) in [(1, 1_002), (2, 1_003), (3, 1_005)] {
        add_paid(&mut facts, index, amount);
    }
    facts
}

// What is found when something goes wrong with the second order.
fn found(plant: impl FnOnce(&mut Facts)) -> (Vec<Wrong>, usize) {
    let mut facts = right();
    plant(&mut facts);
    let books = reckon(&facts);
    assert!(!books.balance());
    let lost = books.lost();
    let second = order_no(2);
    let findings = books.findings.into_iter();
    let wrongs = findings.map(|finding| {
        assert!(finding.number.starts_with(&second), "{finding:?}");
        finding.wrong
    });
    (wrongs.collect(), lost)
}

#[test]
fn right_books_balance() {
    let books = reckon(&right());
    assert!(books.balance(), "{books:?}");
    assert_eq!((books.created, books.paid, books.ledger.charges), (3, 3, 3));
    assert_eq!((books.ledger.kept_fen, books.gross_fen()), (3_010, 3_010));
    assert_eq!((books.fee_fen, books.net_fen, books.lost()), (18, 2_992, 0));
}

#[test]
fn a_charge_without_an_order_is_lost() {
    let found = found(|facts| {
        facts.orders.remove(1);
        facts.accepted.remove(1);
    });
    assert_eq!(found, (vec![Wrong::ChargeWithoutOrder(1_003)], 1));
}

#[test]
fn a_charge_whose_order_is_not_paid_is_lost() {
    let (wrongs, lost) = found(|facts| {
        facts.orders[1].order.set_status(OrderStatus::Paying);
        facts.orders[1]
            .order
            .set_fulfilment(Fulfilment::PendingAccept);
        facts.orders[1].settlements.clear();
    });
    let expected = [
        Wrong::MoneyNotHeld(1_003, OrderStatus::Paying),
        Wrong::NotSettled(1_003),
        Wrong::Unfinished(OrderStatus::Paying),
    ];
    assert_eq!((wrongs.as_slice(), lost), (&expected[..], 2));
}

#[test]
fn a_charge_of_an_earlier_attempt_is_lost() {
    let (wrongs, _) = found(|facts| {
        let number = format!("{}0001", order_no(2));
        facts.orders[1].order.out_trade_no = number;
    });
    let expected = [
        Wrong::MoneyMissing(1_003, OrderStatus::Paid),
        Wrong::MoneyNotHeld(1_003, OrderStatus::Paid),
    ];
    assert_eq!(wrongs, expected);
}

#[test]
fn a_paid_order_without_a_charge_is_lost() {
    let (wrongs, lost) = found(|facts| drop(facts.charges.remove(1)));
    let expected = [
        Wrong::MoneyMissing(1_003, OrderStatus::Paid),
        Wrong::SettledTooMuch(1_003),
    ];
    assert_eq!((wrongs.as_slice(), lost), (&expected[..], 2));
}

#[test]
fn a_charge_nobody_paid_is_no_charge() {
    let (wrongs, _) = found(|facts| {
        facts.charges[1].set_state(ChargeState::Notpay);
        facts.charges[1].was_paid = false;
    });
    assert_eq!(wrongs[0], Wrong::MoneyMissing(1_003, OrderStatus::Paid));
}

#[test]
fn an_acknowledged_order_that_is_gone_is_lost() {
    let found = found(|facts| {
        facts.orders.remove(1);
        facts.charges.remove(1);
    });
    assert_eq!(found, (vec![Wrong::OrderGone], 1));
}

#[test]
fn a_paid_order_without_a_settlement_is_lost() {
    let found = found(|facts| facts.orders[1].settlements.clear());
    assert_eq!(found, (vec![Wrong::NotSettled(1_003)], 1));
}

#[test]
fn another_amount_is_found() {
    let (wrongs, _) = found(|facts| facts.orders[1].order.amount_fen = 1_013);
    let differs = Wrong::AmountDiffers {
        charged: 1_003,
        ordered: 1_013,
    };
    assert!(wrongs.contains(&differs), "{wrongs:?}");
}

#[test]
fn a_second_settlement_is_found() {
    let (wrongs, _) = found(|facts| {
        let again = facts.orders[1].settlements[0].clone();
        facts.orders[1].settlements.push(again);
    });
    let expected = [Wrong::SettledTooMuch(1_003), Wrong::SettledOften(1)];
    assert_eq!(wrongs, expected);
}

#[test]
fn a_fee_that_does_not_add_up_is_found() {
    let found = found(|facts| facts.orders[1].settlements[0].fee_fen = 7);
    let wrong = Wrong::FeeDiffers {
        gross: 1_003,
        fee: 7,
        net: 997,
    };
    assert_eq!(found, (vec![wrong], 0));
}

#[test]
fn a_settlement_of_another_amount_is_found() {
    let (wrongs, _) = found(|facts| {
        let settlement = &mut facts.orders[1].settlements[0];
        (settlement.gross_fen, settlement.net_fen) = (1_000, 994);
    });
    assert_eq!(wrongs, [Wrong::NotSettled(3)]);
}

#[test]
fn two_charges_under_one_number_are_two() {
    let (wrongs, lost) = found(|facts| {
        let again = facts.charges[1].clone();
        facts.charges.push(again);
    });
    let expected = [
        Wrong::MoneyNotHeld(1_003, OrderStatus::Paid),
        Wrong::NotSettled(1_003),
    ];
    assert_eq!((wrongs.as_slice(), lost), (&expected[..], 2));
}

#[test]
fn an_order_nobody_paid_is_unfinished_and_not_lost() {
    let found = found(|facts| {
        facts.orders[1].order.set_status(OrderStatus::PayFailed);
        facts.orders[1]
            .order
            .set_fulfilment(Fulfilment::PendingAccept);
        facts.orders[1].settlements.clear();
        facts.charges.remove(1);
    });
    assert_eq!(found, (vec![Wrong::Unfinished(OrderStatus::PayFailed)], 0));
}

#[test]
fn a_settlement_of_what_nobody_paid_is_lost() {
    let (wrongs, lost) = found(|facts| {
        facts.orders[1].order.set_status(OrderStatus::PayFailed);
        facts.orders[1]
            .order
            .set_fulfilment(Fulfilment::PendingAccept);
        facts.charges.remove(1);
    });
    assert_eq!((wrongs[0], lost), (Wrong::SettledTooMuch(1_003), 1));
}

#[test]
fn columns_that_contradict_each_other_are_found() {
    let found = found(|facts| {
        let order = &mut facts.orders[1].order;
        order.cancel_type = 1;
    });
    assert_eq!(found, (vec![Wrong::Inconsistent(OrderStatus::Paid)], 0));
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
    let mut facts = right();
    facts.orders[0].settlements[0].net_fen = i64::MAX;
    facts.orders[1].settlements[0].net_fen = i64::MAX;
    let books = reckon(&facts);
    assert!(!books.balance());
    assert_eq!(books.findings.len(), 2);
}
