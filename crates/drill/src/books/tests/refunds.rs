//! Money that goes back: by refund, by hand, by reversal; and what may be wrong with that.

use proto::sandbox::v1::{Refund as ChannelRefund, RefundState as ChannelState};
use proto::trade::v1::{CancelType, ExternalPayment, RefundOrigin, RefundState};

use super::*;
use crate::order::BY_HAND;

fn refund_of(told: &Told, fen: i64) -> Refund {
    Refund {
        refund_no: told.order.order_no.replace('W', "R"),
        out_trade_no: told.order.out_trade_no.clone(),
        amount_fen: fen,
        state: RefundState::Succeeded.into(),
        origin: RefundOrigin::Asked.into(),
        ..Refund::default()
    }
}

fn sent(refund: &Refund) -> ChannelRefund {
    ChannelRefund {
        out_refund_no: refund.refund_no.clone(),
        out_trade_no: refund.out_trade_no.clone(),
        amount_fen: refund.amount_fen,
        state: ChannelState::Success.into(),
        ..ChannelRefund::default()
    }
}

// So much of a paid order's money goes back through the channel, and is settled.
pub(super) fn refund(facts: &mut Facts, at: usize, fen: i64) {
    let told = &mut facts.orders[at];
    let refund = refund_of(told, fen);
    let whole = fen == told.order.amount_fen;
    told.order.refunded_fen = fen;
    told.order.set_refund_status(RefundStatus::Succeeded);
    if whole {
        told.order.set_status(OrderStatus::Refunded);
        told.order.set_cancel_type(CancelType::Customer);
    }
    let (payment, fee) = (refund.out_trade_no.clone(), if whole { -6 } else { -2 });
    told.settlements
        .push(settlement(&payment, "refund:1", (-fen, fee)));
    facts.refunds.push(sent(&refund));
    told.refunds.push(refund);
}

// A second payment was paid, and went back.
pub(super) fn surplus(facts: &mut Facts, at: usize) {
    let told = &mut facts.orders[at];
    let amount = told.order.amount_fen;
    let second = format!("{}0001", told.order.order_no);
    let refund = Refund {
        out_trade_no: second.clone(),
        origin: RefundOrigin::Surplus.into(),
        ..refund_of(told, amount)
    };
    told.settlements
        .push(settlement(&second, "charge:1", (amount, 6)));
    told.settlements
        .push(settlement(&second, "refund:2", (-amount, -6)));
    facts.charges.push(charge(&second, amount));
    facts.refunds.push(sent(&refund));
    told.refunds.push(refund);
}

pub(super) fn rejected(facts: &mut Facts, at: usize) {
    let told = &mut facts.orders[at];
    told.order.set_refund_status(RefundStatus::Rejected);
    let refund = Refund {
        state: RefundState::Rejected.into(),
        ..refund_of(told, 10)
    };
    told.refunds.push(refund);
}

// The channel took it back.
pub(super) fn recalled(facts: &mut Facts, at: usize) {
    let told = &mut facts.orders[at];
    told.order.set_status(OrderStatus::Refunded);
    told.order.set_refund_status(RefundStatus::Succeeded);
    told.order.set_cancel_type(CancelType::System);
    told.order.refunded_fen = told.order.amount_fen;
    let (payment, amount) = (told.order.out_trade_no.clone(), told.order.amount_fen);
    told.settlements
        .push(settlement(&payment, "reversal:0", (-amount, -6)));
    charge_of(facts, at).set_state(ChargeState::Reversed);
}

// A platform took the money and gave it back; no channel of ours knows of it.
pub(super) fn external(facts: &mut Facts, at: usize, by: CancelType) {
    let told = &mut facts.orders[at];
    told.settlements.clear();
    let refund = Refund {
        out_trade_no: String::new(),
        evidence: BY_HAND.to_owned(),
        ..refund_of(told, told.order.amount_fen)
    };
    told.refunds.push(refund);
    charge_of(facts, at).was_paid = false;
    let order = &mut facts.orders[at].order;
    order.external_payment = Some(ExternalPayment::default());
    order.out_trade_no = String::new();
    order.refunded_fen = order.amount_fen;
    order.set_status(OrderStatus::Refunded);
    order.set_refund_status(RefundStatus::Succeeded);
    order.set_cancel_type(by);
}

fn one(back: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = Facts::default();
    add_paid(&mut facts, 1, 1_003);
    back(&mut facts);
    facts
}

fn wrongs(facts: &Facts) -> Vec<Wrong> {
    let findings = reckon(facts).findings.into_iter();
    findings.map(|finding| finding.wrong).collect()
}

#[test]
fn what_went_back_is_not_kept_and_not_settled() {
    let books = reckon(&one(|facts| refund(facts, 0, 1_003)));
    assert!(books.balance(), "{books:?}");
    assert_eq!((books.refunded, books.ledger.refunds), (1, 1));
    assert_eq!((books.ledger.kept_fen, books.gross_fen()), (0, 0));
    assert_eq!((books.returned_fen, books.fee_fen), (-1_003, 0));
}

#[test]
fn a_reversal_is_no_refund_and_keeps_nothing() {
    let books = reckon(&one(|facts| recalled(facts, 0)));
    assert!(books.balance(), "{books:?}");
    let ledger = books.ledger;
    assert_eq!((ledger.reversals, ledger.reversed_fen), (1, 1_003));
    assert_eq!((ledger.refunds, ledger.kept_fen), (0, 0));
}

#[test]
fn of_two_payments_one_is_kept() {
    let facts = one(|facts| surplus(facts, 0));
    let books = reckon(&facts);
    assert!(books.balance(), "{books:?}");
    assert_eq!((books.ledger.charges, books.ledger.kept_fen), (2, 1_003));
}

#[test]
fn a_surplus_that_stays_is_lost() {
    let facts = one(|facts| {
        surplus(facts, 0);
        facts.refunds.clear();
        facts.orders[0].refunds.clear();
        facts.orders[0].settlements.pop();
    });
    let lost = Wrong::MoneyNotHeld(1_003, OrderStatus::Paid);
    assert_eq!(wrongs(&facts), [lost]);
}

#[test]
fn a_refund_the_channel_did_not_send_is_lost() {
    let facts = one(|facts| {
        refund(facts, 0, 300);
        facts.refunds.clear();
    });
    let wrongs = wrongs(&facts);
    assert!(wrongs.contains(&Wrong::RefundNotPaid(300)), "{wrongs:?}");
    assert!(wrongs.contains(&Wrong::MoneyNotHeld(300, OrderStatus::Paid)));
}

#[test]
fn a_refund_that_only_the_channel_knows_is_lost() {
    let facts = one(|facts| {
        refund(facts, 0, 300);
        let told = &mut facts.orders[0];
        told.refunds.clear();
        told.settlements.pop();
        told.order.refunded_fen = 0;
        told.order.set_refund_status(RefundStatus::None);
    });
    let wrongs = wrongs(&facts);
    assert!(wrongs.contains(&Wrong::RefundUnknown(300)), "{wrongs:?}");
    assert!(wrongs.contains(&Wrong::MoneyMissing(300, OrderStatus::Paid)));
}

#[test]
fn a_refund_by_hand_needs_its_evidence() {
    let by_hand = |evidence: &str| {
        one(|facts| {
            refund(facts, 0, 1_003);
            facts.refunds[0].set_state(ChannelState::Change);
            facts.orders[0].refunds[0].evidence = evidence.to_owned();
        })
    };
    let books = reckon(&by_hand(BY_HAND));
    assert!(books.balance(), "{books:?}");
    assert_eq!((books.by_hand_fen, books.ledger.kept_fen), (1_003, 1_003));
    assert!(wrongs(&by_hand("")).contains(&Wrong::RefundNotPaid(1_003)));
}

#[test]
fn a_refund_that_was_not_settled_is_lost() {
    let facts = one(|facts| {
        refund(facts, 0, 300);
        facts.orders[0].settlements.pop();
    });
    assert_eq!(wrongs(&facts), [Wrong::SettledTooMuch(300)]);
}

#[test]
fn a_fee_that_did_not_go_back_with_its_money_is_found() {
    let facts = one(|facts| {
        refund(facts, 0, 1_003);
        let back = &mut facts.orders[0].settlements[1];
        (back.fee_fen, back.net_fen) = (0, -1_003);
    });
    assert_eq!(wrongs(&facts), [Wrong::FeeKept(6)]);
}

#[test]
fn an_order_that_says_other_than_its_refunds_is_found() {
    let facts = one(|facts| {
        refund(facts, 0, 300);
        facts.orders[0].order.set_refund_status(RefundStatus::None);
    });
    let differs = Wrong::RefundStatusDiffers(RefundStatus::None);
    assert_eq!(wrongs(&facts), [differs]);
    let facts = one(|facts| {
        refund(facts, 0, 300);
        facts.orders[0].refunds[0].amount_fen = 299;
        facts.refunds[0].amount_fen = 299;
        facts.orders[0].settlements[1].gross_fen = -299;
        facts.orders[0].settlements[1].net_fen = -297;
    });
    let wrongs = wrongs(&facts);
    let differs = Wrong::RefundedDiffers {
        shown: 300,
        gone: 299,
    };
    assert!(wrongs.contains(&differs), "{wrongs:?}");
}

#[test]
fn a_platforms_money_is_neither_kept_nor_settled() {
    let books = reckon(&one(|facts| external(facts, 0, CancelType::Customer)));
    assert!(books.balance(), "{books:?}");
    assert_eq!((books.ledger.charges, books.by_hand_fen), (0, 0));
}
